"""The slope of a regional loss in closed form, for an adapter that takes the whole loss at once.

The intersection I and the error E = alpha FP + beta FN of `formulas` are linear in the four sums,
so that of a loss (E + s) / (I + E + t) the slope is (dE (1 - loss) - loss dI) / (I + E + t).
Everything here is NumPy's, of a table as small as the batch has images and classes.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from ._lib.aggregate import Classes, Per, Reduction, class_indices, class_weights, shares
from .formulas import FORMS, check_options
from .overlap import Overlap

#: I and, of weights alpha and beta, E as factors of pred, target, difference and product.
_COMPATIBLE = (0.5, 0.5, -0.5, 0.0)
_PRODUCT = (0.0, 0.0, 0.0, 1.0)


class TableLoss(NamedTuple):
    """A loss and its slope.

    Attributes
    ----------
    loss : numpy.ndarray
        A number, or for ``reduction="none"`` (C,) or (B, C), in float64.
    slope : numpy.ndarray
        Its derivative with respect to the sums, (4, B or 1, C) of the classes that count; for
        ``reduction="none"`` that of each entry.
    indices : tuple of int or None
        The classes that count; None is all of them.
    """

    loss: np.ndarray
    slope: np.ndarray
    indices: tuple[int, ...] | None

    def gradient(self, upstream: Any, num_images: int, num_classes: int) -> np.ndarray:
        """Return the gradient of the sums, (4, B, C), from that of the loss."""
        gradient: np.ndarray = self.slope * upstream
        if self.indices is None and gradient.shape[1] == num_images:
            return gradient
        full = np.zeros((4, num_images, num_classes))
        full[..., slice(None) if self.indices is None else list(self.indices)] = gradient
        return full


def loss_and_slope(
    sums: np.ndarray,
    *,
    dtype: Any,
    per: Per = "batch",
    classes: Classes = "all",
    weight: np.ndarray | None = None,
    reduction: Reduction = "mean",
    **formula: Any,
) -> TableLoss:
    """Return what `table_loss` makes of sums (4, B, C), in float64, with its slope.

    ``dtype`` is the floating one of the result, whose epsilon the logarithm takes.
    """
    num_classes = sums.shape[2]
    indices = class_indices(classes, num_classes)
    if indices is not None:
        sums = sums[..., list(indices)]
    if per == "batch":
        sums = sums.sum(1)
    values, slope = _entries(sums, dtype=dtype, **formula)
    kept = sums[1] > 0 if classes == "present" else None
    factor = None if kept is None else kept.astype(float)
    if weight is not None:
        given = class_weights(np, weight, values, num_classes)
        given = given if indices is None else given[list(indices)]
        factor = given if factor is None else factor * given
    if reduction != "none" and values.size:
        share = shares(values if kept is None else kept, per=per, reduction=reduction)
        factor = share if factor is None else factor * share
    if factor is not None:
        values, slope = values * factor, slope * factor
    loss = values if reduction == "none" else values.sum()
    return TableLoss(loss, slope[:, None] if per == "batch" else slope, indices)


def _entries(
    sums: np.ndarray,
    *,
    dtype: Any,
    form: str = "dml1",
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    focal_exponent: str = "paper",
    log: bool = False,
    smooth: tuple[float, float] = (0.0, 0.0),
) -> tuple[np.ndarray, np.ndarray]:
    """Return `overlap_loss` of each entry of sums (4, ...), and its slope."""
    a, b, excess, room = _numbers(form, alpha, beta, gamma, focal_exponent, smooth)
    of_intersection, of_error = _factors(form, a, b, sums.ndim)
    intersection, error = FORMS[form].measure(np, Overlap(*sums), a, b)
    total = intersection + error + room
    if room > 0 and a == b:  # then nothing is empty
        loss = (error + excess) / total
    else:
        empty = total <= 0
        total = np.where(empty, 1.0, total)
        loss = np.where(empty, 0.0, (error + excess) / total)
        of_error = np.where(empty if a == b else empty | (error <= 0), 0.0, of_error)
    slope = (of_error - (of_error + of_intersection) * loss) / total
    steps: list[float | None] = (
        [] if gamma == 1 else [1 / gamma if focal_exponent == "paper" else gamma]
    )
    if log:
        steps.insert(0 if focal_exponent == "code" else len(steps), None)
    for exponent in steps:
        loss, factor = _logarithm(loss, dtype) if exponent is None else _power(loss, exponent)
        slope = slope * factor
    return loss, slope


@functools.lru_cache(maxsize=64, typed=True)
def _numbers(
    form: str,
    alpha: float,
    beta: float,
    gamma: float,
    focal_exponent: str,
    smooth: tuple[float, float],
) -> tuple[float, float, float, float]:
    """Return alpha, beta and what is added to E and to I + E, or raise as `check_options`."""
    found = check_options(form, alpha, beta, gamma, focal_exponent, smooth)
    _, fixed, scale = FORMS[form]
    a, b = (found.alpha, found.beta) if fixed is None else (fixed, fixed)
    return a, b, (found.smooth_dr - found.smooth_nr) / scale, found.smooth_dr / scale


@functools.lru_cache(maxsize=64)
def _factors(form: str, alpha: float, beta: float, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return I and E of a form as factors of the four sums, along the first of some axes."""
    half = (alpha + beta) / 2
    lean = (alpha - beta) / 2
    if form in ("dml2", "jml2"):
        found = _PRODUCT, (0.0, 0.0, half, 0.0)
    elif form in ("sdl", "sjl", "stl"):
        found = _PRODUCT, (alpha, beta, 0.0, -alpha - beta)
    else:
        found = _COMPATIBLE, (lean, -lean, half, 0.0)
    of_intersection, of_error = (np.reshape(f, (4, *(1,) * (ndim - 1))) for f in found)
    return of_intersection, of_error


def _power(loss: np.ndarray, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Return loss ** exponent and its derivative, both 0 at 0."""
    none = loss <= 0
    base = np.where(none, 1.0, loss)
    power = np.where(none, 0.0, base**exponent)
    return power, exponent * power / base


def _logarithm(loss: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return -ln(1 - loss), with 1 - loss cut off at the epsilon of a dtype, and its derivative."""
    eps = float(np.finfo(dtype).eps)
    cut = loss > 1 - eps
    low = np.where(cut, 1 - eps, loss)
    return -np.log1p(-low), np.where(cut, 0.0, 1 / (1 - low))
