"""Many raters to one soft label: their average, uniform or weighted by Dice to the majority."""

from ._lib.levels import threshold_sums
from ._lib.namespace import constant
from ._lib.options import require_switch
from ._lib.raters import (
    Per,
    case_axes,
    class_axis,
    class_numbers,
    float_dtypes,
    fold,
    join_classes,
    look_up,
    marks_of,
    rater_counts,
    require_raters,
    weighted_marks,
)
from ._lib.seam import Pixels, whole
from ._lib.special import divide
from ._lib.typing import Array, DType, Namespace
from .fusion import majority_vote


@whole
def uniform_average(
    raters: Array,
    *,
    num_classes: int | None = None,
    axis: int | None = None,
    rater_axis: int = 0,
    dtype: DType | None = None,
) -> Array:
    """Return the soft label that weighs all raters alike: how many marked a pixel, over R.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1, or
        integer label maps (R, B, *spatial) if ``num_classes`` is given.
    num_classes : int, optional
        The number of classes C of label maps from 0 to C - 1; 1 gives masks a class axis.
    axis : int, optional
        The position of the class axis in the result, only with ``num_classes``; None is 1, and 0
        suits label maps without a batch axis.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.

    Returns
    -------
    Array
        Of the shape of one rater, or (B, C, *spatial) if ``num_classes`` is given. Each value is
        the number of its dtype that is nearest to the fraction, so that 3 of 10 raters reach a
        threshold of 0.3.

    Raises
    ------
    TypeError
        If ``raters`` is no array or of a wrong dtype, or ``dtype`` is not floating.
    ValueError
        If there is no rater, an option is out of its range, or a checked value is; see
        `value_checks`.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import uniform_average
    >>> uniform_average(np.array([[0, 0, 1], [0, 1, 1]]))
    array([0. , 0.5, 1. ])
    >>> uniform_average(np.array([[[0, 2]], [[1, 2]]]), num_classes=3)[0]
    array([[0.5, 0. ],
           [0.5, 0. ],
           [0. , 1. ]])
    >>> uniform_average(np.array([[[0, 0, 1], [0, 1, 1]]]), rater_axis=1)
    array([[0. , 0.5, 1. ]])
    """
    axis = class_axis(axis, num_classes)
    xp, raters = require_raters(raters, num_classes, rater_axis)
    out, _ = float_dtypes(xp, raters, dtype)
    number = raters.shape[0]
    # Some compilers divide by a constant as they multiply by its rounded inverse; a table is exact.
    shares = constant(xp, [k / number for k in range(number + 1)], out, raters)
    classes = class_numbers(num_classes)
    parts = [look_up(rater_counts(raters, c), shares) for c in classes]
    return join_classes(xp, parts, num_classes, axis)


@whole
def dice_weighted_average(
    raters: Array,
    *,
    num_classes: int | None = None,
    axis: int | None = None,
    rater_axis: int = 0,
    per: Per = "batch",
    return_weights: bool = False,
    dtype: DType | None = None,
) -> Array | tuple[Array, Array]:
    """Return the soft label that weighs each rater by its Dice score to the majority vote.

    The weights are divided by their sum. A rater that is disjoint from the majority weighs 0;
    empty against empty is Dice 1; if every rater is disjoint, all weigh alike.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1, or
        integer label maps (R, B, *spatial) if ``num_classes`` is given.
    num_classes : int, optional
        The number of classes C of label maps from 0 to C - 1; 1 gives masks a class axis. A
        rater's Dice is then the mean over the classes from 1 on that any rater marked: with the
        background, or with classes that nobody saw, all would weigh nearly alike.
    axis : int, optional
        The position of the class axis in the result, only with ``num_classes``; None is 1, and 0
        suits label maps without a batch axis.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    per : {"batch", "image"}, optional
        "batch" weighs a rater by the Dice of all its pixels together; "image" weighs anew for
        each entry of the first axis that is not the raters'.
    return_weights : bool, optional
        Return the weights too.
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.

    Returns
    -------
    Array or tuple of Array
        The soft label, of the shape of one rater, or (B, C, *spatial) if ``num_classes`` is given;
        with ``return_weights`` also the weights, (R,) or for ``per="image"`` (R, B), in that dtype
        but at least float32. Where all raters agree the label is exactly 0 or 1.

    Raises
    ------
    TypeError
        If ``raters`` is no array or of a wrong dtype, or ``dtype`` is not floating.
    ValueError
        If there is no rater, an option is out of its range, or a checked value is; see
        `value_checks`.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dice_weighted_average
    >>> raters = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    >>> soft, weights = dice_weighted_average(raters, return_weights=True)
    >>> soft, weights
    (array([1., 1., 0., 0.]), array([0.5, 0.5, 0. ]))
    """
    axis = class_axis(axis, num_classes)
    xp, raters = require_raters(raters, num_classes, rater_axis)
    return_weights = require_switch("return_weights", return_weights)
    out, wide = float_dtypes(xp, raters, dtype)
    dice = _dice_to_majority(xp, raters, num_classes, per, wide)
    largest = xp.max(dice, axis=0)
    some = largest > 0  # the scale at which equal raters weigh exactly 1
    share = dice / xp.where(some, largest, xp.ones_like(largest))[None, ...]
    share = [xp.where(some, share[r, ...], xp.ones_like(largest)) for r in range(raters.shape[0])]
    total = fold(share)
    spread = (*largest.shape, *(1,) * (raters.ndim - 1 - largest.ndim))
    shares = xp.stack([xp.reshape(s, spread) for s in share])
    parts = []
    for c in class_numbers(num_classes):
        label = weighted_marks(raters, shares, c) / xp.reshape(total, spread)
        parts.append(xp.astype(label, out, copy=False))
    label = join_classes(xp, parts, num_classes, axis)
    return (label, xp.stack([s / total for s in share])) if return_weights else label


def _dice_to_majority(
    xp: Namespace, raters: Array, num_classes: int | None, per: Per, dtype: DType
) -> Array:
    """Return each rater's Dice to the majority vote, (R,) or (R, B), from exact counts."""
    axes = case_axes(per, raters)
    vote = majority_vote(raters, num_classes=num_classes)
    summed = tuple(a + 1 for a in (range(vote.ndim) if axes is None else axes))
    scores, seen = [], []
    for c in (None,) if num_classes is None else range(1, max(num_classes, 2)):
        marks, target = raters, vote  # masks of 0 and 1 are read as they are
        if c is not None:
            marks, target = marks_of(xp, raters, c), marks_of(xp, vote, c)
        pixels = Pixels(marks, xp.broadcast_to(target, marks.shape), axis=summed, dtype=xp.float32)
        counts = threshold_sums(pixels, (0.5,))
        marked, voted, both = (xp.astype(count[0, ...], dtype) for count in counts)
        scores.append(divide(xp, 2 * both, marked + voted, empty=1.0))
        seen.append(xp.astype(xp.any(marked > 0, axis=0, keepdims=True), dtype))
    if len(scores) == 1:
        return scores[0]
    total = fold([score * some for score, some in zip(scores, seen, strict=True)])
    return divide(xp, total, xp.broadcast_to(fold(seen), total.shape), empty=1.0)
