"""Functions that the standard lacks: a library's own where it has one, else from the standard."""

import array_api_compat as compat

from ._typing import Activation, Array, Namespace


def absolute(xp: Namespace, x: Array) -> Array:
    """Return |x| with derivative 0 at 0 in every framework (JAX's own abs gives 1 there)."""
    return x * xp.sign(x) if compat.is_jax_namespace(xp) else xp.abs(x)


def sigmoid(xp: Namespace, x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) without overflow, small values to full relative precision."""
    weight = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, xp.ones_like(x), weight) / (1.0 + weight)


def softmax(xp: Namespace, x: Array, axis: int) -> Array:
    """Return exp(x) over its sum along an axis, shifted by the largest entry."""
    weight = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return weight / xp.sum(weight, axis=axis, keepdims=True)


def activate(xp: Namespace, x: Array, activation: Activation, axis: int = 1) -> Array:
    """Return the probabilities of logits, or ``x`` itself where ``activation`` is None."""
    if activation == "softmax":
        return softmax(xp, x, axis)
    return sigmoid(xp, x) if activation == "sigmoid" else x


def positive_part(xp: Namespace, x: Array) -> Array:
    """Return x where it is above 0, else 0 with derivative 0."""
    return xp.where(x > 0, x, xp.zeros_like(x))


def divide(xp: Namespace, numerator: Array, denominator: Array, *, empty: float = 0.0) -> Array:
    """Return the quotient where the denominator is above 0, else ``empty`` with derivative 0."""
    some = denominator > 0
    quotient = numerator / xp.where(some, denominator, xp.ones_like(denominator))
    return xp.where(some, quotient, xp.full_like(quotient, empty))


def power(xp: Namespace, x: Array, exponent: float) -> Array:
    """Return x ** exponent for x >= 0, at 0 the value 0 with derivative 0."""
    some = x > 0
    return xp.where(some, xp.where(some, x, xp.ones_like(x)) ** exponent, xp.zeros_like(x))


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
