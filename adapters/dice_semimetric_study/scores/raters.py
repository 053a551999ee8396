"""A prediction against each rater, and among the raters: as each of them is to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement, CalibrationBins, ThresholdCounts

from ..results.totals import AddedByField
from .case_score import CaseScore
from .cells import Cells, Counts, Numbers, edges_of, one_hot
from .options import Options
from .rater_score import RaterScore


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
    correct : NDArray
        (R, bins): in how many pixels the more likely label is each rater's, by its confidence.
    losses : NDArray
        (2, R): the sums of the Brier score and of the log loss against each rater.
    agreement : Agreement
        Of the raters and, as one more, of the prediction above 0.5.
    """

    table: Counts
    binned: Counts
    correct: Numbers
    losses: Numbers
    agreement: Agreement


def rater_sums(cells: Cells, losses: Numbers, options: Options) -> RaterSums:
    """Return the statistics of a prediction and the raters, of whom the losses are known."""
    said, edges = cells.said, edges_of(options.n_bins)
    levels = np.sort(np.asarray(options.thresholds, np.float32))
    reached = one_hot(levels.searchsorted(cells.least, side="right"), levels.size + 1).T
    everyone = np.concatenate([said, np.ones_like(said[:1])])
    sure, likely = cells.by_confidence(edges), cells.likely
    beside, without = (sure[:, some] @ cells.counts[some] for some in (likely, ~likely))
    return RaterSums(
        (everyone[:, None] * (reached @ cells.counts)) @ one_hot(said.sum(axis=0), len(everyone)),
        said @ (cells.by_probability(edges) @ cells.counts).T,
        (said @ beside.T + (1 - said) @ without.T).astype(float),
        losses,
        cells.agreement(),
    )


def scores_by_rater(
    score: CaseScore, sums: RaterSums, names: Sequence[str], options: Options
) -> tuple[RaterScore, ...]:
    """Return the scores of a prediction against each rater, and of both against the others.

    ``score`` is that of the prediction against all raters. Its ``soft_bins`` are over the pixels
    in doubt, and its ``near_bins`` over those near marks: all marks lie in both.
    """
    bins = score.soft_bins
    table, total = sums.table[:-1], sums.table[-1]
    dice = np.asarray(sums.agreement.dice(empty=options.empty))
    found: dict[str, Any] = {
        "marked": table.sum(axis=(1, 2)),
        "dice": dice[-1, :-1],
        "jaccard": np.asarray(sums.agreement.jaccard(empty=options.empty))[-1, :-1],
        "ece_soft": _error(bins, sums.binned),
        "ece_near": _error(score.near_bins, sums.binned),
        "ece": _error(score.bins, sums.correct),
        "brier": sums.losses[0] / score.voxels,
        "log_loss": sums.losses[1] / score.voxels,
    }
    reach = _at_least(total.sum(axis=1), axis=0)[1:, None]
    both = _at_least(table.sum(axis=2), axis=1)[:, 1:].T
    counts = {"bdice": (reach, found["marked"], both)}
    if len(names) > 1:
        biases = volume_biases(found["marked"], score.voxel)
        found |= {f"rater_{name}": values for name, values in biases.items()}
        found |= _errors_to_others(sums, bins, options)
        counts |= _counts_to_others(table, total, options)
        pairs = dice[:-1, :-1]
        found["model_dice"] = _of_others(np.broadcast_to(dice[-1, :-1], pairs.shape))
        found["rater_dice"] = _of_others(pairs)
    found |= _binarized(counts, options)
    rows = zip(*(column.tolist() for column in found.values()), strict=True)
    return tuple(
        RaterScore(name, **dict(zip(found, row, strict=True)))
        for name, row in zip(names, rows, strict=True)
    )


def volume_biases(marked: Counts, voxel: float) -> dict[str, Numbers]:
    """Return how far the volume of each of several raters is from the mean of the others.

    It is in millilitres, as ``voxel`` is, and in per cent of that mean: 0 where all are empty, NaN
    where only the others are.
    """
    others = (marked.sum() - marked) / (len(marked) - 1)
    bias = marked - others
    share = np.where(others > 0, bias / np.maximum(others, 1e-9), np.where(bias > 0, np.nan, 0))
    return {"volume_bias": voxel * bias, "volume_bias_percent": 100 * share}


def _counts_to_others(table: Counts, total: Counts, options: Options) -> dict[str, Any]:
    """Return for `_binarized` the prediction and each rater to the mean of the other raters."""
    # by the number of the others who marked: without the rater's own mark
    others = table[..., 1:] + (total - table)[..., :-1]
    own = table[..., 1:].sum(axis=1)
    share = np.arange(len(table)) / (len(table) - 1)
    levels = np.asarray(sorted(options.thresholds), np.float32)
    passes = (share.astype(np.float32) >= levels[:, None]).astype(np.int64)
    target = passes @ others.sum(axis=1).T
    reach = _at_least(others, axis=1)[:, 1:]
    return {
        "model_bdice": (reach.sum(axis=2).T, target, (reach * passes).sum(axis=2).T),
        "rater_bdice": (own.sum(axis=1), target, passes @ own.T),
    }


def _errors_to_others(sums: RaterSums, bins: CalibrationBins, options: Options) -> dict[str, Any]:
    """Return `ece_soft` of the prediction and of each rater to the mean of the other raters."""
    raters = len(sums.binned)
    correct = (sums.binned.sum(axis=0) - sums.binned) / (raters - 1)
    both = np.asarray(sums.agreement.both)[:-1, :-1]
    marked = np.diagonal(both)
    hits = (both.sum(axis=1) - marked) / (raters - 1)
    # of a rater's two probabilities, 0 and 1, in the first and the last bin
    gaps = np.stack([hits - correct.sum(axis=1), marked - hits])
    if options.n_bins == 1:
        gaps = gaps.sum(axis=0, keepdims=True)
    return {
        "model_ece_soft": _error(bins, correct),
        "rater_ece_soft": _share(np.abs(gaps).sum(axis=0), bins),
    }


def _at_least(counts: Counts, axis: int) -> Counts:
    """Return how many are at each place of an axis or behind it."""
    behind = np.cumsum(counts, axis)
    return behind[(slice(None),) * axis + (slice(-1, None),)] - behind + counts


def _binarized(counts: dict[str, Any], options: Options) -> dict[str, NDArray[Any]]:
    """Return the BDice of the prediction's, the target's and both's counts, each (T, R)."""
    shape = counts["bdice"][2].shape
    joined = np.empty((3, shape[0], len(counts), shape[1]), np.int64)
    for i, sides in enumerate(counts.values()):
        for side, values in zip(joined, sides, strict=True):
            side[:, i] = values
    found = ThresholdCounts(tuple(sorted(options.thresholds)), *joined)
    return dict(zip(counts, np.asarray(found.binarized_dice(empty=options.empty)), strict=True))


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
