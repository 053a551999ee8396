"""How far predictions are from E[y | f(x)], and how wide the kernel should be: leave-one-out."""

import math
from collections.abc import Sequence
from typing import Literal

from .._lib.devices import device, is_eager
from .._lib.namespace import default_index, namespace, sum_dtype
from .._lib.native import quietly, without_gradient
from .._lib.options import require_choice, require_integer, require_numbers
from .._lib.seam import whole
from .._lib.special import absolute
from .._lib.typing import Array
from .density import regress
from .regression import label_columns, require_bandwidth, require_rows

Kind = Literal["canonical", "classwise", "top_label"]

#: The bandwidths of the paper's Table 8.
BANDWIDTHS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)


@whole
@quietly
def kernel_calibration_error(
    prob: Array, label: Array, *, bandwidth: float, p: int = 1, kind: Kind = "canonical"
) -> Array:
    """Return the mean over rows of ``|E[y | f] - f| ** p``, each row left out of its own estimate.

    No bins are needed, and the estimate is differentiable.

    Parameters
    ----------
    prob : Array
        (n, K), floating: rows of class probabilities, or (n, 1) of the foreground.
    label : Array
        Integers (n,) from 0 to K - 1, with K = 1 the foreground mask, or soft labels (n, K) in a
        floating dtype.
    bandwidth : float
        The smoothing h, above 0.
    p : {1, 2}, optional
        The power of the difference. No root is taken of the mean.
    kind : {"canonical", "classwise", "top_label"}, optional
        "canonical" conditions on the whole row and sums over the classes; "classwise" conditions
        each class on its own probability and sums; "top_label" asks whether the most probable
        class is right, given its probability. With K = 1 all three count the foreground and
        the background.

    Returns
    -------
    Array
        A scalar, in the library and on the device of ``prob``, in its dtype but at least float32.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes do not fit, there are fewer than two rows, an option is out of its range, or a
        checked value is; see `value_checks`.

    See Also
    --------
    kernel_regression : The estimate from separate keys.

    Notes
    -----
    Time grows with n squared, memory with n. The definitions are those of the published
    estimator [2]_.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (21)-(23).
    .. [2] Popordanoska et al., "A Consistent and Differentiable Lp Canonical Calibration Error
       Estimator", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import kernel_calibration_error
    >>> prob, label = np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])
    >>> float(kernel_calibration_error(prob, label, bandwidth=0.01).round(3))
    0.25
    """
    xp = namespace(prob=prob, label=label)
    bandwidth = require_bandwidth(bandwidth)
    p = require_integer("p", p, least=1, most=2)
    require_choice("kind", kind, ("canonical", "classwise", "top_label"))
    prob = require_rows(xp, prob, "prob")
    _require_two(prob)
    dtype = sum_dtype(xp, prob)
    value = label_columns(xp, label, prob, dtype, "label")
    columns = xp.permute_dims(prob, (1, 0))
    num_classes = columns.shape[0]
    if kind == "top_label" and num_classes > 1:
        top = (
            xp.argmax(columns, axis=0)[None, :]
            == xp.arange(num_classes, dtype=default_index(xp, prob), device=device(prob))[:, None]
        )
        zero = xp.zeros_like(value)
        value = xp.sum(xp.where(top, value, zero), axis=0, keepdims=True)
        columns = xp.max(columns, axis=0, keepdims=True)
    split = range(columns.shape[0]) if kind == "classwise" else (slice(None),)
    total = 0.0
    for c in split:
        rows = slice(c, c + 1) if isinstance(c, int) else c
        f, y = columns[rows, :], value[rows, :]
        mean, _ = regress(f, f, y, bandwidth, dtype=dtype, skip_self=True)
        gap = absolute(xp, mean - xp.astype(f, dtype, copy=False))
        total = total + xp.sum(gap if p == 1 else gap * gap)
    return total * ((2.0 if num_classes == 1 else 1.0) / prob.shape[0])


@whole
def select_bandwidth(
    prob: Array, label: Array | None = None, *, bandwidths: Sequence[float] = BANDWIDTHS
) -> float:
    """Return the bandwidth under which each row is best explained by all the others.

    Parameters
    ----------
    prob : Array
        (n, K), floating: rows of class probabilities, or (n, 1) of the foreground; eager. Time
        grows with n squared, so give a sample.
    label : Array, optional
        Integers (n,) or soft labels (n, K). With labels their likelihood under the leave-one-out
        regression decides, which is what a calibrator is for; without them the likelihood of the
        predictions under the leave-one-out kernel density.
    bandwidths : sequence of float, optional
        The candidates; the default is those of the paper's Table 8.

    Returns
    -------
    float
        The best candidate, the first of those that are equally good.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or ``prob`` has no values yet.
    ValueError
        If shapes do not fit, there are fewer than two rows or no candidate, or a value is out of
        its range.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import select_bandwidth
    >>> prob = np.random.default_rng(0).dirichlet([2.0, 2.0], size=200)
    >>> select_bandwidth(prob, bandwidths=(1e-5, 1e-2, 10.0))
    0.01
    """
    xp = namespace(prob=prob, **({} if label is None else {"label": label}))
    prob = require_rows(xp, without_gradient(xp, prob), "prob")
    label = None if label is None else without_gradient(xp, label)
    _require_two(prob)
    if not is_eager(prob, label):
        raise TypeError("prob must be an eager array, since the choice depends on its values")
    bandwidths = require_numbers("bandwidths", bandwidths, above=0.0)
    if not bandwidths:
        raise ValueError("bandwidths must hold at least one candidate, got none")
    dtype = sum_dtype(xp, prob)
    columns = xp.permute_dims(prob, (1, 0))
    if label is None:
        value = xp.ones_like(columns[:1, :], dtype=dtype)
    else:
        value = label_columns(xp, label, prob, dtype, "label")

    def likelihood(h: float) -> float:
        mean, log_density = regress(columns, columns, value, h, dtype=dtype, skip_self=True)
        if label is None:
            return float(xp.sum(log_density))
        tiny = xp.full_like(mean, float(xp.finfo(dtype).eps))
        found = xp.sum(value * xp.log(xp.maximum(mean, tiny)))
        if mean.shape[0] == 1:
            found = found + xp.sum((1.0 - value) * xp.log(xp.maximum(1.0 - mean, tiny)))
        return float(found)

    best, most = bandwidths[0], -math.inf
    for h in bandwidths:
        value_h = likelihood(h)
        if value_h > most:
            best, most = h, value_h
    return best


def _require_two(prob: Array) -> None:
    if prob.shape[0] < 2:
        raise ValueError(
            f"prob must have at least two rows, one to leave out, got shape {tuple(prob.shape)}"
        )
