"""Many sums in one pass over the pixels."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

#: Terms that are added one after the other before their sums are added in pairs: few enough for
#: six digits in float32, enough to keep a core's vector unit busy.
RUN = 64


def sum_together(terms: Sequence[Array], axis: tuple[int, ...]) -> tuple[Array, ...]:
    """Return the sums of arrays of one shape and dtype over some axes, read only once.

    XLA makes one loop of a reduction with many results and a loop each of many reductions.
    """
    if not axis or not terms[0].size:
        return tuple(jnp.sum(term, axis=axis) for term in terms)
    last = _innermost(terms[0].shape, axis)
    if len(last) > 1 or terms[0].shape[last[0]] <= RUN:
        parts = _reduce(terms, last)
    else:
        parts = _in_runs(terms, last[0])
    rest = tuple(a for a in axis if a not in last)
    return tuple(jnp.sum(part, axis=rest) for part in parts)


def _innermost(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """Return the innermost of the axes, with its neighbours while they are short together."""
    last: tuple[int, ...] = (axis[-1],)
    for a in reversed(axis[:-1]):
        if math.prod(shape[i] for i in (a, *last)) > RUN:
            break
        last = (a, *last)
    return last


def _in_runs(terms: Sequence[Array], axis: int) -> tuple[Array, ...]:
    """Return the sums over one long axis."""
    length = terms[0].shape[axis]
    whole = length // RUN * RUN
    head = [lax.slice_in_dim(term, 0, whole, axis=axis) for term in terms]
    shape = head[0].shape
    shape = (*shape[:axis], whole // RUN, RUN, *shape[axis + 1 :])
    heads = _reduce([term.reshape(shape) for term in head], (axis + 1,))
    tails = _reduce([lax.slice_in_dim(t, whole, length, axis=axis) for t in terms], (axis,))
    return tuple(jnp.sum(h, axis=axis) + t for h, t in zip(heads, tails, strict=True))


def _reduce(terms: Sequence[Array], axis: tuple[int, ...]) -> tuple[Array, ...]:
    zero = jnp.zeros((), terms[0].dtype)

    def add(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(x + y for x, y in zip(a, b, strict=True))

    result: tuple[Array, ...] = lax.reduce(tuple(terms), (zero,) * len(terms), add, axis)
    return result


def range_together(terms: Sequence[Array]) -> list[Array]:
    """Return the smallest and the largest entry of each array; NaN if it has one."""
    low, high = jnp.asarray(jnp.inf, terms[0].dtype), jnp.asarray(-jnp.inf, terms[0].dtype)

    def widen(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(
            (lax.max if k % 2 else lax.min)(x, y) for k, (x, y) in enumerate(zip(a, b, strict=True))
        )

    doubled = tuple(term for term in terms for _ in range(2))
    ends = lax.reduce(doubled, (low, high) * len(terms), widen, tuple(range(terms[0].ndim)))
    return [jnp.stack(ends[k : k + 2]) for k in range(0, len(ends), 2)]
