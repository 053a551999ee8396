"""What a proper score is made of: reliability, resolution and uncertainty, from bins."""

import math
from typing import Literal, NamedTuple, get_args

from ._lib.namespace import finfo, namespace
from ._lib.special import cut_log, divide
from ._lib.typing import Array, DType, Namespace

Score = Literal["brier", "log"]
SCORES = get_args(Score)


class Decomposition(NamedTuple):
    """The parts of the mean score of binned predictions.

    Attributes
    ----------
    reliability : Array
        How far the mean confidences of the bins are from the frequencies; 0 if calibrated.
    resolution : Array
        How far the frequencies of the bins are from that of all pixels; the more the better.
    uncertainty : Array
        What the frequency of all pixels scores as a prediction; it depends on the labels alone.
    """

    reliability: Array
    resolution: Array
    uncertainty: Array


def parts_of_bins(
    count: Array, confidence: Array, correct: Array, score: Score, dtype: DType
) -> Decomposition:
    """Return the parts from the sums of the bins on the last axis; NaN where all are empty.

    Logarithms are cut off at the machine epsilon of ``dtype``.
    """
    xp = namespace(bins=confidence)
    least = float(finfo(xp, dtype).eps)
    total = xp.sum(count, axis=-1, keepdims=True)
    share = divide(xp, count, total, empty=math.nan)
    predicted, observed = divide(xp, confidence, count), divide(xp, correct, count)
    base = divide(xp, xp.sum(correct, axis=-1, keepdims=True), total)
    apart, away = (_divergence(xp, x, observed, score, least) for x in (predicted, base))
    parts = apart, away, _entropy(xp, base, score, least)
    return Decomposition(*(xp.sum(share * part, axis=-1) for part in parts))


def _divergence(xp: Namespace, x: Array, y: Array, score: Score, least: float) -> Array:
    """Return how much worse a chance of x scores than one of y, where y is how often it comes."""
    if score == "brier":
        return (x - y) * (x - y)
    sides = ((x, y), (1 - x, 1 - y))
    first, second = (q * (cut_log(xp, q, least) - cut_log(xp, p, least)) for p, q in sides)
    return first + second


def _entropy(xp: Namespace, y: Array, score: Score, least: float) -> Array:
    if score == "brier":
        return y * (1 - y)
    return -(y * cut_log(xp, y, least) + (1 - y) * cut_log(xp, 1 - y, least))
