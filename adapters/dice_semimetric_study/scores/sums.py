"""The statistics of one foreground in one case: they add up, over slabs too."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import (
    CalibrationBins,
    Overlap,
    ThresholdCounts,
    calibration_bins,
    majority_vote,
    overlap,
    threshold_counts,
    uniform_average,
)

from ..cases.foreground import Marks
from ..results.totals import AddedByField
from .case_score import HALF, Options, Proper
from .lesions import Lesions
from .raters import Loss, RaterSums, rater_sums
from .surfaces import Surface

#: Soft calibration leaves out pixels that are background to the prediction and to all raters.
CERTAIN = 0.01
_LEAST = np.float32(2.0**-23)  # a probability in a logarithm, as `proper_score` cuts float32
_BLOCK = 1 << 16  # pixels whose few temporaries stay in a cache


@dataclass(frozen=True)
class Sums(AddedByField):
    """All that a score is made of; see `CaseScore`. Without raters there is no `RaterSums`.

    Surfaces do not add up: they are of cases that are read whole.
    """

    voxels: int
    counts: ThresholdCounts
    hard: Overlap
    bins: CalibrationBins
    soft_bins: CalibrationBins
    proper: Proper
    raters: RaterSums | None = None
    lesions: Lesions | None = None
    surface: Surface | None = None


def in_doubt(pred: NDArray[Any], soft: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of soft calibration: probable above 0.01, or marked by a rater."""
    return np.asarray((pred > CERTAIN) | (soft > 0))


def sums_of(
    pred: NDArray[Any],
    soft: NDArray[Any],
    hard: NDArray[np.bool_],
    options: Options,
    *,
    doubt: NDArray[np.bool_] | None = None,
    marks: NDArray[np.bool_] | None = None,
) -> Sums:
    """Return the statistics of a prediction against a soft and a hard reference.

    With ``marks``, rows of those of raters, the prediction is a vector.
    """
    # In one dtype both sides meet the same thresholds, and the bins of all cases the same edges.
    pred, soft = pred.astype(np.float32, copy=False), soft.astype(np.float32, copy=False)
    # The background is what the foreground leaves: a tie is background.
    likely = pred > HALF
    bins = calibration_bins(
        np.where(likely, pred, 1 - pred), likely == hard, n_bins=options.n_bins, kind="binary"
    )
    doubt = in_doubt(pred, soft) if doubt is None else doubt
    soft_bins = calibration_bins(pred, soft, n_bins=options.n_bins, kind="binary", mask=doubt)
    losses = _losses(pred)
    return Sums(
        pred.size,
        threshold_counts(pred, soft, thresholds=options.thresholds),
        overlap(likely, hard),
        _widened(bins),
        _widened(soft_bins),
        Proper(*(loss.against(label) for loss in losses for label in (hard, soft))),
        None if marks is None else rater_sums(pred, marks, losses, bins.edges, options),
    )


def _losses(pred: NDArray[Any]) -> tuple[Loss, Loss]:
    """Return the Brier score and the log loss, as `brier_score` and `log_loss` have them.

    Of a small case they take a tenth of the time of a call for each label.
    """
    unmarked, marked = (np.log(np.maximum(p, _LEAST)) for p in (1 - pred, pred))
    return (
        Loss(float((pred * pred).sum(dtype=np.float64)), 1 - 2 * pred),
        Loss(-float(unmarked.sum(dtype=np.float64)), unmarked - marked),
    )


def sums_of_marks(
    pred: NDArray[np.float32],
    reference: Marks | NDArray[np.float32],
    kept: NDArray[np.bool_] | None,
    options: Options,
) -> Sums:
    """Return the statistics against raters' marks, or a soft label, over the pixels that are kept.

    All arrays have one axis. Most of a volume is background that no rater marks and the prediction
    is sure of. It reaches no threshold and lies in the last bin, so that its number and three sums
    over its probabilities are all that is needed.
    """
    if min(options.thresholds) <= CERTAIN or options.n_bins * CERTAIN >= 1:
        some = np.ones(pred.shape, bool) if kept is None else kept
    else:
        some = pred > CERTAIN
        for side in reference if isinstance(reference, list) else [reference > 0]:
            some |= side
        if kept is not None:
            some &= kept
    near = np.flatnonzero(some)
    inside = pred[near]
    if isinstance(reference, list):
        marks = np.stack([m[near] for m in reference])
        soft = uniform_average(marks, dtype=np.float32)
        found = sums_of(inside, soft, majority_vote(marks), options, marks=marks)
    else:
        soft = reference[near]
        found = sums_of(inside, soft, soft > HALF, options)
    number = (pred.size if kept is None else int(kept.sum())) - near.size
    if number == 0:
        return found
    mass, squares, logs = _sums_of_background(pred, some if kept is None else some | ~kept)
    last = np.zeros(options.n_bins)
    last[-1] = 1
    bins = replace(
        found.bins,
        count=found.bins.count + (number * last).astype(found.bins.count.dtype),
        confidence=found.bins.confidence + (number - mass) * last,
        correct=found.bins.correct + number * last,
    )
    proper = found.proper + Proper(squares, squares, logs, logs)
    raters = found.raters
    if raters is not None:
        more = np.array([[squares], [logs]])
        raters = replace(
            raters, correct=raters.correct + number * last, losses=raters.losses + more
        )
    return replace(found, voxels=found.voxels + number, bins=bins, proper=proper, raters=raters)


def _sums_of_background(pred: NDArray[np.float32], others: NDArray[np.bool_]) -> list[float]:
    """Return the sums of p, p squared and -log(1 - p) over all but the other pixels.

    They are sums in float64 of short ones in float32, which is faster and as good, and so is the
    series of the logarithm: no p is above 0.01, and the first power left out adds 2e-9 of it.
    """
    powers = np.zeros(4)
    for start in range(0, pred.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        p = pred[block] * ~others[block]
        square = p * p
        powers += p.sum(), p @ p, square @ p, square @ square
    return [float(powers[0]), float(powers[1]), float(powers @ (1, 1 / 2, 1 / 3, 1 / 4))]


def _widened(bins: CalibrationBins) -> CalibrationBins:
    """Return sums in float64, so that thousands of cases add up without loss."""
    return replace(
        bins,
        confidence=bins.confidence.astype(np.float64),
        correct=bins.correct.astype(np.float64),
    )
