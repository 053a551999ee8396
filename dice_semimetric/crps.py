"""The continuous ranked probability score: a number against the spread of several others."""

import math
from typing import Literal

from ._lib.namespace import is_boolean, is_floating, namespace, position, sum_dtype
from ._lib.native import erf, quietly
from ._lib.options import require_choice
from ._lib.raters import in_front
from ._lib.seam import whole
from ._lib.special import absolute, divide, positive_part, power
from ._lib.typing import Array, Namespace

Distribution = Literal["empirical", "normal"]


@whole
@quietly
def crps(
    value: Array, samples: Array, *, axis: int = 0, distribution: Distribution = "empirical"
) -> Array:
    """Return the continuous ranked probability score of values against several samples each.

    It is the integral of the squared difference of two distribution functions, that of the samples
    and the step at the value: 0 where all samples equal the value, and ``|value - sample|`` where
    there is a single one or all agree. For a predicted volume the samples are the raters' volumes.

    Parameters
    ----------
    value : Array
        The values, of any shape and real dtype.
    samples : Array
        The samples: the shape of ``value`` with an axis more, which may have any length above 0.
    axis : int, optional
        The axis of ``samples`` along which the samples of a value lie.
    distribution : {"empirical", "normal"}, optional
        "empirical": the samples as they are, each with the same weight. The score is the mean of
        ``|value - sample|`` less half the mean of ``|sample - sample|`` over all pairs, also of a
        sample with itself [1]_. "normal": a normal distribution of the samples' mean and standard
        deviation, with their number as the divisor. With d for value - mean and s for the
        deviation, the score is d erf(d / (s sqrt(2))) + 2 s pdf(d / s) - s / sqrt(pi) [2]_.

    Returns
    -------
    Array
        The scores, of the shape of ``value`` and in its unit, in the widest floating dtype given
        but at least float32. NaN where a value or a sample is.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, there is no sample, or an option is out of its range.

    References
    ----------
    .. [1] Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
       Journal of the American Statistical Association 102, 2007, Eq. (21).
    .. [2] Gneiting et al., "Calibrated Probabilistic Forecasting Using Ensemble Model Output
       Statistics and Minimum CRPS Estimation", Monthly Weather Review 133, 2005, Eq. (5).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import crps
    >>> volumes = np.array([[10.0, 12.0, 14.0], [5.0, 5.0, 5.0]])
    >>> crps(np.array([11.0, 7.0]), volumes, axis=1).round(3)
    array([0.778, 2.   ])
    >>> crps(np.array([11.0, 7.0]), volumes, axis=1, distribution="normal").round(3)
    array([0.619, 2.   ])
    """
    xp = namespace(value=value, samples=samples)
    require_choice("distribution", distribution, ("empirical", "normal"))
    axis = position(axis, samples.ndim)
    shape = tuple(samples.shape)
    if shape[:axis] + shape[axis + 1 :] != tuple(value.shape) or shape[axis] == 0:
        raise ValueError(
            "value must have the shape of samples without their axis, which must hold at least "
            f"one, got {tuple(value.shape)} and {shape} with axis={axis}"
        )
    dtype = sum_dtype(xp, value, samples)
    whole_numbers = not any(is_floating(xp, a) or is_boolean(xp, a) for a in (value, samples))
    exact = xp.int64 if whole_numbers else dtype  # float32 rounds whole numbers from 2^24 on
    value, samples = (xp.astype(a, exact, copy=False) for a in (value, samples))
    samples = in_front(xp, samples, axis)
    # from one of the samples on: where all agree, the rest is exactly 0
    value, samples = value - samples[0, ...], samples - samples[:1, ...]
    value, samples = (xp.astype(a, dtype, copy=False) for a in (value, samples))
    return (_empirical if distribution == "empirical" else _normal)(xp, value, samples)


def _empirical(xp: Namespace, value: Array, samples: Array) -> Array:
    number = samples.shape[0]
    error = xp.mean(absolute(xp, value[None, ...] - samples), axis=0)
    spread = sum(
        xp.sum(absolute(xp, samples[k:, ...] - samples[k - 1 : k, ...]), axis=0)
        for k in range(1, number)
    )
    return positive_part(xp, error - spread / number**2)  # below 0 by rounding alone


def _normal(xp: Namespace, value: Array, samples: Array) -> Array:
    mean = xp.mean(samples, axis=0)
    deviation = power(xp, xp.mean((samples - mean[None, ...]) ** 2, axis=0), 0.5)
    d = value - mean
    z = divide(xp, d, deviation)
    density = xp.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    score = d * erf(xp, z / math.sqrt(2)) + 2 * deviation * density - deviation / math.sqrt(math.pi)
    return xp.where(deviation <= 0, absolute(xp, d), score)
