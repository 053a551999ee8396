"""The ThresholdCounts statistic: how many pixels reach each threshold, alone and together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ._lib.additive import Regional, exact
from ._lib.empty import Empty, fill_empty, in_dtype
from ._lib.levels import threshold_sums
from ._lib.namespace import namespace, normalize_axis
from ._lib.native import widest_float
from ._lib.options import require_numbers
from ._lib.pairs import pixels_of, pixels_of_batch
from ._lib.seam import whole
from ._lib.special import divide
from ._lib.typing import Activation, Array, Axis, DType, Namespace

#: The levels of the QUBIQ challenge: 0.1, 0.2, ..., 0.9.
THRESHOLDS = tuple(k / 10 for k in range(1, 10))


@dataclass(frozen=True)
class ThresholdCounts(Regional):
    """How many pixels reach each threshold t: in the prediction x, in the target y, in both.

    They add up over blocks, images, cases and machines: ``a + b`` and ``sum(counts)``.

    Parameters
    ----------
    thresholds : tuple of float
        The T thresholds.
    pred : Array
        Integers of shape (T, ...): the number of pixels with x >= t.
    target : Array
        The number of pixels with y >= t.
    both : Array
        The number of pixels where both hold.

    See Also
    --------
    threshold_counts : Computes them.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import threshold_counts
    >>> x, y = np.array([0.2, 0.9]), np.array([0.0, 0.6])
    >>> counts = threshold_counts(x, y, thresholds=(0.1, 0.5))
    >>> (counts + counts).dice().round(3)
    array([0.667, 1.   ])
    """

    _sums: ClassVar = ("pred", "target", "both")

    thresholds: tuple[float, ...]
    pred: Array
    target: Array
    both: Array

    def _require_same(self, other: Self) -> None:
        if self.thresholds != other.thresholds:
            raise ValueError(
                "threshold counts to be added must have the same thresholds, "
                f"got {self.thresholds} and {other.thresholds}"
            )

    @exact
    def sum(self, axis: Axis = None) -> Self:
        """Return the counts pooled over axes, such as the batch.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes to pool over, counted behind the threshold axis; None means all.

        Returns
        -------
        ThresholdCounts
            With fields that lack these axes.
        """
        xp = namespace(counts=self.pred)
        axes = tuple(a + 1 for a in normalize_axis(axis, self.pred.ndim - 1))
        return self._map(lambda a: xp.sum(a, axis=axes))

    @exact
    def dice(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the Dice score of both sides made binary at each threshold.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The score where neither side reaches the threshold; "skip" marks it with NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            Shape (T, ...).
        """
        xp, both, total = self._floating()
        score = fill_empty(xp, divide(xp, 2 * both, total), total > 0, empty)
        return in_dtype(xp, score, dtype)

    @exact
    def jaccard(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the Jaccard index of both sides made binary at each threshold.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The score where neither side reaches the threshold; "skip" marks it with NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            Shape (T, ...).
        """
        xp, both, total = self._floating()
        index = fill_empty(xp, divide(xp, both, total - both), total > 0, empty)
        return in_dtype(xp, index, dtype)

    @exact
    def binarized_dice(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the mean over the thresholds of `dice`.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The score where neither side reaches the threshold; "skip" leaves such thresholds out,
            and the mean of none is NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            The shape of the fields without the threshold axis.
        """
        xp = namespace(counts=self.pred)
        curve = self.dice(empty=empty, dtype=widest_float(xp, self.pred))
        if empty != "skip":
            return in_dtype(xp, xp.mean(curve, axis=0), dtype)
        some = self.pred + self.target > 0
        number = xp.sum(xp.astype(some, curve.dtype), axis=0)
        total = xp.sum(xp.where(some, curve, xp.zeros_like(curve)), axis=0)
        return in_dtype(xp, divide(xp, total, number, empty=math.nan), dtype)

    def _floating(self) -> tuple[Namespace, Array, Array]:
        """Return the size of the intersection and the sum of the two sizes."""
        xp = namespace(counts=self.pred)
        wide = widest_float(xp, self.pred)
        return xp, xp.astype(self.both, wide), xp.astype(self.pred + self.target, wide)


@whole
def threshold_counts(
    pred: Array,
    target: Array,
    *,
    thresholds: Sequence[float] | float | None = None,
    axis: Axis = None,
    mask: Array | None = None,
) -> ThresholdCounts:
    """Return how many pixels of x, of y and of both are at or above each threshold.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    thresholds : float or sequence of float, optional
        The thresholds, above 0 and at most 1; None means 0.1, 0.2, ..., 0.9. For the comparison
        with an array, by >=, they are cast to its dtype.
    axis : int or tuple of int, optional
        The axes that are summed over; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.

    Returns
    -------
    ThresholdCounts
        Fields of shape (T, ...), the shape of ``pred`` without ``axis`` behind the thresholds, in
        the library's integer dtype for counts.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, a threshold is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    binarized_dice : The mean Dice score over the thresholds.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import threshold_counts
    >>> x, y = np.array([0.2, 0.9]), np.array([0.0, 0.6])
    >>> threshold_counts(x, y, thresholds=(0.1, 0.5)).pred
    array([2, 1])
    """
    levels = require_thresholds(thresholds)
    pixels = pixels_of(pred, target, axis=axis, mask=mask)
    return ThresholdCounts(levels, *threshold_sums(pixels, levels))


def region_threshold_counts(
    pred: Array,
    target: Array,
    *,
    thresholds: Sequence[float] | float | None = None,
    activation: Activation = None,
    ignore_index: int | None = None,
    mask: Array | None = None,
) -> ThresholdCounts:
    """Return the threshold counts, (T, B, C), of every image and class of a batch.

    The arguments are those of `region_overlap`, and ``thresholds`` as in `threshold_counts`.
    """
    levels = require_thresholds(thresholds)
    pixels = pixels_of_batch(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    return ThresholdCounts(levels, *threshold_sums(pixels, levels))


def require_thresholds(thresholds: Sequence[float] | float | None) -> tuple[float, ...]:
    """Return the thresholds as a tuple, or raise ValueError for one outside (0, 1]."""
    levels = THRESHOLDS if thresholds is None else require_numbers("thresholds", thresholds)
    if not levels or not all(0 < t <= 1 for t in levels):
        raise ValueError(f"thresholds must be numbers above 0 and at most 1, got {thresholds}")
    return levels
