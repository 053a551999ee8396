"""The sums over bins of confidence while JAX traces, with their derivative in closed form.

A small change of confidence stays in its bin, so that the tangent of a bin's sum is the sum of the
pixels' tangents, and the gradient of a pixel that of its bin.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import zero_from_primal

from dice_semimetric._lib.bin_sums import bin_sums as accelerated_sums
from dice_semimetric._lib.bin_sums import binned_pairs
from dice_semimetric._lib.pairs import both, expand_labels
from dice_semimetric._lib.seam import Pixels

from ._reduce import RUN
from ._sums import Sums, is_zero, xp

#: Up to so many bins, comparing with each is faster than a binary search or a look-up.
FEW = 64
#: The most pixels of a run: their number and that of the hits among them share 32 bits.
HIGH = 15
MOST = 2**HIGH - 1
#: The cells are numbered in 32 bits.
MOST_PIXELS = 2**31 - 1

_generic: Callable[..., Sums] = accelerated_sums.__wrapped__  # type: ignore[attr-defined]


@functools.partial(jax.jit, static_argnums=(2,))
def bins(pixels: Pixels, edges: Array, kind: str) -> Sums:
    """Return count, confidence and correctness of each bin."""
    if pixels.pred.size > MOST_PIXELS:
        return _generic(pixels, edges, kind)
    pairs, kept = binned_pairs(pixels, kind)
    inner = edges[..., 1:-1]
    found = [
        _sums_of(confidence, correct, kept, inner if inner.ndim == 1 else inner[k])
        for k, (confidence, correct) in enumerate(pairs)
    ]
    if kind != "classwise":
        return found[0]
    return tuple(jnp.stack(field) for field in zip(*found, strict=True))


@jax.jit
def image_bins(pixels: Pixels, edges: Array) -> Sums:
    """Return the same of each image and class, (B, C, n_bins), in one pass."""
    x, y, kept = pixels.pred.astype(pixels.dtype), pixels.target, pixels.mask
    if pixels.labels:
        y, counted = expand_labels(xp, y, x.shape[1], pixels.ignore_index)
        kept = both(counted, kept)
    else:
        y = y.astype(pixels.dtype)
    if kept is not None:
        kept = jnp.broadcast_to(kept, x.shape)
        x, y = jnp.where(kept, x, 0), jnp.where(kept, y, 0)
    return _sums_of(x, y, kept, edges[1:-1], lead=2)


def _sums_of(
    confidence: Array, correct: Array, kept: Array | None, inner: Array, lead: int = 0
) -> Sums:
    """Return the sums over all axes but the leading ones."""
    shape = confidence.shape[:lead]
    rows = math.prod(shape), math.prod(confidence.shape[lead:])
    x, y, kept = (a if a is None else a.reshape(rows) for a in (confidence, correct, kept))
    return tuple(
        found.reshape(*shape, inner.shape[0] + 1) for found in _row_sums(x, y, kept, inner)
    )


@jax.custom_jvp
def _row_sums(confidence: Array, correct: Array, kept: Array | None, inner: Array) -> Sums:
    """Return the three sums (R, n_bins) of rows (R, N).

    A GPU adds to one cell in any order; there every bin has a sum of its own.
    """
    arrays = _places(confidence, inner), confidence, correct, kept
    cells, apart = (functools.partial(f, n_bins=inner.shape[0] + 1) for f in (_in_cells, _apart))
    found: Sums = lax.platform_dependent(*arrays, cpu=cells, default=apart)
    return found


@functools.partial(_row_sums.defjvp, symbolic_zeros=True)
def _tangents(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Sums, tuple[Any, ...]]:
    confidence, _, kept, inner = primals
    place, n_bins = _places(confidence, inner), inner.shape[0] + 1

    def total(tangent: Any) -> Array:
        moved = jnp.zeros_like(confidence) + (0.0 if is_zero(tangent) else tangent)
        moved = moved if kept is None else jnp.where(kept, moved, 0)
        if n_bins > FEW:
            return jnp.sum(_cells(place, moved, n_bins), axis=1)
        return _bin_by_bin(place, moved, n_bins)

    found = _row_sums(*primals)
    still: Any = zero_from_primal(found[0], symbolic_zeros=True)  # type: ignore[no-untyped-call]
    return found, (still, total(tangents[0]), total(tangents[1]))


def _in_cells(
    place: Array, confidence: Array, correct: Array, kept: Array | None, n_bins: int
) -> Sums:
    """Return the sums of the cells of each bin."""

    def cells(values: Array) -> Array:
        return _cells(place, values if kept is None else jnp.where(kept, values, 0), n_bins)

    ones = jnp.ones_like(place)
    if correct.dtype == bool:  # both counts in one number
        together = cells(ones + (correct.astype(jnp.int32) << HIGH))
        count, hits = together & MOST, together >> HIGH
    else:
        count, hits = cells(ones), cells(correct)
    count, mass, hits = (jnp.sum(table, axis=1) for table in (count, cells(confidence), hits))
    return count.astype(int), mass, hits.astype(confidence.dtype)


def _cells(place: Array, values: Array, n_bins: int) -> Array:
    """Return sums of values (R, N) in cells (R, runs, n_bins), one for a bin and a run of pixels.

    One pass whatever the number of bins, which takes less time than two comparisons a bin. Runs are
    as short as in `_reduce`, but so long that the cells need no more memory than the pixels.
    """
    rows, size = place.shape
    length = min(max(RUN, n_bins), MOST)
    runs = -(-size // length)
    run = lax.broadcasted_iota(jnp.int32, (rows, runs, length), 1)
    run = run.reshape(rows, runs * length)[:, :size]
    run += runs * lax.broadcasted_iota(jnp.int32, (rows, size), 0)
    table = jnp.zeros(rows * runs * n_bins, values.dtype)
    cell = (run * n_bins + place).reshape(-1)
    table = table.at[cell].add(values.reshape(-1), mode="promise_in_bounds")
    return table.reshape(rows, runs, n_bins)


def _apart(
    place: Array, confidence: Array, correct: Array, kept: Array | None, n_bins: int
) -> Sums:
    """Return the sums of what is in each bin."""

    def sums(values: Array) -> Array:
        values = values if kept is None else jnp.where(kept, values, 0)
        return _bin_by_bin(place, values, n_bins)

    hits = sums(correct.astype(confidence.dtype))
    return sums(jnp.ones_like(place, int)), sums(confidence), hits


def _bin_by_bin(place: Array, values: Array, n_bins: int) -> Array:
    """Return the sums (R, n_bins) of values (R, N)."""
    return jnp.stack(
        [jnp.sum(jnp.where(place == k, values, 0), axis=1) for k in range(n_bins)], axis=1
    )


def _places(confidence: Array, inner: Array) -> Array:
    """Return how many inner edges are at or below each confidence."""
    if inner.shape[0] > FEW:
        return jnp.searchsorted(inner, confidence, side="right").astype(jnp.int32)
    place = jnp.zeros_like(confidence, jnp.int32)
    for edge in inner:
        place += confidence >= edge
    return place
