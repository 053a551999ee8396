"""Functions that the standard lacks: a library's own where it has one, else from the standard."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from .blocks import BLOCK
from .devices import is_eager, is_jax_tracer
from .native import quietly, quotient
from .typing import Activation, Array, Namespace

#: Of so many classes JAX is given the code of each.
FEW_CLASSES = 16


def absolute(xp: Namespace, x: Array) -> Array:
    """Return |x| with derivative 0 at 0 in every framework (JAX's own abs gives 1 there)."""
    return x * xp.sign(x) if compat.is_jax_namespace(xp) else xp.abs(x)


@quietly
def sigmoid(xp: Namespace, x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) without overflow, small values to full relative precision."""
    if compat.is_torch_namespace(xp):  # one pass, which keeps the result alone for the gradient
        return sys.modules["torch"].sigmoid(x)
    weight = xp.exp(xp.where(x >= 0, -x, x))  # not of -|x|, whose derivative at 0 would be 0
    return xp.where(x >= 0, xp.ones_like(x), weight) / (1.0 + weight)


@quietly
def softmax(xp: Namespace, x: Array, axis: int) -> Array:
    """Return exp(x) over its sum along an axis, shifted by the largest entry."""
    if compat.is_torch_namespace(xp):  # its own keeps the result alone for the gradient
        return sys.modules["torch"].softmax(x, axis)
    if compat.is_jax_namespace(xp) and 1 < x.shape[axis] <= FEW_CLASSES:
        return _softmax_of_planes(xp, x, axis)
    weight = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return weight / xp.sum(weight, axis=axis, keepdims=True)


def _softmax_of_planes(xp: Namespace, x: Array, axis: int) -> Array:
    """Return the softmax written out class by class, which XLA makes one loop over the pixels of.

    On a CPU it turns a reduction over a short axis inside the array into a slow loop and repeats
    the exponentials in it.
    """
    before = (slice(None),) * axis
    planes = [x[(*before, slice(c, c + 1), ...)] for c in range(x.shape[axis])]
    top = functools.reduce(xp.maximum, planes)
    weights = [xp.exp(plane - top) for plane in planes]
    total = functools.reduce(xp.add, weights)
    return xp.concat([weight / total for weight in weights], axis=axis)


def cut_log(xp: Namespace, x: Array, least: float) -> Array:
    """Return the logarithm, cut off at that of ``least``, with derivative 0 below; NaN stays."""
    return xp.log(xp.clip(x, least, None))


@quietly
def log_softmax(xp: Namespace, x: Array, axis: int) -> Array:
    """Return the logarithm of `softmax`, which is finite where that rounds to 0."""
    x = x - xp.max(x, axis=axis, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))


@quietly
def log_sigmoid(xp: Namespace, x: Array) -> Array:
    """Return the logarithm of `sigmoid`, which is finite where that rounds to 0."""
    weight = xp.exp(xp.where(x >= 0, -x, x))
    return xp.where(x >= 0, xp.zeros_like(x), x) - xp.log1p(weight)


def activate(xp: Namespace, x: Array, activation: Activation, axis: int = 1) -> Array:
    """Return the probabilities of logits, or ``x`` itself where ``activation`` is None."""
    if activation == "softmax":
        return softmax(xp, x, axis)
    return sigmoid(xp, x) if activation == "sigmoid" else x


def positive_part(xp: Namespace, x: Array) -> Array:
    """Return x where it is above 0, else 0 with derivative 0; NaN stays."""
    return xp.where(x <= 0, xp.zeros_like(x), x)


@quietly
def divide(xp: Namespace, numerator: Array, denominator: Array, *, empty: float = 0.0) -> Array:
    """Return the quotient, but ``empty`` with derivative 0 where the denominator is not above 0.

    NaN stays NaN: unchecked on a GPU, it must not pass for an empty class.
    """
    none = denominator <= 0
    found = quotient(xp, numerator, xp.where(none, 1.0, denominator))
    return xp.where(none, empty, found)  # a NaN of its own would alarm jax_debug_nans


@quietly
def power(xp: Namespace, x: Array, exponent: float) -> Array:
    """Return x ** exponent for x >= 0, at 0 the value 0 with derivative 0; NaN stays."""
    none = x <= 0
    return xp.where(none, xp.zeros_like(x), xp.where(none, xp.ones_like(x), x) ** exponent)


def widen(xp: Namespace, label: Array, *numbers: int | None) -> Array:
    """Return integer labels in a dtype that also holds the numbers; None is left out.

    PyTorch and JAX compare a uint8 255 as equal to -1, the standard forbids it, and PyTorch has no
    arithmetic for its unsigned dtypes above 8 bits.
    """
    info = xp.iinfo(label.dtype)
    fits = all(n is None or info.min <= n <= info.max for n in numbers)
    poor = compat.is_torch_namespace(xp) and info.min == 0 and info.bits > 8
    if fits and not poor:
        return label
    return xp.astype(label, xp.int32 if info.bits <= 16 else xp.int64)


def bincount(xp: Namespace, x: Array, length: int) -> Array:
    """Return how often each of 0 .. length - 1 occurs among 1-D integers, all of them in there."""
    if compat.is_numpy_namespace(xp):  # in blocks, since it widens all that it is given
        block = max(BLOCK, length)
        cuts = range(0, max(1, x.shape[0]), block)
        return sum(xp.bincount(x[i : i + block], minlength=length) for i in cuts)
    x = xp.astype(x, xp.int32, copy=False)
    if compat.is_jax_namespace(xp):
        return xp.bincount(x, length=length)
    if hasattr(xp, "bincount"):  # PyTorch, Dask, CuPy
        return xp.bincount(x, minlength=length)
    numbers = xp.arange(length + 1, dtype=x.dtype, device=compat.device(x))
    edges = xp.searchsorted(xp.sort(x), numbers)
    return edges[1:] - edges[:-1]


def iterate(
    xp: Namespace,
    step: Callable[[Array], Array],
    state: Array,
    like: Array,
    *,
    tol: float,
    max_iter: int,
) -> Array:
    """Repeat ``state = step(state)`` until no entry moves by more than ``tol``.

    While JAX traces ``like`` that is one loop on the device; other lazy arrays take every step.
    """
    if is_jax_tracer(like):

        def unfinished(carry: tuple[Any, Array, Array]) -> Array:
            return (carry[0] < max_iter) & (carry[2] > tol)

        def body(carry: tuple[Any, Array, Array]) -> tuple[Any, Array, Array]:
            new = step(carry[1])
            return carry[0] + 1, new, xp.max(xp.abs(new - carry[1]))

        change = xp.asarray(xp.inf, dtype=state.dtype)
        return sys.modules["jax"].lax.while_loop(unfinished, body, (0, state, change))[1]
    for _ in range(max_iter):
        old, state = state, step(state)
        if is_eager(like) and float(xp.max(xp.abs(state - old))) <= tol:
            break
    return state


def as_one_task(function: Callable[[Array], Array], x: Array, shape: tuple[int, ...]) -> Array:
    """Return ``function(x)``, of that shape and dtype; on a Dask array as one lazy task."""
    if not compat.is_dask_array(x):
        return function(x)
    lazy: Any = x
    chunks = tuple((n,) for n in shape)
    dropped = tuple(range(x.ndim - len(shape)))
    return lazy.rechunk(-1).map_blocks(function, dtype=x.dtype, chunks=chunks, drop_axis=dropped)
