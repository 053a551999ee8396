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
from typing import NamedTuple

from ._lib.namespace import namespace, require_choice, require_number
from ._lib.native import quietly
from ._lib.special import divide, positive_part, power
from ._lib.typing import Array, Smooth
from .overlap import Overlap

Count = Callable[[Overlap], tuple[Array, Array]]


def _compatible_1(o: Overlap) -> tuple[Array, Array]:
    return (o.pred + o.target - o.difference) / 2, o.difference


def _compatible_2(o: Overlap) -> tuple[Array, Array]:
    return o.product, o.difference


def _l1(o: Overlap) -> tuple[Array, Array]:
    return o.product, o.pred + o.target - 2 * o.product


class _Form(NamedTuple):
    """How to count, the weights of FP and FN (None: the caller's), and the scale of ``smooth``.

    The paper writes Dice and Jaccard with 2 I in the numerator, Tversky with I: the scale keeps
    ``smooth`` what it is in those formulas, and in MONAI.
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


@quietly
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
        published code does.
    log : bool, optional
        Return ``-ln(1 - loss)``, with 1 - loss cut off at the dtype's machine epsilon.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss as the paper writes it;
        two values are for the numerator and the denominator.

    Returns
    -------
    Array
        The loss of each entry, in the dtype of the overlap. Empty against empty is 0.

    Raises
    ------
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
    smooth_nr, smooth_dr = check_options(form, alpha, beta, gamma, focal_exponent, smooth)
    xp = namespace(overlap=o.pred)
    measure, weight, scale = FORMS[form]
    a, b = (alpha, beta) if weight is None else (weight, weight)
    intersection, difference = measure(o)
    error = (a + b) / 2 * difference
    if a != b:
        error = positive_part(xp, error + (a - b) / 2 * (o.pred - o.target))
    denominator = intersection + error + smooth_dr / scale
    loss = divide(xp, error + (smooth_dr - smooth_nr) / scale, denominator)
    if gamma != 1:
        loss = power(xp, loss, 1 / gamma if focal_exponent == "paper" else gamma)
    if log:
        score = 1 - loss
        epsilon = xp.full_like(score, xp.finfo(score.dtype).eps)
        loss = -xp.log(xp.where(score < epsilon, epsilon, score))
    return loss


def check_options(
    form: str, alpha: float, beta: float, gamma: float, focal_exponent: str, smooth: Smooth
) -> tuple[float, float]:
    """Return the two smoothing terms, or raise ValueError for an option out of its range."""
    require_choice("form", form, FORMS)
    require_choice("focal_exponent", focal_exponent, ("paper", "code"))
    pair = smooth if isinstance(smooth, tuple) else (smooth, smooth)
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    for name, value in (*given.items(), *(("smooth", term) for term in pair)):
        require_number(name, value)
    named = {"alpha": alpha, "beta": beta, "smooth": min(pair)}
    for name, value in named.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")
    if not gamma > 0:
        raise ValueError(f"gamma must be above 0, got {gamma}")
    if FORMS[form].weight is not None and (alpha, beta) != (0.5, 0.5):
        raise ValueError(f"alpha and beta are for 'ctl', 'stl' and 'cftl', got form={form!r}")
    return pair
