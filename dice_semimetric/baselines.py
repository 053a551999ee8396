"""The soft losses of two arrays that the semimetric ones replace: wrong on soft labels."""

from ._lib.seam import whole
from ._lib.typing import Array, Axis, Smooth
from .formulas import pair_loss


@whole
def sdl(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the soft Dice loss: 1 minus twice the sum of x y over the sum of x + y.

    The usual baseline, wrong on soft labels: there it is smallest at a hard mask and not at x = y.

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
        2 P / S with P and S the sums of x y and x + y; two values are for the numerator and the
        denominator.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (1).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import sdl
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(sdl(x, y)), 3)
    0.4
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="sdl", smooth=smooth)


@whole
def sjl(
    pred: Array,
    target: Array,
    *,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the soft Jaccard loss: 1 minus P over S - P, with S and P the sums of x + y, x y.

    A baseline that is wrong on soft labels: there it is smallest at a hard mask and not at x = y.

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
        2 P / (2 S - 2 P); two values are for the numerator and the denominator. So `jml1`, `jml2`,
        `sjl` and MONAI's Jaccard loss agree on hard labels at any ``smooth``.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (2).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import sjl
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(sjl(x, y)), 3)
    0.571
    """
    return pair_loss(pred, target, axis=axis, mask=mask, form="sjl", smooth=smooth)


@whole
def stl(
    pred: Array,
    target: Array,
    *,
    alpha: float,
    beta: float,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the soft Tversky loss: 1 minus P over P + alpha (X - P) + beta (Y - P).

    X, Y and P are the sums of x, y and x y. A baseline that is wrong on soft labels, where it is
    not smallest at x = y.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    alpha : float
        Weight of false positives, at least 0.
    beta : float
        Weight of false negatives, at least 0.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        P / (P + alpha (X - P) + beta (Y - P)); two values are for the numerator and the
        denominator.

    Returns
    -------
    Array
        The loss, of the shape of ``pred`` without ``axis``, in the widest floating dtype given
        but at least float32. Empty against empty is 0.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (25).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import stl
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(stl(x, y, alpha=0.6, beta=0.4)), 3)
    0.423
    """
    weights = {"alpha": alpha, "beta": beta}
    return pair_loss(pred, target, axis=axis, mask=mask, form="stl", smooth=smooth, **weights)
