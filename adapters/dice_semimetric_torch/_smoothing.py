"""Label smoothing of the targets that the losses take."""

from typing import Literal

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric import label_boundary, one_hot, smooth_boundary, smooth_labels
from dice_semimetric._lib.checks import checks_apply, require_unit_interval
from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.pairs import is_label_map
from dice_semimetric.labels import mix_uniform, some_class

from ._inputs import plain, require_classes, require_tensors
from ._sums.reader import Mask
from ._targets import resolve_target, with_class_axis, without_ignored

Smoothing = Literal["uniform", "boundary"]


def smoothed(
    input: Tensor,
    target: Tensor,
    mask: Mask,
    *,
    epsilon: float,
    smoothing: Smoothing,
    each_alone: bool,
    to_onehot_y: bool,
    ignore_index: int | None,
) -> tuple[Tensor, Mask]:
    """Return soft labels of the shape of ``input`` and a mask without the pixels to ignore.

    With ``each_alone`` each channel stands for two classes, itself and its background.
    """
    require_tensors(input=input, target=target, mask=mask)
    require_classes("input", input)
    input, target, mask = plain(input), plain(target), plain(mask)
    target = resolve_target(input, target, to_onehot_y=to_onehot_y)
    labels = is_label_map(xp, input, target, ignore_index)
    classes, dtype = input.shape[1], sum_dtype(xp, input, target)
    mask = with_class_axis(mask, (input.shape[0], *input.shape[2:]))
    if labels and not (each_alone and classes > 1):
        smooth = smooth_labels if smoothing == "uniform" else smooth_boundary
        soft = smooth(target, classes, epsilon=epsilon, dtype=dtype, ignore_index=ignore_index)
        return soft, without_ignored(target, mask, ignore_index)
    if not labels and smoothing == "boundary" and target.is_floating_point():
        raise ValueError(
            "target must be integer labels or masks of each class where smoothing='boundary', "
            f"got dtype {target.dtype}; write smoothing='uniform', or target > 0.5 for the masks"
        )
    hot, kept = target, None
    if labels:
        hot = one_hot(target, classes, dtype=torch.bool, ignore_index=ignore_index)
        kept = without_ignored(target, None, ignore_index)
        mask = without_ignored(target, mask, ignore_index)
    elif checks_apply(input, target, mask):  # smoothed, a wrong value would look right
        counted = hot if mask is None else torch.where(mask, hot, 0)
        require_unit_interval(xp, counted, "target")
    soft = hot.to(dtype)
    smooth_soft = mix_uniform(soft, epsilon, 1 if each_alone else classes)
    if not each_alone:  # no class at all stands for a pixel that does not count
        kept = some_class(hot, axis=1)
    if smoothing == "uniform":
        return (smooth_soft if kept is None else torch.where(kept, smooth_soft, soft)), mask
    edge = _edges(hot, kept)
    if not each_alone:
        edge = edge.any(1, keepdim=True)
    return torch.where(edge, smooth_soft, soft), mask


def _edges(hot: Tensor, kept: Mask) -> Tensor:
    """Return the boundary of each mask, to which pixels that are not kept do not belong."""
    channels = (hot != 0).to(torch.uint8)
    if kept is not None:
        channels = torch.where(kept, channels, 2)
    edge: Tensor = label_boundary(channels, ignore_index=2, batch_axes=2)
    return edge
