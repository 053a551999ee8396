"""PyTorch's own reductions, found by the core through its entry point.

They have their gradient in closed form and take one pass; see `_sums`.
"""

import functools
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import threads

from ._sums import function
from ._sums.blocks import HOST_BLOCK
from ._sums.paths import without_values
from ._sums.reader import Options
from ._sums.threads import map_blocks
from .kernel_attention import kernel_sums

__all__ = ["give_back", "kernel_sums", "lend", "lending", "overlap_sums", "value_range"]


def lend(tensor: Tensor) -> Any:
    """Return a tensor in the host's memory as NumPy's array, or NotImplemented.

    One that learns is not lent, nor what PyTorch only follows: a graph would end there.
    """
    if type(tensor) not in (Tensor, torch.nn.Parameter) or torch.compiler.is_compiling():
        return NotImplemented
    learns = tensor.requires_grad and torch.is_grad_enabled()
    if learns or tensor.device.type != "cpu" or tensor.is_neg() or _followed(tensor):
        return NotImplemented
    values = tensor.detach()
    if tensor.dtype != torch.bfloat16:
        return values.numpy()
    brain = _bfloat16()
    return NotImplemented if brain is None else values.view(torch.int16).numpy().view(brain)


def lending(tensor: Tensor) -> Any:
    """Return the context in which NumPy's kernels take as many threads as PyTorch."""
    return threads(torch.get_num_threads())


def give_back(array: Any, like: Tensor) -> Tensor:
    """Return NumPy's result as a tensor."""
    return torch.from_numpy(np.asarray(array))


def _followed(tensor: Tensor) -> bool:
    """Return whether PyTorch records or transforms what is done with a tensor."""
    return (
        torch._C._is_tracing()
        or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        or forward_ad._current_level >= 0
    )


@functools.cache
def _bfloat16() -> Any:
    """Return NumPy's dtype of that name, which another package has."""
    try:
        return np.dtype(import_module("ml_dtypes").bfloat16)
    except ImportError:
        return None


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    if torch.compiler.is_compiling():
        if pixels.pred.device.type != "cpu":
            return NotImplemented  # the compiler's own fusion of the generic form is one kernel
    elif without_values(pixels.pred, pixels.target, pixels.mask):
        return NotImplemented
    options = Options(**{name: getattr(pixels, name) for name in Options._fields})
    return function.overlap_sums(pixels.pred, pixels.target, pixels.mask, options)


def value_range(array: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value, in one pass."""
    array = array.detach()
    if array.device.type != "cpu" or not array.is_contiguous():
        ends = torch.aminmax(array)
        return ends.min, ends.max
    parts = torch.split(array.view(-1), HOST_BLOCK)
    found = map_blocks(lambda: torch.aminmax, parts, host=True)
    return torch.stack([f.min for f in found]).amin(), torch.stack([f.max for f in found]).amax()
