"""Edges of bins: of equal width, or of equal mass by sorting."""

from .devices import device
from .namespace import constant, namespace, size
from .seam import accelerated
from .typing import Array, DType, Namespace


def uniform_edges(xp: Namespace, n_bins: int, prob: Array, dtype: DType) -> Array:
    """Return k / n_bins rounded to the dtype of ``prob``, in ``dtype``."""
    edges = [k / n_bins for k in range(n_bins + 1)]
    return xp.astype(constant(xp, edges, prob.dtype, prob), dtype, copy=False)


def quantiles(xp: Namespace, values: Array, kept: Array | None, n_bins: int) -> Array:
    """Return the k / n_bins quantiles of the values kept, linear between neighbours.

    Of no values, they are those of a uniform distribution.
    """
    uniform = uniform_edges(xp, n_bins, values, values.dtype)
    if 0 in values.shape:
        return uniform
    k = xp.arange(n_bins + 1, device=device(values))
    if kept is None:
        number = xp.full_like(k, size(values))
    else:
        values = xp.where(kept, values, xp.full_like(values, 2.0))  # sorts behind all the others
        number = xp.astype(xp.count_nonzero(kept), k.dtype) + xp.zeros_like(k)
    ordered = ascending(xp.reshape(values, (-1,)))
    last = xp.where(number > 0, number - 1, xp.zeros_like(k))
    # k * last / n_bins in integers, and in an order that cannot overflow
    rest = k * (last % n_bins)
    place = k * (last // n_bins) + rest // n_bins
    fraction = xp.astype(rest % n_bins, values.dtype) / n_bins
    low = xp.take(ordered, place)
    high = xp.take(ordered, xp.where(place < last, place + 1, last))
    return xp.where(number > 0, low + (high - low) * fraction, uniform)


@accelerated
def ascending(values: Array) -> Array:
    """Return 1-D values in ascending order: the sort that an adapter replaces."""
    sorted_values: Array = namespace(values=values).sort(values)
    return sorted_values
