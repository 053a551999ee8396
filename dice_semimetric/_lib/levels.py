"""The counts at thresholds, as any library takes them."""

from collections.abc import Sequence

from .namespace import constant, default_index, is_floating, namespace
from .pairs import probabilities
from .seam import Pixels, accelerated
from .typing import Array, Namespace

Counts = tuple[Array, Array, Array]


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


@accelerated
def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Counts:
    """Return the three counts, thresholds first: the reduction that an adapter replaces."""
    xp = namespace(pred=pixels.pred)
    x_levels, y_levels = cast_thresholds(xp, thresholds, pixels)
    x, y = probabilities(pixels)
    counts: tuple[list[Array], ...] = ([], [], [])
    for k in range(len(thresholds)):
        above_x, above_y = x >= x_levels[k], y >= y_levels[k]
        for found, above in zip(counts, (above_x, above_y, above_x & above_y), strict=True):
            found.append(_count(xp, above, pixels.axis))
    first, second, third = (xp.stack(found, axis=0) for found in counts)
    return first, second, third


def _count(xp: Namespace, flags: Array, axis: tuple[int, ...]) -> Array:
    """Return how many are True over the axes; over no axes, which PyTorch takes for all, 0 or 1."""
    if not axis:
        return xp.astype(flags, default_index(xp, flags))
    return xp.count_nonzero(flags, axis=axis)
