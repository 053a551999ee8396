"""Labels as MONAI passes them, as the core takes them: no class axis, an integer dtype."""

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply
from dice_semimetric._lib.pairs import both, foreground_labels
from dice_semimetric._lib.remedies import has_fractions, soft_remedy
from dice_semimetric._lib.special import widen

from ._sums.reader import Mask


def resolve_target(pred: Tensor, target: Tensor, *, to_onehot_y: bool) -> Tensor:
    """Return labels (B, 1, *spatial) as (B, *spatial); any other target as it is.

    With several channels in ``pred``, a single one in ``target`` is labels only with
    ``to_onehot_y``.
    """
    if is_stacked(pred, target):
        raise ValueError(
            f"target of shape {tuple(target.shape)} has images of three axes and input of four"
            + stacked_remedy(pred, target)
        )
    target = foreground_labels(xp, pred, target)
    single = target.ndim == pred.ndim and target.shape[1] == 1 < pred.shape[1]
    if not single or target.shape[0] != pred.shape[0] or target.shape[2:] != pred.shape[2:]:
        return target
    if not to_onehot_y:
        raise ValueError(
            f"target must be integer labels of shape {(pred.shape[0], *pred.shape[2:])} or have "
            f"{pred.shape[1]} channels, got shape {tuple(target.shape)}; "
            + _single_remedy(target, pred.shape[1])
        )
    return _whole_numbers(target, pred.shape[1])[:, 0]


def is_stacked(input: Tensor, target: Tensor) -> bool:
    """Return whether integer labels would be taken for those of an image of four axes.

    The first of these has one pixel: they are labels (B, 1, *spatial) of an image of three axes,
    and the outputs of deep supervision are stacked along axis 1 of the input.
    """
    stacked = input.ndim == 6 and input.shape[2] == 1
    return stacked and tuple(target.shape) == (input.shape[0], *input.shape[2:])


def stacked_remedy(input: Tensor, target: Tensor) -> str:
    """Return what to write if outputs of deep supervision are stacked, as MONAI's networks do."""
    shape, found = tuple(input.shape), tuple(target.shape)
    if len(shape) < 5:
        return ""
    images, classes, spatial = shape[0], shape[2], shape[3:]
    if found not in ((images, 1, *spatial), (images, classes, *spatial), (images, *spatial)):
        return ""
    return (
        f"; an input of shape {shape} looks like outputs of deep supervision that are stacked "
        "along axis 1, as MONAI stacks them: write list(input.unbind(1))"
    )


def with_class_axis(mask: Mask, pixels: tuple[int, ...]) -> Mask:
    """Return a mask of the pixels (B, *spatial) as (B, 1, *spatial); any other as it is."""
    return mask[:, None] if mask is not None and tuple(mask.shape) == pixels else mask


def without_ignored(label: Tensor, mask: Mask, ignore_index: int | None) -> Mask:
    """Return a mask without the pixels that integer labels (B, *spatial) say not to count."""
    mask = with_class_axis(mask, tuple(label.shape))
    if ignore_index is None:
        return mask
    return both((widen(xp, label, ignore_index) != ignore_index)[:, None], mask)


def _single_remedy(target: Tensor, num_classes: int) -> str:
    """Return what to write for one channel where there are to be several."""
    soft = soft_remedy(xp, target, num_classes, "target", class_axis=True)
    labels = "for labels set to_onehot_y=True"
    if not target.is_floating_point():
        return labels
    return soft if has_fractions(xp, target) else f"{labels}, {soft}"


def _whole_numbers(target: Tensor, num_classes: int) -> Tensor:
    """Return labels that a reader left in a floating dtype, as MONAI's LoadImage does."""
    if target.dtype == torch.bool:
        return target.to(torch.uint8)
    if not target.is_floating_point():
        return target
    label = target.to(torch.int32)
    if checks_apply(target) and not bool((label == target).all()):
        raise ValueError(
            "target must hold whole numbers where to_onehot_y=True and it has a class axis of 1, "
            f"got {'NaN' if bool(target.isnan().any()) else 'fractions'} in dtype {target.dtype}; "
            + soft_remedy(xp, target, num_classes, "target", class_axis=True)
        )
    return label
