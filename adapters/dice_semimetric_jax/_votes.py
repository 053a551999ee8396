"""The counts of `Agreement` while JAX traces."""

import jax
import jax.numpy as jnp
from jax import Array

from dice_semimetric._lib.raters import fold, marks_of

from ._reduce import sum_together
from ._sums import Sums, xp


@jax.jit
def votes(raters: Array, mask: Array | None) -> Sums:
    """Return the fields of `dice_semimetric.Agreement`, the masks read once for all of them."""
    number = raters.shape[0]
    marks = [marks_of(xp, raters[r]) for r in range(number)]
    total = fold(mark.astype(jnp.int32) for mark in marks)
    if mask is not None:
        kept = jnp.broadcast_to(mask, total.shape)
        marks, total = [mark & kept for mark in marks], jnp.where(kept, total, -1)
    pairs = [(i, j) for j in range(number) for i in range(j + 1)]
    flags = [marks[i] & marks[j] for i, j in pairs]
    flags += [mark & (total > number // 2) for mark in marks]
    flags += [total == k for k in range(number + 1)]
    whole = jnp.asarray(0).dtype  # the library's own integers, as the standard counts
    narrow = jnp.int32 if total.size < 2**31 else whole
    sums = sum_together([flag.astype(narrow) for flag in flags], tuple(range(total.ndim)))
    found = [count.astype(whole) for count in sums]
    place = {pair: k for k, pair in enumerate(pairs)}
    square = [[place[min(i, j), max(i, j)] for j in range(number)] for i in range(number)]
    both = jnp.stack([jnp.stack([found[k] for k in row]) for row in square])
    rest = found[len(pairs) :]
    return both, jnp.stack(rest[:number]), jnp.stack(rest[number:])
