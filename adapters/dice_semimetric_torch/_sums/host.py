"""The four sums of `Overlap` and their gradient on a host, by the compiled kernels of its memory.

A tensor is lent to them where it lies, in any dtype and layout; what they are not made for is left
to `blockwise`. The first step compiles them, which takes seconds; they are kept on disk.
"""

from types import ModuleType
from typing import Any

import numpy as np
import torch
from dice_semimetric_numba.kernels import BRAIN, compiled
from torch import Tensor

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import threads

from ..lending import DTYPES
from . import blockwise
from .reader import Gradients, Mask, Needs, Options

#: So many layouts are kept: what a training goes through comes back in every step.
MANY = 256
_known: dict[Any, Any] = {}
_NUMPY = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}


def kernels() -> ModuleType | None:
    """Return the module with the kernels' calls, or None where Numba is absent or broken."""
    return compiled("losses")


def lendable(*tensors: Mask) -> bool:
    """Return whether tensors on the host lie in memory as the kernels read it."""
    return all(t is None or (t.dtype in DTYPES and not t.is_neg()) for t in tensors)


def array(tensor: Tensor) -> np.ndarray:
    """Return a tensor as NumPy's array, without a copy."""
    values = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return values.view(torch.int16).numpy().view(BRAIN)
    return values.numpy()


def addresses(*tensors: Mask) -> list[int]:
    """Return where the first elements of tensors lie; of none, 0."""
    return [0 if t is None else t.data_ptr() for t in tensors]


def room(like: Tensor) -> np.ndarray:
    """Return memory for a gradient, in the dtype and the order of a tensor.

    NumPy's, which asks Linux for huge pages: of those that PyTorch takes, the first touch of each
    costs as much as the kernel does.
    """
    return np.empty_like(array(like))


def tensor(values: np.ndarray) -> Tensor:
    """Return what `array` was made of."""
    if values.dtype == BRAIN:
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def pixels_of(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Pixels:
    """Return pixels as the kernels take them, of tensors that are lendable."""
    axis, dtype, activation, ignore_index, checked = options
    return Pixels(
        array(pred),
        array(target),
        None if mask is None else array(mask),
        axis=axis,
        dtype=_NUMPY[dtype],
        activation=activation,
        ignore_index=ignore_index,
        checked=checked,
    )


def key_of(tensor: Mask) -> tuple[Any, ...] | None:
    """Return what there is to know of a tensor but its address."""
    if tensor is None:
        return None
    odd = tensor.data_ptr() % tensor.itemsize
    return tensor.dtype, tensor.shape, tensor.stride(), odd, tensor.is_neg()


def eligible(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> bool:
    """Return whether the kernels take these tensors."""
    return pairs_of(pred, target, mask, options) is not None


def pairs_of(
    pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs = (False, False)
) -> Any:
    """Return tensors, and room for gradients, as the kernels take them, but for their addresses.

    None is for what they do not take. It is found once for tensors that lie alike.
    """
    key = (key_of(pred), key_of(target), key_of(mask), options, needs)
    if key in _known:
        return _known[key]
    if len(_known) >= MANY:
        _known.clear()
    module, found = kernels(), None
    if module is not None and options.dtype in _NUMPY and lendable(pred, target, mask):
        pixels = pixels_of(pred, target, mask, options)
        if module.eligible(pixels):
            rooms = (
                room(t) if need else None for t, need in zip((pred, target), needs, strict=True)
            )
            found = module.pairs_of(pixels, *rooms)
    _known[key] = found
    return found


def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    """Return the sums, of shape (4, *kept axes)."""
    module: Any = kernels()
    pairs = pairs_of(pred, target, mask, options)
    with threads(torch.get_num_threads()):
        pairs = pairs.at(*addresses(pred, target, mask))
        total, wrong = module.sums(pairs, checked=options.checked)
    if wrong and options.checked:  # it finds the entry, and words the error
        return blockwise.forward(pred, target, mask, options)
    return torch.from_numpy(np.ascontiguousarray(total))


def backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> Gradients:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    module: Any = kernels()
    pairs = pairs_of(pred, target, mask, options, needs)
    of_pred, of_target = (
        tensor(room(t)) if need else None for t, need in zip((pred, target), needs, strict=True)
    )
    with threads(torch.get_num_threads()):
        pairs = pairs.at(*addresses(pred, target, mask, of_pred, of_target))
        pairs = pairs.clipped() if options.checked else pairs
        module.gradients(pairs, gradient.detach().numpy())
    return of_pred, of_target
