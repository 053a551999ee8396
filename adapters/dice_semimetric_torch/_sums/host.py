"""The four sums of `Overlap` and their gradient on a host, by the compiled kernels of its memory.

A tensor is lent to them where it lies, in any dtype and layout; what they are not made for is left
to `blockwise`. The first step compiles them, which takes seconds; they are kept on disk.
"""

from types import ModuleType

import numpy as np
import torch
from dice_semimetric_numba.kernels import BRAIN, compiled
from torch import Tensor

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import threads

from ..lending import DTYPES
from . import blockwise
from .reader import Gradients, Mask, Needs, Options

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


def eligible(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> bool:
    """Return whether the kernels take these tensors."""
    module = kernels()
    if module is None or options.dtype not in _NUMPY or not lendable(pred, target, mask):
        return False
    return bool(module.eligible(pixels_of(pred, target, mask, options)))


def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    """Return the sums, of shape (4, *kept axes)."""
    module = kernels()
    assert module is not None
    with threads(torch.get_num_threads()):
        pairs = module.pairs_of(pixels_of(pred, target, mask, options))
        total, wrong = module.sums(pairs, checked=options.checked)
    if wrong and options.checked:  # it finds the entry, and words the error
        return blockwise.forward(pred, target, mask, options)
    return torch.from_numpy(np.ascontiguousarray(total))


def backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> Gradients:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    module = kernels()
    assert module is not None
    results = [room(t) if need else None for t, need in zip((pred, target), needs, strict=True)]
    with threads(torch.get_num_threads()):
        pairs = module.pairs_of(pixels_of(pred, target, mask, options), *results)
        module.gradients(pairs, gradient.detach().numpy())
    of_pred, of_target = (None if r is None else tensor(r) for r in results)
    return of_pred, of_target
