"""The slope of a regional loss in closed form, for an adapter that takes the whole loss at once.

The intersection I and the error E = alpha FP + beta FN of `formulas` are linear in the four sums,
so that of a loss (E + s) / (I + E + t) the slope is (dE (1 - loss) - loss dI) / (I + E + t).
Everything here is of a table as small as the batch has images and classes: NumPy's, or in another
library on its device, where each operation costs a launch and nothing waits for a value.
"""

import functools
from typing import Any, NamedTuple

from ._lib.aggregate import Classes, Per, Reduction, class_indices, class_weights, shares
from ._lib.devices import device
from ._lib.namespace import finfo, namespace
from ._lib.typing import Array, DType, Namespace
from .formulas import FORMS, check_options
from .overlap import Overlap

#: I and, of weights alpha and beta, E as factors of pred, target, difference and product.
_COMPATIBLE = (0.5, 0.5, -0.5, 0.0)
_PRODUCT = (0.0, 0.0, 0.0, 1.0)


class TableLoss(NamedTuple):
    """A loss and its slope.

    Attributes
    ----------
    loss : Array
        A number, or for ``reduction="none"`` (C,) or (B, C), in float64.
    slope : Array
        Its derivative with respect to the sums, (4, B or 1, C) of the classes that count; for
        ``reduction="none"`` that of each entry.
    chosen : Array or None
        The classes that count; None is all of them.
    """

    loss: Array
    slope: Array
    chosen: Array | None

    def gradient(self, upstream: Any, num_images: int, num_classes: int) -> Array:
        """Return the gradient of the sums, (4, B, C), from that of the loss."""
        gradient = self.slope * upstream
        if self.chosen is None and gradient.shape[1] == num_images:
            return gradient
        xp = namespace(gradient=gradient)
        place = device(gradient)
        full = xp.zeros((4, num_images, num_classes), dtype=gradient.dtype, device=place)
        full[..., slice(None) if self.chosen is None else self.chosen] = gradient
        return full


def loss_and_slope(
    sums: Array,
    *,
    dtype: DType,
    per: Per = "batch",
    classes: Classes = "all",
    weight: Array | None = None,
    reduction: Reduction = "mean",
    **formula: Any,
) -> TableLoss:
    """Return what `table_loss` makes of sums (4, B, C), in float64, with its slope.

    ``dtype`` is the floating one of the result, whose epsilon the logarithm takes.
    """
    xp = namespace(sums=sums)
    num_classes = sums.shape[2]
    indices = class_indices(classes, num_classes)
    index = None if indices is None else _index(xp, device(sums), indices)
    if index is not None:
        sums = sums[..., index]
    if per == "batch":
        sums = xp.sum(sums, axis=1)
    values, slope = _entries(xp, sums, dtype=dtype, **formula)
    kept = sums[1] > 0 if classes == "present" else None
    factor = None if kept is None else xp.astype(kept, values.dtype)
    if weight is not None:
        given = class_weights(xp, weight, values, num_classes)
        given = given if index is None else given[index]
        factor = given if factor is None else factor * given
    if reduction != "none" and 0 not in values.shape:
        share = shares(xp, values, kept, per=per, reduction=reduction)
        factor = share if factor is None else factor * share
    if factor is not None:
        values, slope = values * factor, slope * factor
    loss = values if reduction == "none" else xp.sum(values)
    return TableLoss(loss, slope[:, None] if per == "batch" else slope, index)


def _entries(
    xp: Namespace,
    sums: Array,
    *,
    dtype: DType,
    form: str = "dml1",
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    focal_exponent: str = "paper",
    log: bool = False,
    smooth: tuple[float, float] = (0.0, 0.0),
) -> tuple[Array, Array]:
    """Return `overlap_loss` of each entry of sums (4, ...), and its slope."""
    a, b, excess, room = _numbers(form, alpha, beta, gamma, focal_exponent, smooth)
    of_intersection, of_error, of_both = _factors(xp, device(sums), form, a, b, sums.ndim)
    intersection, error = FORMS[form].measure(xp, Overlap(*sums), a, b)
    total = intersection + error
    total = total + room if room else total
    if room > 0 and a == b:  # then nothing is empty
        loss = (error + excess if excess else error) / total
    else:
        empty = total <= 0
        total = xp.where(empty, 1.0, total)
        loss = xp.where(empty, 0.0, (error + excess) / total)
        of_error = xp.where(empty if a == b else empty | (error <= 0), 0.0, of_error)
        of_both = of_error + of_intersection
    slope = (of_error - of_both * loss) / total
    steps: list[float | None] = (
        [] if gamma == 1 else [1 / gamma if focal_exponent == "paper" else gamma]
    )
    if log:
        steps.insert(0 if focal_exponent == "code" else len(steps), None)
    for exponent in steps:
        loss, factor = (
            _logarithm(xp, loss, dtype) if exponent is None else _power(xp, loss, exponent)
        )
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
def _factors(
    xp: Namespace, place: Any, form: str, alpha: float, beta: float, ndim: int
) -> tuple[Array, Array, Array]:
    """Return I, E and I + E of a form as factors of the four sums, the first of some axes."""
    half = (alpha + beta) / 2
    lean = (alpha - beta) / 2
    if form in ("dml2", "jml2"):
        found = _PRODUCT, (0.0, 0.0, half, 0.0)
    elif form in ("sdl", "sjl", "stl"):
        found = _PRODUCT, (alpha, beta, 0.0, -alpha - beta)
    else:
        found = _COMPATIBLE, (lean, -lean, half, 0.0)
    of_intersection, of_error = (
        xp.reshape(xp.asarray(f, dtype=xp.float64, device=place), (4, *(1,) * (ndim - 1)))
        for f in found
    )
    return of_intersection, of_error, of_intersection + of_error


@functools.lru_cache(maxsize=64)
def _index(xp: Namespace, place: Any, indices: tuple[int, ...]) -> Array:
    """Return places as an array, which is moved to a device once: each time would wait for it."""
    return xp.asarray(indices, dtype=xp.int64, device=place)


def _power(xp: Namespace, loss: Array, exponent: float) -> tuple[Array, Array]:
    """Return loss ** exponent and its derivative, both 0 at 0."""
    none = loss <= 0
    base = xp.where(none, 1.0, loss)
    power = xp.where(none, 0.0, base**exponent)
    return power, exponent * power / base


def _logarithm(xp: Namespace, loss: Array, dtype: DType) -> tuple[Array, Array]:
    """Return -ln(1 - loss), with 1 - loss cut off at the epsilon of a dtype, and its derivative."""
    eps = float(finfo(xp, dtype).eps)
    cut = loss > 1 - eps
    low = xp.where(cut, 1 - eps, loss)
    return -xp.log1p(-low), xp.where(cut, 0.0, 1 / (1 - low))
