"""The statistics of one foreground in one case: they add up, over slabs too."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dice_semimetric import (
    Agreement,
    CalibrationBins,
    Overlap,
    ThresholdCounts,
    calibration_bins,
    overlap,
    threshold_counts,
)
from dice_semimetric._lib.native import to_host

from ..cases.foreground import Marks
from ..cases.near import box_around, within
from ..results.totals import AddedByField
from .case_score import Consensus, Proper
from .cells import cells_of
from .lesions import Lesions
from .options import CERTAIN, HALF, Options
from .raters import RaterSums, rater_sums
from .surfaces import Surface

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
    near_bins: CalibrationBins
    proper: Proper
    consensus: Consensus
    raters: RaterSums | None = None
    lesions: Lesions | None = None
    surface: Surface | None = None
    samples: Agreement | None = None


def in_doubt(pred: NDArray[Any], soft: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of soft calibration: probable above 0.01, or marked by a rater."""
    return np.asarray((pred > CERTAIN) | (soft > 0))


def near_marks(soft: NDArray[Any], options: Options) -> NDArray[np.bool_]:
    """Return the pixels of an image near what a rater marked, whatever the prediction is."""
    return within(box_around(soft > 0), soft.shape[::-1], options.margin)


def sums_of(
    pred: NDArray[Any],
    soft: NDArray[Any],
    hard: NDArray[np.bool_],
    options: Options,
    *,
    doubt: NDArray[np.bool_] | None = None,
    near: NDArray[np.bool_] | None = None,
) -> Sums:
    """Return the statistics of a prediction against a soft and a hard reference."""
    # In one dtype both sides meet the same thresholds, and the bins of all cases the same edges.
    pred, soft = pred.astype(np.float32, copy=False), soft.astype(np.float32, copy=False)
    # One image of one class: the background is what the foreground leaves.
    image, label = pred[None, None], hard[None].astype(np.uint8)
    bins = calibration_bins(image, label, n_bins=options.n_bins, kind="top_label")
    doubt = in_doubt(pred, soft) if doubt is None else doubt
    soft_bins = calibration_bins(pred, soft, n_bins=options.n_bins, kind="binary", mask=doubt)
    unmarked, more = _log_loss(pred)
    squares, odds = float((pred * pred).sum(dtype=np.float64)), 1 - 2 * pred
    near = near_marks(soft, options) if near is None else near
    return Sums(
        pred.size,
        threshold_counts(pred, soft, thresholds=options.thresholds),
        overlap(pred > HALF, hard),
        _widened(bins),
        _widened(soft_bins),
        _near_bins(pred, near, soft_bins),
        Proper(
            *(squares + float((odds * side).sum(dtype=np.float64)) for side in (hard, soft)),
            *(unmarked + float((more * side).sum(dtype=np.float64)) for side in (hard, soft)),
        ),
        _consensus(pred, soft),
    )


def _near_bins(pred: Any, near: Any, like: CalibrationBins) -> CalibrationBins:
    """Return the bins of the pixels near marks, from those of the pixels in doubt.

    All marks lie in both, so that only count and confidence differ.
    """
    xp: Any = array_namespace(pred)
    inside = pred[near]
    edges, bins = xp.asarray(like.edges[1:-1]), len(like.edges) - 1
    place = xp.searchsorted(edges, inside, side="right")
    sums = (xp.bincount(place, weights, bins) for weights in (None, inside.astype(np.float64)))
    count, confidence = (to_host(xp, a, "pred") for a in sums)
    return _widened(replace(like, count=count, confidence=confidence))


