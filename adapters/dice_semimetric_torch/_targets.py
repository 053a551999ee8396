"""Labels as MONAI passes them, as the core takes them: no class axis, an integer dtype."""

import torch
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply


def resolve_target(pred: Tensor, target: Tensor, *, to_onehot_y: bool) -> Tensor:
    """Return labels (B, 1, *spatial) as (B, *spatial); any other target as it is.

    With several channels in ``pred``, a single one in ``target`` is labels only with
    ``to_onehot_y``; without it the core raises.
    """
    if target.ndim != pred.ndim or target.shape[1] != 1:
        return target
    if pred.shape[1] == 1:
        if target.is_floating_point():
            return target
        return _foreground(target)[:, 0]
    if not to_onehot_y:
        return target
    return _whole_numbers(target)[:, 0] if target.is_floating_point() else target[:, 0]


def _foreground(target: Tensor) -> Tensor:
    return target.view(torch.uint8) if target.dtype == torch.bool else target


def _whole_numbers(target: Tensor) -> Tensor:
    """Return labels that a reader left in a floating dtype, as MONAI's LoadImage does."""
    label = target.to(torch.int32)
    if checks_apply(target) and not bool((label == target).all()):
        raise ValueError(
            "target must hold whole numbers where to_onehot_y=True and it has a class axis of 1, "
            f"got fractions in dtype {target.dtype}; soft labels have one channel a class"
        )
    return label
