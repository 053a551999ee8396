"""PyTorch's own reductions, found by the core through its entry point.

They take one pass; see `_sums`. Those of overlaps and of the kernel have their gradient in closed
form; those without a gradient are for tensors on a GPU that CuPy does not read. Tensors of another
library's class are read as PyTorch's own, once for each call.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from dice_semimetric._lib import bin_sums as generic
from dice_semimetric._lib.seam import Pixels

from ._inputs import plain
from ._sums import bins, function
from ._sums.blocks import HOST_BLOCK
from ._sums.paths import gpu_module, without_values
from ._sums.reader import Options
from ._sums.threads import map_blocks
from .kernel_attention import kernel_sums
from .lending import give_back, lend, lending

__all__ = [
    "bin_sums",
    "give_back",
    "image_bin_sums",
    "kernel_sums",
    "lend",
    "lending",
    "look_up",
    "most_frequent",
    "overlap_sums",
    "pair_differences",
    "rater_counts",
    "run",
    "threshold_sums",
    "value_range",
    "weighted_marks",
]


def run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a function of the core returns for tensors of another class, such as MONAI's.

    By the protocol of ``__torch_function__`` that class makes its own of the results, with the
    metadata it keeps. NotImplemented for PyTorch's tensors, and for a class without such a method.
    """
    values = (*args, *kwargs.values())
    if torch.compiler.is_compiling() or not has_torch_function(values):
        return NotImplemented
    if all(plain(value) is value for value in values):
        return NotImplemented

    found: Any = None

    @wraps(function)
    def on_plain(*args: Any, **kwargs: Any) -> Any:
        nonlocal found
        found = function(*map(plain, args), **{n: plain(value) for n, value in kwargs.items()})
        return _without_names(found)

    return _with_names(handle_torch_function(on_plain, values, *args, **kwargs), found)


def _without_names(result: Any) -> Any:
    """Return named tuples as plain ones, the only ones that PyTorch converts."""
    return tuple(map(_without_names, result)) if isinstance(result, tuple) else result


def _with_names(result: Any, like: Any) -> Any:
    """Return plain tuples as the named ones that another result has in their places."""
    if not (isinstance(result, tuple) and isinstance(like, tuple)):
        return result
    parts = [_with_names(*both) for both in zip(result, like, strict=True)]
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    if torch.compiler.is_compiling():
        if pixels.pred.device.type != "cpu":
            return NotImplemented  # the compiler's own fusion of the generic form is one kernel
    elif without_values(pixels.pred, pixels.target, pixels.mask):
        return NotImplemented
    options = Options(**{name: getattr(pixels, name) for name in Options._fields})
    return function.overlap_sums(pixels.pred, pixels.target, pixels.mask, options)


def pair_differences(x: Tensor, y: Tensor) -> Tensor:
    """Return the sums of `dice_semimetric.pairwise.pair_differences`, with 0 for sign(0)."""
    return torch.cdist(x, y, p=1.0)


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums` on a GPU."""
    module = gpu_module("triton_counts", pixels.pred, pixels.target, pixels.mask)
    return NotImplemented if module is None else module.threshold_sums(pixels, thresholds)


def bin_sums(pixels: Pixels, edges: Tensor, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`, with a gradient or on a GPU."""
    if bins.differentiable(pixels):
        return bins.bin_sums(partial(generic.bin_sums, edges=edges, kind=kind), pixels, edges, kind)
    module = gpu_module("triton_counts", pixels.pred, pixels.target, pixels.mask, edges)
    return NotImplemented if module is None else module.bin_sums(pixels, edges, kind)


def image_bin_sums(pixels: Pixels, edges: Tensor) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.image_bin_sums` with a gradient."""
    if bins.differentiable(pixels):
        reduction = partial(generic.image_bin_sums, edges=edges)
        return bins.bin_sums(reduction, pixels, edges, bins.IMAGES)
    return NotImplemented


def rater_counts(raters: Tensor, c: int | None = None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.rater_counts` on a GPU."""
    module = gpu_module("triton_fusion", raters)
    return NotImplemented if module is None else module.rater_counts(raters, c)


def weighted_marks(raters: Tensor, shares: Tensor, c: int | None = None) -> Any:
    """Return the sums of `dice_semimetric._lib.raters.weighted_marks` on a GPU."""
    module = gpu_module("triton_fusion", raters, shares)
    return NotImplemented if module is None else module.weighted_marks(raters, shares, c)


def most_frequent(raters: Tensor, num_classes: int) -> Any:
    """Return the labels of `dice_semimetric.fusion.most_frequent` on a GPU."""
    module = gpu_module("triton_fusion", raters)
    return NotImplemented if module is None else module.most_frequent(raters, num_classes)


def look_up(index: Tensor, table: Tensor) -> Any:
    """Return the entries of `dice_semimetric._lib.raters.look_up` on a GPU."""
    module = gpu_module("triton_fusion", index, table)
    return NotImplemented if module is None else module.look_up(index, table)


def value_range(array: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value, in one pass."""
    array = array.detach()
    if array.device.type != "cpu" or not array.is_contiguous():
        ends = torch.aminmax(array)
        return ends.min, ends.max
    parts = torch.split(array.view(-1), HOST_BLOCK)
    found = map_blocks(lambda: torch.aminmax, parts, host=True)
    return torch.stack([f.min for f in found]).amin(), torch.stack([f.max for f in found]).amax()
