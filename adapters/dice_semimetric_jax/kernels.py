"""JAX's own reductions, found by the core through its entry point.

They read the pixels once, and `overlap_sums` has its derivative in closed form; see `_sums`. With
this module the statistics become pytrees, so that they pass through `jax.jit` and `jax.lax.psum`.
"""

from typing import Any

from jax import Array

from dice_semimetric._lib.checks import require_unit_interval
from dice_semimetric._lib.typing import Activation

from . import _pytrees
from ._counts import counts
from ._sums import Options, Sums, ranges, sums, xp

_pytrees.register()


def overlap_sums(
    pred: Array,
    target: Array,
    mask: Array | None,
    *,
    axis: tuple[int, ...],
    dtype: Any,
    checked: bool,
    activation: Activation = None,
    ignore_index: int | None = None,
) -> Sums:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    options = Options(axis, dtype, activation, ignore_index)
    _check(pred, target, mask, options, checked)
    return sums(pred, target, mask, options)


def threshold_sums(
    pred: Array,
    target: Array,
    mask: Array | None,
    *,
    thresholds: tuple[float, ...],
    axis: tuple[int, ...],
    dtype: Any,
    checked: bool,
    activation: Activation = None,
    ignore_index: int | None = None,
) -> Sums:
    """Return the counts of `dice_semimetric.thresholds.threshold_sums`."""
    options = Options(axis, dtype, activation, ignore_index)
    _check(pred, target, mask, options, checked)
    found: Sums = counts(pred, target, mask, options, thresholds)
    return found


def _check(pred: Array, target: Array, mask: Array | None, options: Options, checked: bool) -> None:
    """Apply the core's check of values, in one pass."""
    if not checked or not pred.size:
        return
    for name, ends in zip(("pred", "target"), ranges(pred, target, mask, options), strict=True):
        require_unit_interval(xp, ends, name)
