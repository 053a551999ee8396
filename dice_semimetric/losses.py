"""The semimetric losses of two arrays, which are 0 on soft labels just where x = y."""

from ._lib.seam import whole
from ._lib.typing import Array, Axis, Smooth
from .formulas import pair_loss


@whole
def dml1(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the Dice semimetric loss 1: the sum of ``|x - y|`` over the sum of x + y.

    The loss that the paper recommends. It equals soft Dice on hard labels and is 0 just where
    x = y on soft ones.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        (S - D) / S; two values are for the numerator and the denominator.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0. At x = y the derivative of ``|x - y|`` is
        taken as 0.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, an option is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_loss : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dml1
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(dml1(x, y)), 3)
    0.2
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="dml1", smooth=smooth)


@whole
def dml2(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the Dice semimetric loss 2: D over 2 P + D, with D and P the sums of ``|x - y|``, x y.

    It equals soft Dice on hard labels, is 0 just where x = y on soft ones, and is never below
    `dml1`.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        2 P / (2 P + D); two values are for the numerator and the denominator.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0. At x = y the derivative of ``|x - y|`` is
        taken as 0.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, an option is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_loss : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dml2
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(dml2(x, y)), 3)
    0.25
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="dml2", smooth=smooth)


@whole
def jml1(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the Jaccard metric loss 1: 2 D over S + D, S and D the sums of x + y, ``|x - y|``.

    A metric on [0, 1]^p that equals soft Jaccard on hard labels.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        (S - D) / (S + D); two values are for the numerator and the denominator.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0. At x = y the derivative of ``|x - y|`` is
        taken as 0.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, an option is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_loss : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import jml1
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(jml1(x, y)), 3)
    0.333
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="jml1", smooth=smooth)


@whole
def jml2(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the Jaccard metric loss 2: D over P + D, with D and P the sums of ``|x - y|``, x y.

    A metric on [0, 1]^p that equals soft Jaccard on hard labels and is never below `jml1`.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        2 P / (2 P + 2 D); two values are for the numerator and the denominator. So `jml1`, `jml2`,
        `sjl` and MONAI's Jaccard loss agree on hard labels at any ``smooth``.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0. At x = y the derivative of ``|x - y|`` is
        taken as 0.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, an option is out of its range, or a checked value is NaN or
        outside [0, 1]; see `value_checks`.

    See Also
    --------
    region_loss : For (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import jml2
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(jml2(x, y)), 3)
    0.4
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="jml2", smooth=smooth)
