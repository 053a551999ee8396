"""Probabilities where logits are expected, which computes something and is hardly meant."""

from .checks import checks_apply, value_range
from .namespace import namespace, size, sum_dtype
from .native import without_gradient
from .typing import Activation, Array
from .warning import warn_caller

#: Probabilities of single classes reach both ends of [0, 1] so nearly, once a network has learned.
_LOW, _HIGH = 0.05, 0.95
#: Of a sum of 1 over the classes, half precision included.
_TOLERANCE = 1e-3


def warn_of_probabilities(array: Array, activation: Activation, message: str) -> bool:
    """Warn if what the activation takes for logits (B, C, *spatial) holds probabilities.

    Returns whether it does. Values are read where that waits for no device.
    """
    if activation is None or size(array) == 0 or array.ndim < 2 or not checks_apply(array):
        return False
    found = _sums_to_one(array) if activation == "softmax" else _fills_unit_interval(array)
    if found:
        warn_caller(message)
    return found


def _sums_to_one(array: Array) -> bool:
    """Return whether all values are probabilities of classes that exclude each other."""
    if array.shape[1] < 2 or _range(array) is None:
        return False
    xp = namespace(array=array)
    array = without_gradient(xp, array)
    sums = xp.sum(xp.astype(array, sum_dtype(xp, array), copy=False), axis=1)
    return bool(xp.all(xp.abs(sums - 1) < _TOLERANCE))


def _fills_unit_interval(array: Array) -> bool:
    """Return whether the values lie in [0, 1] and reach both ends nearly.

    Logits do not: they lie on both sides of 0, and those of a network that has not learned yet,
    such as zeros or any constant, have no such extent.
    """
    found = _range(array)
    return found is not None and found[0] <= _LOW and found[1] >= _HIGH


def _range(array: Array) -> tuple[float, float] | None:
    """Return the smallest and the largest value if all lie in [0, 1]."""
    for part in (array[:1, ...], array):  # most batches of logits are told by their first image
        low, high = (float(end) for end in value_range(part))
        if not (low >= 0 and high <= 1):  # nor NaN
            return None
    return low, high
