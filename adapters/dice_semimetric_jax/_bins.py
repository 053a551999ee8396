"""The sums over bins of confidence while JAX traces."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from dice_semimetric._lib.bin_sums import bin_sums as accelerated_sums
from dice_semimetric._lib.bin_sums import binned_pairs
from dice_semimetric._lib.seam import Pixels

from ._reduce import RUN
from ._sums import Sums

#: Up to so many inner edges, comparing with each is faster than a binary search.
FEW = 64
#: The most pixels of a run: their number and that of the hits among them share 32 bits.
HIGH = 15
MOST = 2**HIGH - 1

_generic: Callable[..., Sums] = accelerated_sums.__wrapped__  # type: ignore[attr-defined]


@functools.partial(jax.jit, static_argnums=(2,))
def bins(pixels: Pixels, edges: Array, kind: str) -> Sums:
    """Return count, confidence and correctness of each bin.

    A GPU adds to one cell in any order; there every bin has a sum of its own.
    """
    if pixels.pred.size >= 2**31:  # the cells are numbered in 32 bits
        return _generic(pixels, edges, kind)
    cells, generic = (functools.partial(f, kind=kind) for f in (_in_cells, _generic))
    sums: Sums = lax.platform_dependent(pixels, edges, cpu=cells, default=generic)
    return sums


def _in_cells(pixels: Pixels, edges: Array, kind: str) -> Sums:
    pairs, kept = binned_pairs(pixels, kind)
    inner = edges[..., 1:-1]
    found = [
        _row_sums(confidence, correct, kept, inner if inner.ndim == 1 else inner[k])
        for k, (confidence, correct) in enumerate(pairs)
    ]
    if kind != "classwise":
        return found[0]
    return tuple(jnp.stack(field) for field in zip(*found, strict=True))


def _row_sums(confidence: Array, correct: Array, kept: Array | None, inner: Array) -> Sums:
    """Return the three sums of one row of bins.

    Each pixel is added to a cell for its bin and its run of pixels: one pass whatever the number of
    bins, which takes less time than two comparisons a bin. Runs are as short as in `_reduce`, but
    so long that the cells need no more memory than the pixels.
    """
    n_bins, size = inner.shape[0] + 1, confidence.size
    length = min(max(RUN, n_bins), MOST)
    runs = -(-size // length)
    run = lax.broadcasted_iota(jnp.int32, (runs, length), 0).reshape(-1)[:size]
    cell = run * n_bins + _places(confidence, inner).reshape(-1)

    def cells(values: Array) -> Array:
        values = values if kept is None else jnp.where(kept, values, 0)
        table = jnp.zeros(runs * n_bins, values.dtype)
        table = table.at[cell].add(values.reshape(-1), mode="promise_in_bounds")
        return table.reshape(runs, n_bins)

    ones = jnp.ones_like(confidence, jnp.int32)
    if correct.dtype == bool:  # both counts in one number
        both = cells(ones + (correct.astype(jnp.int32) << HIGH))
        count, hits = both & MOST, both >> HIGH
    else:
        count, hits = cells(ones), cells(correct)
    mass, count, hits = (jnp.sum(table, axis=0) for table in (cells(confidence), count, hits))
    return count.astype(int), mass, hits.astype(confidence.dtype)


def _places(confidence: Array, inner: Array) -> Array:
    """Return how many inner edges are at or below each confidence."""
    if inner.shape[0] > FEW:
        return jnp.searchsorted(inner, confidence, side="right").astype(jnp.int32)
    place = jnp.zeros_like(confidence, jnp.int32)
    for edge in inner:
        place += confidence >= edge
    return place
