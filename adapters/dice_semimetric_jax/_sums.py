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
from dice_semimetric._lib.typing import Activation

from ._reduce import range_together, sum_together
from ._softmax import probabilities, softmax_tangent

Sums = tuple[Array, ...]

xp = jnp  # JAX is its own array API namespace


class Options(NamedTuple):
    """How the sums are taken; see `dice_semimetric.overlap.overlap_sums`."""

    axis: tuple[int, ...]
    dtype: Any
    activation: Activation = None
    ignore_index: int | None = None


class Pair(NamedTuple):
    """Prediction and target in the dtype of the sums, and which entries count (None: all)."""

    x: Array
    y: Array
    kept: Array | None


def read(pred: Array, target: Array, mask: Array | None, options: Options) -> Pair:
    """Return the probabilities and the target, both 0 where a pixel counts in no class."""
    x = probabilities(xp, pred.astype(options.dtype), options.activation)
    kept = mask
    if target.ndim < pred.ndim:
        target, counted = expand_labels(xp, target, pred.shape[1], options.ignore_index)
        kept = both(counted, mask)
    y = target.astype(options.dtype)
    x, y = x + jnp.zeros_like(y), y + jnp.zeros_like(x)  # both vary over the same device axes
    if kept is None:
        return Pair(x, y, None)
    # The derivative of a softmax needs the classes that do not count beside those that do.
    softmax = options.activation == "softmax"
    used = jnp.any(kept, axis=1, keepdims=True) if softmax and _by_class(kept, x) else kept
    return Pair(jnp.where(used, x, 0), jnp.where(kept, y, 0), kept)


def _by_class(kept: Array, x: Array) -> bool:
    return bool(kept.ndim == x.ndim and kept.shape[1] > 1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _sums(pred: Array, target: Array, mask: Array | None, options: Options) -> Sums:
    x, y, kept = read(pred, target, mask, options)
    x = x if kept is None else jnp.where(kept, x, 0)
    return sum_together((x, y, jnp.abs(x - y), x * y), options.axis)


@functools.partial(_sums.defjvp, symbolic_zeros=True)
def _tangents(options: Options, primals: Any, tangents: Any) -> tuple[Sums, Sums]:
    pred, target, mask = primals
    x, y, kept = read(pred, target, mask, options)
    dx = _tangent_of_x(x, tangents[0], options)
    dy = 0.0 if _is_zero(tangents[1]) else tangents[1].astype(options.dtype)

    def total(term: Any) -> Array:
        term = term + jnp.zeros_like(x)  # shape, dtype and, inside jax.shard_map, device axes
        return jnp.sum(term if kept is None else jnp.where(kept, term, 0), axis=options.axis)

    slope = jnp.sign(x - y)
    moved = (dx, dy, slope * (dx - dy), y * dx + x * dy)
    return _sums(pred, target, mask, options), tuple(total(term) for term in moved)


def _tangent_of_x(x: Array, tangent: Any, options: Options) -> Any:
    """Return the tangent of the probabilities from that of the prediction."""
    if _is_zero(tangent):
        return 0.0
    dz = tangent.astype(options.dtype)
    if options.activation == "sigmoid":
        return x * (1 - x) * dz
    if options.activation == "softmax":
        return softmax_tangent(x, dz)
    return dz


def _is_zero(tangent: Any) -> bool:
    """Tell whether nothing moves: a constant, or integers, which have no tangent."""
    return isinstance(tangent, SymbolicZero) or tangent.dtype == jax.dtypes.float0


#: The sums of x, y, |x - y| and x y, by pred, target, mask and options.
sums: Callable[..., Sums] = jax.jit(
    jax.checkpoint(_sums, static_argnums=(3,)),
    static_argnums=(3,),
)


@functools.partial(jax.jit, static_argnums=(3,))
def ranges(pred: Array, target: Array, mask: Array | None, options: Options) -> list[Array]:
    """Return the smallest and the largest value that counts, of prediction and target."""
    x, y, kept = read(pred, target, mask, options)
    return range_together((x if kept is None else jnp.where(kept, x, 0), y))
