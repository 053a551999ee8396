"""The compatible Tversky losses of two arrays: false positives and negatives, each weighed."""

from ._lib.seam import whole
from ._lib.typing import Array, Axis, Smooth
from .formulas import pair_loss


@whole
def ctl(
    pred: Array,
    target: Array,
    *,
    alpha: float,
    beta: float,
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the compatible Tversky loss: 1 minus I over I + alpha FP + beta FN.

    I is half the sum of x + y - ``|x - y|``; FP and FN are the sums of x - y where that is
    positive and of y - x where that is. It is 0 just where x = y, for positive weights; (0.5, 0.5)
    gives `dml1` and (1, 1) gives `jml1`.

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
        I / (I + alpha FP + beta FN); two values are for the numerator and the denominator.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (26)-(27).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import ctl
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(ctl(x, y, alpha=0.6, beta=0.4)), 3)
    0.231
    """
    weights = {"alpha": alpha, "beta": beta}
    return pair_loss(pred, target, axis=axis, mask=mask, form="ctl", smooth=smooth, **weights)


@whole
def cftl(
    pred: Array,
    target: Array,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    focal_exponent: str = "paper",
    axis: Axis = None,
    mask: Array | None = None,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the compatible focal Tversky loss: `ctl` to the power 1 / gamma.

    With gamma above 1 it dwells on what is already nearly right being wrong, as in the focal
    Tversky loss.

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
    gamma : float
        The focal term, above 0; 1 leaves the loss as it is.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises to ``1 / gamma``; "code" to ``gamma``, as the authors' published code does.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, written as
        I / (I + alpha FP + beta FN); two values are for the numerator and the denominator.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (33).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import cftl
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float(cftl(x, y, alpha=0.6, beta=0.4, gamma=2.0)), 3)
    0.48
    """
    return pair_loss(
        pred,
        target,
        axis=axis,
        mask=mask,
        form="cftl",
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        focal_exponent=focal_exponent,
        smooth=smooth,
    )
