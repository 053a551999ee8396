"""How the tensors of a whole loss lie in memory, found once for those that lie alike."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from dice_semimetric._lib.typing import Activation

from ..lending import FLOATS, INTEGERS
from . import host
from .reader import Mask, Options


class Reading(NamedTuple):
    """How a loss reads its input."""

    activation: Activation
    ignore_index: int | None
    to_onehot_y: bool


class Layouts(NamedTuple):
    """Tensors as the kernels take them, but for their addresses: without a gradient, and with."""

    there: Any
    back: Any


_known: dict[Any, Layouts | None] = {}


def layouts_of(pred: Tensor, target: Tensor, mask: Mask, reading: Reading) -> Layouts | None:
    """Return how tensors lie, or None for what the kernels do not take."""
    module = host.kernels()
    if module is None or target.requires_grad:
        return None
    key = (
        host.key_of(pred),
        host.key_of(target),
        None if mask is None else host.key_of(mask),
        reading,
    )
    if key in _known:
        return _known[key]
    if len(_known) >= host.MANY:
        _known.clear()
    found = _known[key] = _found(module, pred, target, mask, reading)
    return found


def _found(
    module: Any, pred: Tensor, target: Tensor, mask: Mask, reading: Reading
) -> Layouts | None:
    found = resolved(pred, target, mask, reading)
    if found is None:
        return None
    pixels = host.pixels_of(pred, *found)
    if not module.eligible(pixels):
        return None
    return Layouts(module.pairs_of(pixels), module.pairs_of(pixels, host.room(pred)))


def resolved(
    pred: Tensor, target: Tensor, mask: Mask, reading: Reading
) -> tuple[Tensor, Mask, Options] | None:
    """Return target and mask as kernels read them, and how; or None for what they do not take."""
    if not host.lendable(pred, target, mask):
        return None
    shape, labels = pred.shape, _labels(pred.shape, target, reading.to_onehot_y)
    usual = target.shape == shape and reading.ignore_index is None
    if pred.dtype not in FLOATS or not (usual or labels is not None):
        return None
    kept = None if mask is None else _with_classes(shape, mask)
    if mask is not None and kept is None:
        return None
    target = target if labels is None else labels
    wide = torch.float64 in (pred.dtype, target.dtype)
    dtype = torch.float64 if wide else torch.float32
    return target, kept, Options(tuple(range(2, len(shape))), dtype, *reading[:2])


def is_plain(*tensors: Any) -> bool:
    """Return whether these are dense tensors with values on one device, which nothing follows."""
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return False
    if torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0:
        return False
    for tensor in tensors:
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.is_meta:
            return False
        if tensor.device != tensors[0].device or tensor.layout != torch.strided or tensor.is_nested:
            return False
    return True


def _labels(shape: torch.Size, target: Tensor, to_onehot_y: bool) -> Tensor | None:
    """Return integer labels (B, *spatial), or None for any other target."""
    if target.dtype not in INTEGERS:
        return None
    single = shape[1] == 1
    if target.dtype == torch.bool and not single:
        return None
    spatial = (shape[0], *shape[2:])
    if target.shape == spatial:
        return target
    with_axis = target.shape == (shape[0], 1, *shape[2:])
    return target[:, 0] if with_axis and (single or to_onehot_y) else None


def _with_classes(shape: torch.Size, mask: Tensor) -> Mask:
    """Return a mask that broadcasts to the shape, or None for what does not."""
    if mask.dtype != torch.bool:
        return None
    if mask.shape == (shape[0], *shape[2:]):
        return mask[:, None]
    pairs = zip(reversed(mask.shape), reversed(shape), strict=False)
    fits = mask.ndim <= len(shape) and all(m in (1, s) for m, s in pairs)
    return mask if fits else None
