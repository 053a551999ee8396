"""The CalibrationBins statistic: how many pixels fall in each bin of confidence, and how right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, get_args

from ._lib.additive import Additive, exact, in_double
from ._lib.bin_inputs import given_edges, labelled_pixels, quantile_edges
from ._lib.bin_sums import bin_sums
from ._lib.checks import checks_apply
from ._lib.namespace import namespace
from ._lib.native import quietly
from ._lib.options import require_choice, require_integer
from ._lib.quantiles import uniform_edges
from ._lib.seam import whole
from ._lib.special import absolute, divide, power
from ._lib.typing import Array, Namespace
from .decomposition import SCORES, Decomposition, Score, parts_of_bins

Kind = Literal["top_label", "classwise", "binary"]
Strategy = Literal["uniform", "quantile"]
Norm = Literal["l1", "l2", "max", "average"]
NORMS = get_args(Norm)


@dataclass(frozen=True)
class CalibrationBins(Additive):
    """Sums over the pixels in each bin of confidence; a leading class axis for "classwise".

    They add up over blocks, images, cases and machines, if their edges are the same: ``a + b``
    and ``sum(bins)``.

    Parameters
    ----------
    count : Array
        Integers of shape (n_bins,) or (C, n_bins): the number of pixels.
    confidence : Array
        The sum of their confidences, in float64 where the device has it.
    correct : Array
        The sum of what was right: of hits for hard labels, of the label's mass for soft ones. Of
        the dtype of ``confidence``.
    edges : Array
        Shape (n_bins + 1,) or (C, n_bins + 1). A bin holds its lower edge and not its upper one,
        but the outermost bins hold all that lies beyond, so that confidence 1 is in the last.

    See Also
    --------
    calibration_bins : Computes them.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import calibration_bins
    >>> prob, label = np.array([0.2, 0.3, 1.0]), np.array([0, 1, 1])
    >>> bins = calibration_bins(prob, label, n_bins=2, kind="binary")
    >>> (bins + bins).frequency()
    array([0.5, 1. ])
    """

    _sums: ClassVar = ("count", "confidence", "correct")

    count: Array
    confidence: Array
    correct: Array
    edges: Array

    def _require_same(self, other: Self) -> None:
        xp = namespace(edges=self.edges, other=other.edges)
        same = tuple(self.edges.shape) == tuple(other.edges.shape)
        if same and checks_apply(self.edges, other.edges):
            same = bool(xp.all(self.edges == other.edges))
        if not same:
            raise ValueError(
                "calibration bins to be added must have the same edges; "
                "give those of the first as edges="
            )

    @exact
    def mean_confidence(self) -> Array:
        """Return the mean confidence of each bin, NaN where it is empty.

        Returns
        -------
        Array
            The shape of ``count``.
        """
        xp, count = self._floating()
        return divide(xp, self.confidence, count, empty=math.nan)

    @exact
    def frequency(self) -> Array:
        """Return how often each bin is right, NaN where it is empty.

        Returns
        -------
        Array
            The shape of ``count``.
        """
        xp, count = self._floating()
        return divide(xp, self.correct, count, empty=math.nan)

    @quietly
    @exact
    def error(self, norm: Norm = "l1") -> Array:
        """Return the calibration error: the gaps between frequency and confidence, joined.

        Parameters
        ----------
        norm : {"l1", "l2", "max", "average"}, optional
            "l1", the expected calibration error, is the mean gap, bins weighted by their count;
            "l2" the root of the mean square; "max" the largest; "average", the average calibration
            error [1]_, the mean over the bins that hold something, each alike.

        Returns
        -------
        Array
            One number, the mean over the classes for "classwise"; NaN without any pixel.

        References
        ----------
        .. [1] Neumann et al., "Relaxed Softmax: Efficient Confidence Auto-Calibration for Safe
           Pedestrian Detection", NeurIPS 2018 Workshop on Machine Learning for Intelligent
           Transportation Systems.
        """
        require_choice("norm", norm, NORMS)
        xp, count = self._floating()
        value = joined_gaps(xp, count, self.confidence, self.correct, norm)
        return xp.mean(xp.where(xp.sum(count, axis=-1) > 0, value, math.nan))

    @quietly
    def decompose(self, score: Score = "brier") -> Decomposition:
        """Return reliability, resolution and uncertainty, the parts of a proper score.

        With the ``confidence`` of each bin in place of the confidences in it, the mean score is
        exactly reliability - resolution + uncertainty, for soft labels too [1]_. The mean score of
        the confidences themselves has one part more, from within the bins, and is so only
        approximately: for "brier" the variance of the confidences in a bin less twice their
        covariance with the labels, averaged over all pixels [2]_. It is 0 where all confidences of
        a bin are equal, and otherwise what `brier_score` and `log_loss` leave.

        Parameters
        ----------
        score : {"brier", "log"}, optional
            The score of a yes-or-no prediction, that of `brier_score` or `log_loss` for "binary".

        Returns
        -------
        Decomposition
            A named tuple of arrays ``reliability``, ``resolution`` and ``uncertainty``: numbers, or
            (C,) for "classwise", of which the sum over the classes belongs to the Brier score of
            all classes. NaN without any pixel.

        References
        ----------
        .. [1] Murphy, "A New Vector Partition of the Probability Score", Journal of Applied
           Meteorology 12, 1973; Bröcker, "Reliability, sufficiency, and the decomposition of
           proper scores", Quarterly Journal of the Royal Meteorological Society 135, 2009.
        .. [2] Stephenson et al., "Two Extra Components in the Brier Score Decomposition", Weather
           and Forecasting 23, 2008.
        """
        require_choice("score", score, SCORES)
        return Decomposition(*(_part(self, score, name) for name in Decomposition._fields))

    def _floating(self) -> tuple[Namespace, Array]:
        xp = namespace(bins=self.confidence)
        return xp, xp.astype(self.count, self.confidence.dtype)


@exact
def _part(bins: CalibrationBins, score: Score, name: str) -> Array:
    """Return one of the parts: `exact` takes functions of a statistic that return one array."""
    _, count = bins._floating()
    parts = parts_of_bins(count, bins.confidence, bins.correct, score, bins.edges.dtype)
    part: Array = getattr(parts, name)
    return part


def joined_gaps(
    xp: Namespace, count: Array, confidence: Array, correct: Array, norm: Norm
) -> Array:
    """Return the gaps of the bins, on the last axis, joined; 0 where all are empty."""
    gap = absolute(xp, divide(xp, correct - confidence, count))
    if norm == "max":
        return xp.max(gap, axis=-1)
    weight = count if norm != "average" else xp.astype(count > 0, count.dtype)
    share = divide(xp, weight, xp.sum(weight, axis=-1, keepdims=True))
    if norm == "l2":
        return power(xp, xp.sum(share * gap * gap, axis=-1), 0.5)
    return xp.sum(share * gap, axis=-1)


@whole
def calibration_bins(
    prob: Array,
    label: Array,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    kind: Kind = "top_label",
    mask: Array | None = None,
    ignore_index: int | None = None,
    edges: Array | Sequence[float] | None = None,
) -> CalibrationBins:
    """Return how many pixels fall in each bin of confidence, with their confidence and hits.

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
        "uniform" cuts [0, 1] into bins of equal width, with edges k / n_bins in the dtype of
        ``prob``; "quantile" into bins of equally many of the pixels at hand.
    kind : {"top_label", "classwise", "binary"}, optional
        "top_label" bins the largest probability, of ties the lowest class, which is right by the
        label's mass there; "classwise" bins each class against the rest; "binary" bins ``prob``.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    ignore_index : int, optional
        The integer label of pixels that do not count.
    edges : Array or sequence of float, optional
        Edges to use in place of ``n_bins`` and ``strategy``, in ascending order: of shape
        (n_bins + 1,), or (C, n_bins + 1) for "classwise".

    Returns
    -------
    CalibrationBins
        In the library and on the device of ``prob``, its sums in float64 where the device has it
        and else in float32, its edges in the widest floating dtype given but at least float32.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, a checked value
        is (see `value_checks`), or quantiles are asked for of a Dask array, which cannot be
        sorted.

    See Also
    --------
    expected_calibration_error : The error in one call.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eqs. (2)-(5).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import calibration_bins
    >>> prob = np.array([[[0.75, 0.5, 0.25], [0.25, 0.5, 0.75]]])
    >>> bins = calibration_bins(prob, np.array([[0, 1, 1]]), n_bins=4)
    >>> bins.count, bins.correct
    (array([0, 0, 1, 2]), array([0., 0., 0., 2.]))
    """
    require_choice("kind", kind, ("top_label", "classwise", "binary"))
    require_choice("strategy", strategy, ("uniform", "quantile"))
    n_bins = require_integer("n_bins", n_bins, least=1)
    pixels = labelled_pixels(prob, label, kind=kind, mask=mask, ignore_index=ignore_index)
    xp, dtype = namespace(prob=prob), pixels.dtype
    if edges is not None:
        edges = given_edges(xp, edges, prob, kind, dtype)
    elif strategy == "quantile":
        edges = quantile_edges(xp, pixels, n_bins, kind)
    else:
        edges = uniform_edges(xp, n_bins, prob, dtype)
    count, confidence, correct = in_double(xp, bin_sums(pixels, edges, kind))
    return CalibrationBins(count, confidence, correct, edges)
