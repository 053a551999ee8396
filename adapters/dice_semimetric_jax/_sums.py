"""The four sums of `Overlap`, with their derivative in closed form.

With x the probabilities of the logits z, y the target, and dx, dy their tangents, the tangents of
the sums are those of

    dx,    dy,    sign(x - y) (dx - dy),    y dx + x dy,

where dx is dz itself, x (1 - x) dz for a sigmoid, and x (dz - sum over classes of x dz) for a
softmax. The sign at x = y is 0.

The rule is given forwards, so that JAX can differentiate in either direction and any number of
times. Backwards it would keep x and y; `jax.checkpoint` around it keeps the inputs instead and
computes x and y again.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from dice_semimetric._lib.pairs import both, expand_labels
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.special import activate

from ._reduce import range_together, sum_together
from ._softmax import softmax_tangent

Sums = tuple[Array, ...]

xp = jnp  # JAX is its own array API namespace


class Pair(NamedTuple):
    """Prediction and target in the dtype of the sums, and which entries count (None: all)."""

    x: Array
    y: Array
    kept: Array | None


def read(pixels: Pixels) -> Pair:
    """Return the probabilities and the target, both 0 where a pixel counts in no class."""
    pred, target, kept = pixels.pred, pixels.target, pixels.mask
    x = activate(xp, pred.astype(pixels.dtype), pixels.activation)
    if pixels.labels:
        target, counted = expand_labels(xp, target, pred.shape[1], pixels.ignore_index)
        kept = both(counted, kept)
    y = target.astype(pixels.dtype)
    x, y = x + jnp.zeros_like(y), y + jnp.zeros_like(x)  # both vary over the same device axes
    if kept is None:
        return Pair(x, y, None)
    # The derivative of a softmax needs the classes that do not count beside those that do.
    softmax = pixels.activation == "softmax"
    used = jnp.any(kept, axis=1, keepdims=True) if softmax and _by_class(kept, x) else kept
    return Pair(jnp.where(used, x, 0), jnp.where(kept, y, 0), kept)


def _by_class(kept: Array, x: Array) -> bool:
    return bool(kept.ndim == x.ndim and kept.shape[1] > 1)


@jax.custom_jvp
def _sums(pixels: Pixels) -> Sums:
    x, y, kept = read(pixels)
    x = x if kept is None else jnp.where(kept, x, 0)
    return sum_together((x, y, jnp.abs(x - y), x * y), pixels.axis)


@functools.partial(_sums.defjvp, symbolic_zeros=True)
def _tangents(primals: tuple[Pixels], tangents: tuple[Pixels]) -> tuple[Sums, Sums]:
    (pixels,), (moves,) = primals, tangents
    x, y, kept = read(pixels)
    dx = _tangent_of_x(x, moves.pred, pixels)
    dy = 0.0 if is_zero(moves.target) else moves.target.astype(pixels.dtype)

    def total(term: Any) -> Array:
        term = term + jnp.zeros_like(x)  # shape, dtype and, inside jax.shard_map, device axes
        return jnp.sum(term if kept is None else jnp.where(kept, term, 0), axis=pixels.axis)

    slope = jnp.sign(x - y)
    moved = (dx, dy, slope * (dx - dy), y * dx + x * dy)
    return _sums(pixels), tuple(total(term) for term in moved)


def _tangent_of_x(x: Array, tangent: Any, pixels: Pixels) -> Any:
    """Return the tangent of the probabilities from that of the prediction."""
    if is_zero(tangent):
        return 0.0
    dz = tangent.astype(pixels.dtype)
    if pixels.activation == "sigmoid":
        return x * (1 - x) * dz
    if pixels.activation == "softmax":
        return softmax_tangent(x, dz)
    return dz


def is_zero(tangent: Any) -> bool:
    """Return whether nothing moves: a constant, or integers, which have no tangent."""
    return isinstance(tangent, SymbolicZero) or tangent.dtype == jax.dtypes.float0


#: The sums of x, y, |x - y| and x y.
sums: Callable[[Pixels], Sums] = jax.jit(jax.checkpoint(_sums))


@jax.jit
def ranges(pixels: Pixels) -> list[Array]:
    """Return the smallest and the largest value that counts, of prediction and target.

    Of labels the largest is 2 if one is neither a class nor ignored, masked or not.
    """
    x, y, kept = read(pixels)
    if pixels.labels:
        label, ignored = pixels.target[:, None], pixels.ignore_index
        known = (label >= 0) & (label < max(x.shape[1], 2))
        known = known if ignored is None else known | (label == ignored)
        y = jnp.where(known, jnp.zeros_like(x), 2)
    return range_together((x if kept is None else jnp.where(kept, x, 0), y))
