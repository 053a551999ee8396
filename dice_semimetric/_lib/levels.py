"""Thresholds in the dtype that they are compared in."""

from collections.abc import Sequence

from .namespace import constant, is_floating
from .seam import Pixels
from .typing import Array, Namespace


def cast_thresholds(
    xp: Namespace, thresholds: Sequence[float], pixels: Pixels
) -> tuple[Array, Array]:
    """Return the thresholds for prediction and target, in the dtype of the sums.

    They are rounded first to the array's own floating dtype, so that a float32 0.7 reaches 0.7
    although it is compared in float64.
    """

    def cast(array: Array, own: bool) -> Array:
        dtype = array.dtype if own and is_floating(xp, array) else pixels.dtype
        return xp.astype(constant(xp, thresholds, dtype, array), pixels.dtype, copy=False)

    return cast(pixels.pred, pixels.activation is None), cast(pixels.target, True)
