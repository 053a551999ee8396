"""The formulas: one Tversky formula on three ways to count an `Overlap`.

With intersection I, false positives FP and false negatives FN, every loss here is

    (alpha FP + beta FN) / (I + alpha FP + beta FN),

Dice with alpha = beta = 1/2 and Jaccard with alpha = beta = 1. FP + FN is the size D of the
symmetric difference and FP - FN is ``|x| - |y|``, so a way to count is a choice of I and D:

    compatible 1    I = (|x| + |y| - |x - y|) / 2    D = |x - y|               DML1 JML1 CTL CFTL
    compatible 2    I = <x, y>                       D = |x - y|               DML2 JML2
    L1              I = <x, y>                       D = |x| + |y| - 2 <x, y>  SDL SJL STL

All agree on hard labels. On soft labels the third has D > 0 at x = y, which is why it is wrong
there. Written this way a loss at x = y is exactly 0 in floating point.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ._lib.additive import exact
from ._lib.dtypes import require_dtype
from ._lib.namespace import finfo, namespace
from ._lib.native import quietly
from ._lib.options import require_choice, require_number, require_switch, shown, type_name
from ._lib.pairs import pixels_of
from ._lib.seam import whole
from ._lib.special import divide, positive_part, power
from ._lib.typing import Array, Axis, DType, Namespace, Smooth
from .overlap import Overlap, overlap_of

Count = Callable[[Namespace, Overlap, float, float], tuple[Array, Array]]


def _compatible_1(xp: Namespace, o: Overlap, alpha: float, beta: float) -> tuple[Array, Array]:
    if alpha == beta:
        return (o.pred + o.target - o.difference) / 2, alpha * o.difference
    intersection, positives, negatives = _sides(xp, o)
    return intersection, positive_part(xp, alpha * positives + beta * negatives)


def _compatible_2(xp: Namespace, o: Overlap, alpha: float, beta: float) -> tuple[Array, Array]:
    return o.product, (alpha + beta) / 2 * o.difference


def _l1(xp: Namespace, o: Overlap, alpha: float, beta: float) -> tuple[Array, Array]:
    positives, negatives = o.pred - o.product, o.target - o.product
    if alpha == beta:
        return o.product, alpha * (positives + negatives)
    return o.product, positive_part(xp, alpha * positives + beta * negatives)


def _sides(xp: Namespace, o: Overlap) -> tuple[Array, Array, Array]:
    """Return I, FP and FN of `_compatible_1`, each to the last digit that the sums hold.

    The three sums are added in an order in which the first difference is exact where it cancels:
    taken straight, the smaller side would be lost beside the larger one.
    """
    more = o.pred >= o.target
    large, small = xp.where(more, o.pred, o.target), xp.where(more, o.target, o.pred)
    excess = o.difference - large
    near = xp.where(excess < -large / 2, o.difference - (large - small), excess + small) / 2
    far = (o.difference + (large - small)) / 2
    return (small - excess) / 2, xp.where(more, far, near), xp.where(more, near, far)


class _Form(NamedTuple):
    """How to count I and alpha FP + beta FN, their weights if fixed, and the scale of ``smooth``.

    Dice and Jaccard take ``smooth`` beside 2 I, as MONAI does and so that all of them agree on hard
    labels, Tversky beside I.
    """

    measure: Count
    weight: float | None
    scale: float


FORMS = {
    "dml1": _Form(_compatible_1, 0.5, 2.0),
    "dml2": _Form(_compatible_2, 0.5, 2.0),
    "jml1": _Form(_compatible_1, 1.0, 2.0),
    "jml2": _Form(_compatible_2, 1.0, 2.0),
    "sdl": _Form(_l1, 0.5, 2.0),
    "sjl": _Form(_l1, 1.0, 2.0),
    "ctl": _Form(_compatible_1, None, 1.0),
    "cftl": _Form(_compatible_1, None, 1.0),
    "stl": _Form(_l1, None, 1.0),
}


@whole
@quietly
@exact
def overlap_loss(
    o: Overlap,
    *,
    form: str = "dml1",
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    focal_exponent: str = "paper",
    log: bool = False,
    smooth: Smooth = 0.0,
    dtype: DType | None = None,
) -> Array:
    """Return a regional loss of an overlap that was summed beforehand.

    Parameters
    ----------
    o : Overlap
        The sums, of any shape: of a batch, a whole data set, or all machines.
    form : {"dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "ctl", "stl", "cftl"}, optional
        The loss; see the functions of these names.
    alpha, beta : float, optional
        Weights of false positives and false negatives, for ``ctl``, ``stl`` and ``cftl`` only.
    gamma : float, optional
        The focal term, for any form; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33); "code" to ``gamma``, as the authors'
        published code does. They differ in the order with ``log`` too: "paper" takes
        ``-ln(1 - loss ** (1 / gamma))``, "code" ``(-ln(1 - loss)) ** gamma``.
    log : bool, optional
        Return ``-ln(1 - loss)``, with 1 - loss cut off at the machine epsilon of ``dtype``.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, which is written as 2 I
        over 2 (I + alpha FP + beta FN) for Dice and Jaccard, with weights of 1/2 and 1, and
        without the factors of 2 for ``ctl``, ``stl`` and ``cftl``. Two values are for the numerator
        and the denominator.
    dtype : dtype, optional
        The floating dtype of the result; None is that of the overlap.

    Returns
    -------
    Array
        The loss of each entry. Empty against empty is 0.

    Raises
    ------
    TypeError
        If ``o`` is no `Overlap`, or an option is of the wrong type.
    ValueError
        If an option is not one of those named, or a weight, ``gamma`` or ``smooth`` is negative.

    See Also
    --------
    region_loss : From predictions and targets of shape (B, C, *spatial).

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (1)-(4), (25)-(27), (33).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import overlap, overlap_loss
    >>> cases = [overlap(np.array([1.0, 0.5]), np.array([1.0, t])) for t in (0.0, 0.5)]
    >>> round(float(overlap_loss(sum(cases), form="dml1")), 3)
    0.091
    """
    if not isinstance(o, Overlap):
        raise TypeError(f"o must be an Overlap, got {type_name(o)}; write overlap(pred, target)")
    alpha, beta, gamma, smooth_nr, smooth_dr = check_options(
        form, alpha, beta, gamma, focal_exponent, smooth
    )
    log = require_switch("log", log)
    xp = namespace(overlap=o.pred)
    measure, weight, scale = FORMS[form]
    a, b = (alpha, beta) if weight is None else (weight, weight)
    intersection, error = measure(xp, o, a, b)
    loss = divide(
        xp, error + (smooth_dr - smooth_nr) / scale, intersection + error + smooth_dr / scale
    )
    dtype = loss.dtype if dtype is None else require_dtype(xp, dtype)
    of_log = log and focal_exponent == "code"
    if gamma != 1 and not of_log:
        loss = power(xp, loss, 1 / gamma if focal_exponent == "paper" else gamma)
    if log:
        most = xp.full_like(loss, 1 - float(finfo(xp, dtype).eps))
        loss = -xp.log1p(-xp.where(loss > most, most, loss))
    if gamma != 1 and of_log:
        loss = power(xp, loss, gamma)
    return loss if loss.dtype == dtype else xp.astype(loss, dtype)


def pair_loss(
    pred: Array, target: Array, *, axis: Axis, mask: Array | None, **formula: Any
) -> Array:
    """Return a regional loss of two arrays, in the dtype that they are summed in."""
    pixels = pixels_of(pred, target, axis=axis, mask=mask)
    return overlap_loss(overlap_of(pixels), dtype=pixels.dtype, **formula)


class _Options(NamedTuple):
    """The options of a formula as Python floats, each in its range."""

    alpha: float
    beta: float
    gamma: float
    smooth_nr: float
    smooth_dr: float


def check_options(
    form: str, alpha: float, beta: float, gamma: float, focal_exponent: str, smooth: Smooth
) -> _Options:
    """Return the numbers among the options, or raise for an option out of its range."""
    require_choice("form", form, FORMS)
    require_choice("focal_exponent", focal_exponent, ("paper", "code"))
    pair = tuple(smooth) if isinstance(smooth, tuple | list) else (smooth, smooth)
    if len(pair) != 2:
        raise ValueError(
            f"smooth must be one number, or two for numerator and denominator, got {shown(smooth)}"
        )
    found = _Options(
        require_number("alpha", alpha, least=0.0),
        require_number("beta", beta, least=0.0),
        require_number("gamma", gamma, above=0.0),
        *(require_number("smooth", term, least=0.0) for term in pair),
    )
    if FORMS[form].weight is not None and (found.alpha, found.beta) != (0.5, 0.5):
        raise ValueError(f"alpha and beta are for 'ctl', 'stl' and 'cftl', got form={form!r}")
    return found
