"""Deep supervision: outputs of a network from fine to coarse, each with a target of its size."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeGuard

import array_api_compat.torch as xp
import torch
import torch.nn.functional as F
from torch import Tensor

from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.options import require_numbers

from ._inputs import plain, require_classes, require_tensors
from ._sums.reader import Mask
from ._targets import with_class_axis, without_ignored

#: One tensor, or one for each output.
Tensors: TypeAlias = Tensor | Sequence[Tensor]
Masks: TypeAlias = Tensors | None


def is_several(value: object) -> TypeGuard[Sequence[Tensor]]:
    """Return whether it holds the outputs of a network with deep supervision."""
    return isinstance(value, list | tuple)


def require_level_weights(weights: Sequence[float] | None) -> tuple[float, ...] | None:
    """Return the weights of the outputs as floats, or raise; None stands for halved ones."""
    if weights is None:
        return None
    return require_numbers("deep_supervision_weights", weights, least=0.0)


def level_weights(weights: tuple[float, ...] | None, number: int) -> tuple[float, ...]:
    """Return the weights of so many outputs: by default each half of the one before, sum 1."""
    if weights is None:
        total = 2 - 2.0 ** (1 - number)
        return tuple(0.5**k / total for k in range(number))
    if len(weights) != number:
        raise ValueError(
            "deep_supervision_weights must hold a number for each output, "
            f"got {len(weights)} for {number} outputs"
        )
    return weights


def levels(
    outputs: Sequence[Tensor],
    target: Tensors,
    mask: Masks,
    teacher: Tensors | None = None,
    *,
    to_onehot_y: bool,
    ignore_index: int | None,
    weights: tuple[float, ...] | None,
) -> list[tuple[Any, ...]]:
    """Return for each output what a loss is called with: itself, target, mask and any teacher.

    What comes as one tensor is made coarser: labels, masks of each class and the mask of the pixels
    that count take the nearest pixel, soft labels the mean over the pixels that count.
    """
    _require_outputs(outputs)
    if weights is None:
        _require_finest_first(outputs)
    given: dict[str, Any] = {"target": target, "mask": mask}
    given |= {} if teacher is None else {"teacher": teacher}
    if is_several(target):
        rows = [_one_each(name, value, len(outputs)) for name, value in given.items()]
        return list(zip(outputs, *rows, strict=True))
    require_tensors(**given)
    tensors = [plain(value) for value in given.values()]
    return [(o, *_at_size(o, to_onehot_y, ignore_index, *tensors)) for o in outputs]


def _one_each(name: str, value: Any, number: int) -> Sequence[Tensor | None]:
    """Return a tensor for each output, or raise unless there are so many."""
    if name == "mask" and value is None:
        return [None] * number
    if not is_several(value):
        raise TypeError(f"{name} must hold a tensor for each output, as target does, got one")
    if len(value) != number:
        raise ValueError(
            f"{name} must hold a tensor for each output, got {len(value)} for {number} outputs"
        )
    found: Sequence[Tensor] = value
    return found


def _require_outputs(outputs: Sequence[Tensor]) -> None:
    if not outputs:
        raise ValueError("input must hold at least one output, got none")
    for k, output in enumerate(outputs):
        require_tensors(**{f"input[{k}]": output})
        require_classes(f"input[{k}]", output)


def _require_finest_first(outputs: Sequence[Tensor]) -> None:
    """Raise ValueError for an output larger than the one before, which is to weigh more."""
    sizes = [tuple(output.shape[2:]) for output in outputs]
    pixels = [math.prod(size) for size in sizes]
    if pixels == sorted(pixels, reverse=True):
        return
    raise ValueError(
        f"input must hold the finest output first, got sizes {', '.join(map(str, sizes))}; write "
        "input[::-1], and the same of target if it is a list, or give deep_supervision_weights"
    )


def _at_size(
    output: Tensor,
    to_onehot_y: bool,
    ignore_index: int | None,
    target: Tensor,
    mask: Mask,
    teacher: Tensor | None = None,
) -> tuple[Any, ...]:
    """Return target, mask and any teacher at the size of an output."""
    size, rank = tuple(output.shape[2:]), output.ndim - 2
    fine = tuple(target.shape[target.ndim - rank :])
    if size == fine:
        return (target, mask) if teacher is None else (target, mask, teacher)
    if target.ndim <= rank or any(n > m for n, m in zip(size, fine, strict=True)):
        raise ValueError(
            "target must be at least as large as each output, "
            f"got shape {tuple(target.shape)} and an output of shape {tuple(output.shape)}"
        )
    soft = target.is_floating_point() and target.ndim == output.ndim
    soft = soft and not (to_onehot_y and target.shape[1] == 1 < output.shape[1])
    counts = with_class_axis(mask, (target.shape[0], *fine))
    coarse = _average(target, counts, size) if soft else _nearest(target, size)
    coarse_mask = None if mask is None else _nearest(mask, size, fine)
    if teacher is None:
        return coarse, coarse_mask
    if not soft:
        label = target if target.ndim == rank + 1 else target[:, 0]
        counts = without_ignored(label, counts, ignore_index)
    return coarse, coarse_mask, _average(teacher, counts, size)


def _nearest(tensor: Tensor, size: tuple[int, ...], fine: tuple[int, ...] = ()) -> Tensor:
    """Return the pixels in the middle of equal parts of the last axes; one pixel is left as it is.

    That is "nearest-exact" of `torch.nn.functional.interpolate`, which takes no integers.
    """
    for axis, number in zip(range(-1, -len(size) - 1, -1), reversed(size), strict=True):
        if -axis > tensor.ndim or tensor.shape[axis] in (1, number):
            continue
        length = tensor.shape[axis]
        if fine and length != fine[axis]:
            raise ValueError(f"mask must have the size {fine} of target, got {tuple(tensor.shape)}")
        index = (2 * torch.arange(number, device=tensor.device) + 1) * length // (2 * number)
        tensor = tensor.index_select(axis, index)
    return tensor


def _average(soft: Tensor, counts: Mask, size: tuple[int, ...]) -> Tensor:
    """Return the means over the pixels that count of equal parts of soft labels (B, C, *spatial).

    They are taken in float32 at least; where no pixel counts they are 0.
    """
    if len(size) > 3:
        raise ValueError(
            "soft labels are averaged over up to three spatial axes, got "
            f"{tuple(soft.shape)}; give a target for each output"
        )
    soft = soft.to(sum_dtype(xp, soft))
    if counts is None:
        return F.interpolate(soft, size, mode="area")
    total = F.interpolate(torch.where(counts, soft, 0), size, mode="area")
    share = F.interpolate(counts.expand(soft.shape).to(soft.dtype), size, mode="area")
    return total / torch.where(share > 0, share, 1)
