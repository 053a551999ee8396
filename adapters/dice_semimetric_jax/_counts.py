"""The counts of `ThresholdCounts`, all thresholds in one pass."""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from dice_semimetric.thresholds import cast_thresholds

from ._reduce import sum_together
from ._sums import Options, Sums, read, xp


@functools.partial(jax.jit, static_argnums=(3, 4))
def counts(
    pred: Array,
    target: Array,
    mask: Array | None,
    options: Options,
    thresholds: tuple[float, ...],
) -> Sums:
    """Return how many of x, of y and of both reach each threshold, thresholds first."""
    x_levels = cast_thresholds(xp, thresholds, pred, options.dtype, options.activation)
    y_levels = cast_thresholds(xp, thresholds, target, options.dtype, None)
    x, y, kept = read(pred, target, mask, options)
    x = x if kept is None else jnp.where(kept, x, 0)
    above_x = [x >= level for level in x_levels]
    above_y = [y >= level for level in y_levels]
    above_both = [a & b for a, b in zip(above_x, above_y, strict=True)]
    whole = jnp.asarray(0).dtype  # the library's own integers, as the standard counts
    flags = [flag.astype(whole) for flag in (*above_x, *above_y, *above_both)]
    found = sum_together(flags, options.axis)
    number = len(thresholds)
    first, second, third = (jnp.stack(found[k : k + number]) for k in range(0, 3 * number, number))
    return first, second, third
