"""The checks of values in a block, in one pass: probabilities from 0 to 1, labels of classes."""

import array_api_compat.numpy as xp
import numpy as np

from .._lib.checks import require_unit_interval
from .._lib.typing import Activation, Array

#: The bits of 1.0 as an unsigned integer.
ONE = {np.dtype(f"f{n}"): np.ones((), f"f{n}").view(f"u{n}")[()] for n in (2, 4, 8)}


def are_probabilities(array: Array) -> bool:
    """Return in one pass whether all values lie in [0, 1]; False where that is not certain.

    Read as unsigned integers, floats from 0 to 1 keep their order and all others are larger, NaN
    and negative ones too: one maximum clears the usual array.
    """
    one = ONE.get(array.dtype)
    return one is not None and array.size > 0 and bool(array.view(one.dtype).max() <= one)


def are_known(labels: Array, num_classes: int, ignore_index: int | None) -> bool:
    """Return whether all integer labels are classes or ignored, mostly in one pass.

    Read as unsigned integers, negative ones are larger than any class.
    """

    def are_classes(some: Array) -> bool:
        natural = some.view(some.dtype.str.replace("i", "u"))
        return some.size == 0 or bool(natural.max() < num_classes)

    if are_classes(labels):
        return True
    return ignore_index is not None and are_classes(labels[labels != ignore_index])


def require_probabilities(
    array: Array, name: str, given: Array, activation: Activation = None
) -> Array:
    """Return the values, rounding beyond 0 and 1 taken off; raise for NaN and what lies farther.

    ``given`` is the array that they come from, whose dtype sets what rounding is.
    """
    if are_probabilities(array):
        return array
    dtype = given.dtype if activation is None else None
    return require_unit_interval(xp, array, name, dtype=dtype, activation=activation)
