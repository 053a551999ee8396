"""Scores, from 0 to 1, where 1 is perfect: Dice, Jaccard and binarized Dice."""

from collections.abc import Sequence

from ._lib.empty import Empty, fill_empty
from ._lib.namespace import namespace, sum_dtype
from ._lib.pairs import pixels_of
from ._lib.seam import whole
from ._lib.typing import Array, Axis, DType
from .formulas import overlap_loss
from .overlap import Overlap, overlap_of
from .thresholds import threshold_counts

LOSSES = {"dice": "dml1", "jaccard": "jml1"}


@whole
def dice_score(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    empty: Empty = 1.0,
) -> Array:
    """Return the Dice score, 1 - `dml1`: the sum of x + y - ``|x - y|`` over that of x + y.

    On hard masks it is the usual Dice score. On soft labels it is 1 just where x = y.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape; or a hard mask.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where x and y are both 0 everywhere; "skip" marks it with NaN. If only one of
        them is, the score is 0.

    Returns
    -------
    Array
        The score, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, ``empty`` is none of these, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_score : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dice_score
    >>> y = np.array([0.5, 1.0, 0.0])
    >>> float(dice_score(y, y))
    1.0
    >>> round(float(dice_score(np.array([1.0, 1.0, 0.0]), y)), 3)
    0.857
    """
    return _pair_score(pred, target, axis, mask, "dice", empty)


@whole
def jaccard_score(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    empty: Empty = 1.0,
) -> Array:
    """Return the Jaccard index, 1 - `jml1`: S - D over S + D, sums of x + y and ``|x - y|``.

    On hard masks it is the usual intersection over union. On soft labels it is 1 just where
    x = y.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape; or a hard mask.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where x and y are both 0 everywhere; "skip" marks it with NaN. If only one of
        them is, the score is 0.

    Returns
    -------
    Array
        The score; shape and dtype as for `dice_score`.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, ``empty`` is none of these, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_score : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import jaccard_score
    >>> float(jaccard_score(np.array([1, 1, 0]), np.array([0, 1, 0])))
    0.5
    """
    return _pair_score(pred, target, axis, mask, "jaccard", empty)


@whole
def binarized_dice(
    pred: Array,
    target: Array,
    *,
    thresholds: Sequence[float] | float | None = None,
    axis: Axis = None,
    mask: Array | None = None,
    empty: Empty = 1.0,
) -> Array:
    """Return BDice: the mean over thresholds t of the Dice score of x >= t against y >= t.

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
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score of a threshold that neither side reaches; "skip" leaves it out of the mean, and
        the mean of none is NaN.

    Returns
    -------
    Array
        The score; shape and dtype as for `dice_score`.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, an option is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    threshold_counts : The statistic behind it, which adds up over cases.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import binarized_dice
    >>> x, y = np.array([0.2, 0.9]), np.array([0.0, 0.6])
    >>> round(float(binarized_dice(x, y, thresholds=(0.1, 0.5))), 3)
    0.833
    """
    counts = threshold_counts(pred, target, thresholds=thresholds, axis=axis, mask=mask)
    xp = namespace(pred=pred)
    return counts.binarized_dice(empty=empty, dtype=sum_dtype(xp, pred, target))


def _pair_score(
    pred: Array, target: Array, axis: Axis, mask: Array | None, score: str, empty: Empty
) -> Array:
    pixels = pixels_of(pred, target, axis=axis, mask=mask)
    return overlap_score(overlap_of(pixels), score, empty, pixels.dtype)[0]


def overlap_score(
    o: Overlap, score: str, empty: Empty, dtype: DType | None = None
) -> tuple[Array, Array]:
    """Return the score of each entry of an overlap, and where it is not empty against empty."""
    xp = namespace(overlap=o.pred)
    some = o.pred + o.target > 0
    return fill_empty(xp, 1 - overlap_loss(o, form=LOSSES[score], dtype=dtype), some, empty), some
