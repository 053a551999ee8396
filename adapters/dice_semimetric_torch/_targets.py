"""Labels as MONAI passes them, as the core takes them: no class axis, an integer dtype."""

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply
from dice_semimetric._lib.pairs import both, foreground_labels
from dice_semimetric._lib.special import widen

from ._sums.reader import Mask


def resolve_target(pred: Tensor, target: Tensor, *, to_onehot_y: bool) -> Tensor:
    """Return labels (B, 1, *spatial) as (B, *spatial); any other target as it is.

    With several channels in ``pred``, a single one in ``target`` is labels only with
    ``to_onehot_y``.
    """
    target = foreground_labels(xp, pred, target)
    single = target.ndim == pred.ndim and target.shape[1] == 1 < pred.shape[1]
    if not single or target.shape[0] != pred.shape[0] or target.shape[2:] != pred.shape[2:]:
        return target
    if not to_onehot_y:
        raise ValueError(
            f"target must be integer labels of shape {(pred.shape[0], *pred.shape[2:])} or have "
            f"{pred.shape[1]} channels, got shape {tuple(target.shape)}; "
            "for labels set to_onehot_y=True"
        )
    return _whole_numbers(target)[:, 0]


def with_class_axis(mask: Mask, pixels: tuple[int, ...]) -> Mask:
    """Return a mask of the pixels (B, *spatial) as (B, 1, *spatial); any other as it is."""
    return mask[:, None] if mask is not None and tuple(mask.shape) == pixels else mask


def without_ignored(label: Tensor, mask: Mask, ignore_index: int | None) -> Mask:
    """Return a mask without the pixels that integer labels (B, *spatial) say not to count."""
    mask = with_class_axis(mask, tuple(label.shape))
    if ignore_index is None:
        return mask
    return both((widen(xp, label, ignore_index) != ignore_index)[:, None], mask)


def _whole_numbers(target: Tensor) -> Tensor:
    """Return labels that a reader left in a floating dtype, as MONAI's LoadImage does."""
    if target.dtype == torch.bool:
        return target.to(torch.uint8)
    if not target.is_floating_point():
        return target
    label = target.to(torch.int32)
    if checks_apply(target) and not bool((label == target).all()):
        raise ValueError(
            "target must hold whole numbers where to_onehot_y=True and it has a class axis of 1, "
            f"got fractions in dtype {target.dtype}; soft labels have one channel a class"
        )
    return label
