"""The counts of `ThresholdCounts`, all thresholds in one pass."""

import functools

import jax
import jax.numpy as jnp

from dice_semimetric._lib.levels import cast_thresholds
from dice_semimetric._lib.seam import Pixels

from ._reduce import sum_together
from ._sums import Sums, read, xp


@functools.partial(jax.jit, static_argnums=(1,))
def counts(pixels: Pixels, thresholds: tuple[float, ...]) -> Sums:
    """Return how many of x, of y and of both reach each threshold, thresholds first."""
    x_levels, y_levels = cast_thresholds(xp, thresholds, pixels)
    x, y, kept = read(pixels)
    x = x if kept is None else jnp.where(kept, x, 0)
    above_x = [x >= level for level in x_levels]
    above_y = [y >= level for level in y_levels]
    above_both = [a & b for a, b in zip(above_x, above_y, strict=True)]
    whole = jnp.asarray(0).dtype  # the library's own integers, as the standard counts
    flags = [flag.astype(whole) for flag in (*above_x, *above_y, *above_both)]
    found = sum_together(flags, pixels.axis)
    number = len(thresholds)
    first, second, third = (jnp.stack(found[k : k + number]) for k in range(0, 3 * number, number))
    return first, second, third
