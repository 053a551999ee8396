"""The regional losses of two arrays, by name."""

from collections.abc import Callable
from typing import TypeVar

from ._lib.typing import Array, Axis, Smooth
from .formulas import overlap_loss
from .overlap import overlap

F = TypeVar("F", bound=Callable[..., Array])

_TVERSKY = """
    alpha : float
        Weight of false positives, at least 0.
    beta : float
        Weight of false negatives, at least 0.
"""
_GAMMA = """    gamma : float
        The focal term, above 0; 1 leaves the loss as it is.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises to ``1 / gamma``; "code" to ``gamma``, as the authors' published code does.
"""
_COMMON = """
    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.{extra}
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss as the paper writes it;
        two values are for the numerator and the denominator.

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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, {equation}.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import {name}
    >>> x, y = np.array([0.5, 1.0, 0.0]), np.array([0.5, 0.5, 0.0])
    >>> round(float({call}), 3)
    {value}
    """


def _document(equation: str, value: float, call: str = "", extra: str = "") -> Callable[[F], F]:
    """Complete a docstring with the parts that all losses share."""

    def complete(function: F) -> F:
        name = function.__name__
        common = _COMMON.format(
            name=name,
            equation=equation,
            value=value,
            extra=extra.rstrip("\n"),
            call=f"{name}(x, y{call})",
        )
        function.__doc__ = (function.__doc__ or "").rstrip() + "\n" + common
        return function

    return complete


@_document("Eq. (4)", 0.2)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="dml1", smooth=smooth)


@_document("Eq. (4)", 0.25)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="dml2", smooth=smooth)


@_document("Eq. (3)", 0.333)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="jml1", smooth=smooth)


@_document("Eq. (3)", 0.4)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="jml2", smooth=smooth)


@_document("Eq. (1)", 0.4)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="sdl", smooth=smooth)


@_document("Eq. (2)", 0.571)
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
    """
    return overlap_loss(overlap(pred, target, axis=axis, mask=mask), form="sjl", smooth=smooth)


@_document("Eqs. (26)-(27)", 0.231, ", alpha=0.6, beta=0.4", _TVERSKY)
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
    """
    o = overlap(pred, target, axis=axis, mask=mask)
    return overlap_loss(o, form="ctl", alpha=alpha, beta=beta, smooth=smooth)


@_document("Eq. (33)", 0.48, ", alpha=0.6, beta=0.4, gamma=2.0", _TVERSKY + _GAMMA)
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
    """
    return overlap_loss(
        overlap(pred, target, axis=axis, mask=mask),
        form="cftl",
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        focal_exponent=focal_exponent,
        smooth=smooth,
    )


@_document("Eq. (25)", 0.423, ", alpha=0.6, beta=0.4", _TVERSKY)
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
    """
    o = overlap(pred, target, axis=axis, mask=mask)
    return overlap_loss(o, form="stl", alpha=alpha, beta=beta, smooth=smooth)
