"""PyTorch's own reductions, found by the core through its entry point.

They run in blocks that stay in the cache and have their gradient in closed form; see `_sums`.
"""

from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.seam import Pixels

from . import _operator
from ._blocks import HOST_BLOCK
from ._reader import Options
from ._threads import map_blocks
from .kernel_attention import kernel_sums

__all__ = ["kernel_sums", "overlap_sums", "value_range"]


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    if torch.compiler.is_compiling() and pixels.pred.device.type != "cpu":
        return NotImplemented  # the compiler's own fusion of the generic form is one kernel
    options = Options(**{name: getattr(pixels, name) for name in Options._fields})
    return _operator.overlap_sums(pixels.pred, pixels.target, pixels.mask, options)


def value_range(array: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value, in one pass."""
    array = array.detach()
    if array.device.type != "cpu" or not array.is_contiguous():
        ends = torch.aminmax(array)
        return ends.min, ends.max
    parts = torch.split(array.view(-1), HOST_BLOCK)
    found = map_blocks(lambda: torch.aminmax, parts, host=True)
    return torch.stack([f.min for f in found]).amin(), torch.stack([f.max for f in found]).amax()
