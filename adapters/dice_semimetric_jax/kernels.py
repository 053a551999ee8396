"""JAX's own reductions, found by the core through its entry point.

They read the pixels once, and `overlap_sums` has its derivative in closed form; see `_sums`. With
this module the statistics become pytrees, so that they pass through `jax.jit` and `jax.lax.psum`.
"""

import dataclasses

from dice_semimetric._lib.checks import require_unit_interval
from dice_semimetric._lib.seam import Pixels

from . import _pytrees
from ._counts import counts
from ._sums import Sums, ranges, sums, xp

_pytrees.register()


def overlap_sums(pixels: Pixels) -> Sums:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    return sums(_checked(pixels))


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Sums:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    found: Sums = counts(_checked(pixels), thresholds)
    return found


def _checked(pixels: Pixels) -> Pixels:
    """Apply the core's check of values, in one pass, and return what then needs no check."""
    checked, pixels = pixels.checked, dataclasses.replace(pixels, checked=False)
    if checked and pixels.pred.size:
        for name, ends in zip(("pred", "target"), ranges(pixels), strict=True):
            require_unit_interval(xp, ends, name)
    return pixels