def sums_of_raters(
    pred: NDArray[Any], marks: NDArray[np.bool_], near: NDArray[np.bool_], options: Options
) -> Sums:
    """Return those of a prediction, a vector, against the rows of marks.

    They are those of `sums_of` against their mean and their majority, and those of each rater.
    """
    pred = pred.astype(np.float32, copy=False)
    cells, decision = cells_of(pred, marks, options)
    counts, mass = cells.counts.sum(axis=0), cells.mass.sum(axis=0)
    unmarked, more = _log_loss(pred)
    xp: Any = array_namespace(pred)
    logs = xp.bincount(decision, more.astype(np.float64), counts.size)
    squares = float((pred * pred).sum(dtype=np.float64))
    # Both scores are linear functions of the label, and that of a decision.
    added = np.stack([counts - 2 * mass, to_host(xp, logs, "pred")])
    start = np.array([[squares], [unmarked]])
    sides = np.stack([cells.hard, cells.soft])
    soft_bins = cells.soft_bins(options)
    return Sums(
        pred.size,
        cells.threshold_counts(options),
        cells.overlap(),
        cells.bins(options),
        soft_bins,
        _near_bins(pred, near, soft_bins),
        Proper(*(start + added @ sides.T).ravel().tolist()),
        cells.consensus(),
        rater_sums(cells, start + added @ cells.said.T, options),
    )


def _log_loss(pred: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    """Return the sum where nothing is marked, and what a mark adds at each pixel, as `log_loss`.

    Of a small case that takes a tenth of the time of a call for each label.
    """
    unmarked, marked = (np.log(np.maximum(p, _LEAST)) for p in (1 - pred, pred))
    return -float(unmarked.sum(dtype=np.float64)), unmarked - marked


def _consensus(pred: NDArray[Any], soft: NDArray[Any]) -> Consensus:
    """Return the sums over the pixels on which all raters agree, so that their mean is 0 or 1."""
    above, marked, unmarked = pred > HALF, soft >= 1, soft <= 0
    counts = (int(m.sum()) for m in (marked, unmarked, above & marked, above & unmarked))
    return Consensus(*counts, *(float(pred[m].sum(dtype=np.float64)) for m in (marked, unmarked)))


def sums_of_marks(
    pred: NDArray[np.float32],
    reference: Marks | NDArray[np.float32],
    near: NDArray[np.bool_],
    kept: NDArray[np.bool_] | None,
    options: Options,
) -> Sums:
    """Return the statistics against raters' marks, or a soft label, over the pixels that are kept.

    All arrays have one axis; ``near`` is where marks are near. Most of a volume is background that
    no rater marks and the prediction is sure of. It reaches no threshold and lies in the last bin,
    or the first one of the foreground, so that its number and three sums over its probabilities
    are all that is needed.
    """
    if min(options.thresholds) <= CERTAIN or options.n_bins * CERTAIN >= 1:
        some = np.ones(pred.shape, bool) if kept is None else kept
    else:
        some = pred > CERTAIN
        for side in reference if isinstance(reference, list) else [reference > 0]:
            some |= side
        if kept is not None:
            some &= kept
    places = np.flatnonzero(some)
    inside = pred[places]
    if isinstance(reference, list):
        marks = np.stack([m[places] for m in reference])
        found = sums_of_raters(inside, marks, near[places], options)
    else:
        soft = reference[places]
        found = sums_of(inside, soft, soft > HALF, options, near=near[places])
    number = (pred.size if kept is None else int(kept.sum())) - places.size
    if number == 0:
        return found
    others = some if kept is None else some | ~kept
    mass, squares, logs = _sums_of_background(pred, others)
    beside = pred[near & ~others]
    first = np.zeros(options.n_bins)
    first[0] = 1
    last = np.zeros(options.n_bins)
    last[-1] = 1
    bins = replace(
        found.bins,
        count=found.bins.count + (number * last).astype(found.bins.count.dtype),
        confidence=found.bins.confidence + (number - mass) * last,
        correct=found.bins.correct + number * last,
    )
    near_bins = replace(
        found.near_bins,
        count=found.near_bins.count + (beside.size * first).astype(found.near_bins.count.dtype),
        confidence=found.near_bins.confidence + beside.sum(dtype=np.float64) * first,
    )
    proper = found.proper + Proper(squares, squares, logs, logs)
    raters = found.raters
    if raters is not None:
        more = np.array([[squares], [logs]])
        raters = replace(
            raters, correct=raters.correct + number * last, losses=raters.losses + more
        )
    return replace(
        found,
        voxels=found.voxels + number,
        bins=bins,
        near_bins=near_bins,
        proper=proper,
        consensus=found.consensus + Consensus(0, number, 0, 0, 0.0, mass),
        raters=raters,
    )


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
