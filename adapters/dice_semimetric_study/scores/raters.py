"""A prediction against each rater, and among the raters: as each of them is to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dice_semimetric import Agreement, CalibrationBins, ThresholdCounts, rater_agreement

from ..results.totals import AddedByField
from .case_score import HALF, Options, RaterScore

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class RaterSums(AddedByField):
    """A prediction and the marks of R raters.

    Attributes
    ----------
    table : NDArray
        (R + 1, levels, R + 1): how many pixels reach so many thresholds and are marked by so many
        raters; of those that each rater marked, and of all.
    binned : NDArray
        (R, bins): how many pixels each rater marked in each bin of probability.
    agreement : Agreement
        Of the raters and, as one more, of the prediction above 0.5.
    """

    table: Counts
    binned: Counts
    agreement: Agreement


def rater_sums(
    pred: NDArray[Any], marks: NDArray[np.bool_], edges: Any, options: Options
) -> RaterSums:
    """Return the statistics of a prediction, a vector in float32, and the rows of marks."""
    xp: Any = array_namespace(pred)
    levels = xp.asarray(sorted(options.thresholds), dtype=xp.float32)
    reached = xp.searchsorted(levels, pred, side="right")
    bins = xp.searchsorted(edges[1:-1], pred, side="right")
    shape = (len(options.thresholds) + 1, len(marks) + 1)
    cell = reached * shape[1] + xp.sum(marks, axis=0)
    places = (*(cell[m] for m in marks), cell)
    table = xp.stack([xp.bincount(some, minlength=shape[0] * shape[1]) for some in places])
    binned = xp.stack([xp.bincount(bins[m], minlength=options.n_bins) for m in marks])
    table = xp.reshape(table, (-1, *shape))
    everyone = xp.concat([marks, (pred > HALF)[None]])
    return RaterSums(table, binned, rater_agreement(everyone))


def scores_by_rater(
    sums: RaterSums, bins: CalibrationBins, names: Sequence[str], options: Options
) -> tuple[RaterScore, ...]:
    """Return the scores of a prediction against each rater, and of both against the others.

    ``bins`` are those of the prediction over the pixels in doubt, in which all marks lie.
    """
    table, total = sums.table[:-1], sums.table[-1]
    marked = table.sum(axis=(1, 2))
    reach = _at_least(total.sum(axis=1), axis=0)[1:]
    both = _at_least(table.sum(axis=2), axis=1)[:, 1:]
    dice = np.asarray(sums.agreement.dice(empty=options.empty))
    found: dict[str, Any] = {
        "rater": names,
        "marked": marked.tolist(),
        "bdice": _binarized(reach, marked[:, None], both, options),
        "dice": dice[-1, :-1],
        "jaccard": sums.agreement.jaccard(empty=options.empty)[-1, :-1],
        "ece_soft": _error(bins, sums.binned),
    }
    if len(names) > 1:
        found |= _to_others(sums, bins, options)
        pairs = dice[:-1, :-1]
        found["model_dice"] = _of_others(np.broadcast_to(dice[-1, :-1], pairs.shape))
        found["rater_dice"] = _of_others(pairs)
    columns = [v if isinstance(v, list | tuple) else np.asarray(v).tolist() for v in found.values()]
    return tuple(
        RaterScore(**dict(zip(found, row, strict=True))) for row in zip(*columns, strict=True)
    )


def _to_others(sums: RaterSums, bins: CalibrationBins, options: Options) -> dict[str, Any]:
    """Return BDice and soft ECE of the prediction and of each rater to the mean of the others."""
    table, total = sums.table[:-1], sums.table[-1]
    raters = len(table)
    # by the number of the others who marked: without the rater's own mark
    others = table[..., 1:] + (total - table)[..., :-1]
    share = np.arange(raters) / (raters - 1)
    levels = np.asarray(sorted(options.thresholds), np.float32)
    passes = (share.astype(np.float32) >= levels[:, None]).astype(np.int64)
    reach = _at_least(others, axis=1)[:, 1:]
    own = table[..., 1:].sum(axis=1)
    target = others.sum(axis=1) @ passes.T
    marked = own.sum(axis=1)
    correct = (sums.binned.sum(axis=0) - sums.binned) / (raters - 1)
    hits = own @ share
    # of a rater's two probabilities, 0 and 1, in the first and the last bin
    gaps = np.stack([hits - correct.sum(axis=1), marked - hits])
    if options.n_bins == 1:
        gaps = gaps.sum(axis=0, keepdims=True)
    return {
        "model_bdice": _binarized(reach.sum(axis=2), target, (reach * passes).sum(axis=2), options),
        "rater_bdice": _binarized(marked[:, None], target, own @ passes.T, options),
        "model_ece_soft": _error(bins, correct),
        "rater_ece_soft": _share(np.abs(gaps).sum(axis=0), bins),
    }


def _at_least(counts: Counts, axis: int) -> Counts:
    """Return how many are at each place of an axis or behind it."""
    behind = np.cumsum(counts, axis)
    return behind[(slice(None),) * axis + (slice(-1, None),)] - behind + counts


def _binarized(pred: Counts, target: Counts, both: Counts, options: Options) -> NDArray[Any]:
    """Return the BDice of counts (R, T), which have the thresholds last."""
    pred, target = (np.broadcast_to(side, both.shape) for side in (pred, target))
    levels = tuple(sorted(options.thresholds))
    counts = ThresholdCounts(levels, pred.T, target.T, both.T)
    return np.asarray(counts.binarized_dice(empty=options.empty))


def _error(bins: CalibrationBins, correct: NDArray[Any]) -> NDArray[Any]:
    """Return the calibration error against other labels of the same pixels, (R, bins)."""
    return _share(np.abs(np.asarray(bins.confidence) - correct).sum(axis=1), bins)


def _share(gaps: NDArray[Any], bins: CalibrationBins) -> NDArray[Any]:
    """Return the part of all pixels; NaN where there are none."""
    pixels = np.sum(bins.count)
    return gaps / pixels if pixels else np.full(gaps.shape, np.nan)


def _of_others(pairs: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of each row (R, R) without its own place and NaN, NaN where none is left."""
    known = ~np.isnan(pairs) & ~np.eye(len(pairs), dtype=bool)
    sums = np.where(known, pairs, 0).sum(axis=1)
    return np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
