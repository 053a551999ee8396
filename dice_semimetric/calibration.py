"""Calibration: do predictions of 0.8 come true in 8 cases of 10?"""

from ._lib.namespace import namespace
from ._lib.native import quietly
from ._lib.raters import by_rater
from ._lib.seam import whole
from ._lib.typing import Array
from .bins import Kind, Norm, Strategy, calibration_bins


@whole
@quietly
def expected_calibration_error(
    prob: Array,
    label: Array,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    kind: Kind = "top_label",
    norm: Norm = "l1",
    mask: Array | None = None,
    ignore_index: int | None = None,
    rater_axis: int | None = None,
) -> Array:
    """Return the calibration error: the gaps between confidence and frequency over bins, joined.

    Parameters
    ----------
    prob : Array
        Probabilities in a floating dtype: (B, C, *spatial), where one class alone stands for the
        foreground and implies a background of 1 - p; for "binary", of the foreground, in any
        shape.
    label : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``prob``, soft labels in a
        floating dtype or one-hot ones in an integer dtype or bool. For "binary", of the shape of
        ``prob``: boolean or integer 0 and 1, or soft in a floating dtype.
    n_bins : int, optional
        The number of bins.
    strategy : {"uniform", "quantile"}, optional
        Bins of equal width or of equally many pixels.
    kind : {"top_label", "classwise", "binary"}, optional
        "top_label" looks at the largest probability; "classwise" takes the mean over the classes,
        each against the rest; "binary" looks at ``prob`` itself.
    norm : {"l1", "l2", "max", "average"}, optional
        "l1", the expected calibration error, is the mean gap, bins weighted by their count; "l2"
        the root of the mean square; "max" the largest; "average" the mean over the bins that hold
        something, each alike.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    ignore_index : int, optional
        The integer label of pixels that do not count.
    rater_axis : int, optional
        The axis of ``label`` along which several raters lie, as 0 for (R, B, *spatial): the error
        against each of them. That against their mean is the error against the soft label of
        `uniform_average`, and that of all their bins added.

    Returns
    -------
    Array
        One number, or (R,) with ``rater_axis``, in the widest floating dtype given but at least
        float32. NaN without pixels.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, a checked value
        is (see `value_checks`), or quantiles are asked for of a Dask array.

    See Also
    --------
    calibration_bins : The statistic behind it, which adds up over cases.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eqs. (3), (5).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import expected_calibration_error
    >>> prob, label = np.array([0.75, 0.75, 0.75, 0.25]), np.array([1, 1, 0, 0])
    >>> round(float(expected_calibration_error(prob, label, kind="binary")), 3)
    0.125
    """

    def of_label(one: Array) -> Array:
        bins = calibration_bins(
            prob,
            one,
            n_bins=n_bins,
            strategy=strategy,
            kind=kind,
            mask=mask,
            ignore_index=ignore_index,
        )
        return namespace(prob=prob).astype(bins.error(norm), bins.edges.dtype, copy=False)

    return by_rater(of_label, prob, label, rater_axis)


@whole
@quietly
def reliability_curve(
    prob: Array,
    label: Array,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    kind: Kind = "top_label",
    mask: Array | None = None,
    ignore_index: int | None = None,
) -> tuple[Array, Array, Array]:
    """Return mean confidence, frequency and count of each bin: the reliability diagram.

    Parameters
    ----------
    prob : Array
        Probabilities, as in `expected_calibration_error`.
    label : Array
        Labels, as in `expected_calibration_error`.
    n_bins : int, optional
        The number of bins.
    strategy : {"uniform", "quantile"}, optional
        Bins of equal width or of equally many pixels.
    kind : {"top_label", "classwise", "binary"}, optional
        What is binned, as in `expected_calibration_error`.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    ignore_index : int, optional
        The integer label of pixels that do not count.

    Returns
    -------
    tuple of Array
        Mean confidence and frequency, NaN in empty bins, and count: each of shape (n_bins,), or
        (C, n_bins) for "classwise".

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, a checked value
        is (see `value_checks`), or quantiles are asked for of a Dask array.

    See Also
    --------
    calibration_bins : The statistic behind it, which adds up over cases.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import reliability_curve
    >>> prob, label = np.array([0.75, 0.75, 0.75, 0.25]), np.array([1, 1, 0, 0])
    >>> confidence, frequency, count = reliability_curve(prob, label, n_bins=2, kind="binary")
    >>> frequency.round(3), count
    (array([0.   , 0.667]), array([1, 3]))
    """
    bins = calibration_bins(
        prob,
        label,
        n_bins=n_bins,
        strategy=strategy,
        kind=kind,
        mask=mask,
        ignore_index=ignore_index,
    )
    xp = namespace(prob=prob)
    means = (bins.mean_confidence(), bins.frequency())
    confidence, frequency = (xp.astype(m, bins.edges.dtype, copy=False) for m in means)
    return confidence, frequency, bins.count
