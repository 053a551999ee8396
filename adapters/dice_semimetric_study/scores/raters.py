"""A prediction against each rater, and among the raters: as each of them is to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dice_semimetric import Agreement, CalibrationBins, ThresholdCounts
from dice_semimetric._lib.decisions import decisions
from dice_semimetric._lib.native import to_host
from dice_semimetric._numpy.bins import places

from ..results.totals import AddedByField
from .case_score import HALF, Options, RaterScore

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Loss:
    """A proper score of a prediction at each pixel: a linear function of the label there.

    Attributes
    ----------
    unmarked : float
        The sum over the pixels where nothing is marked.
    more : NDArray
        What a mark adds at each pixel.
    """

    unmarked: float
    more: NDArray[Any]

    def against(self, label: NDArray[Any]) -> float:
        """Return the sum against a hard or a soft label."""
        return self.unmarked + float((self.more * label).sum(dtype=np.float64))


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
    correct: NDArray[Any]
    losses: NDArray[np.float64]
    agreement: Agreement


def rater_sums(
    pred: NDArray[Any],
    marks: NDArray[np.bool_],
    losses: Sequence[Loss],
    edges: NDArray[Any],
    options: Options,
) -> RaterSums:
    """Return the statistics of a prediction, a vector in float32, and the rows of marks.

    Most pixels share few joint decisions of the raters, so that only these are looked at one by
    one. ``edges`` are those of the bins of probability and of confidence.
    """
    xp: Any = array_namespace(pred)
    found = decisions(marks, 2)
    said = to_host(xp, found.table[:-1, :], "marks").astype(np.int64)
    columns = xp.arange(said.shape[1])
    decision = found.of_pixels(columns, pred.shape) if pred.size else columns[:0]
    inner = to_host(xp, edges[1:-1], "edges")
    levels = np.sort(np.asarray(options.thresholds, np.float32))
    least = _least_of_cells(tuple(levels.tolist()), tuple(inner.tolist()))
    cells = _counted(xp, pred, least[1:], decision, said.shape[1])
    likely = least > HALF
    sure = np.where(likely, least, 1 - least)
    level, of_bin, of_sure = (
        _one_hot(cuts.searchsorted(value, side="right"), cuts.size + 1).T
        for cuts, value in ((levels, least), (inner, least), (inner, sure))
    )
    right = of_sure[:, likely] @ cells[likely], of_sure[:, ~likely] @ cells[~likely]
    everyone = np.concatenate([said, np.ones_like(said[:1])])
    more = [xp.bincount(decision, one.more.astype(np.float64), columns.size) for one in losses]
    return RaterSums(
        (everyone[:, None] * (level @ cells)) @ _one_hot(said.sum(axis=0), len(everyone)),
        said @ (of_bin @ cells).T,
        said @ right[0].T + (1 - said) @ right[1].T,
        np.stack(
            [
                one.unmarked + said @ to_host(xp, m, "pred")
                for one, m in zip(losses, more, strict=True)
            ]
        ),
        _agreement(said, cells[~likely].sum(axis=0), cells[likely].sum(axis=0)),
    )


@cache
def _least_of_cells(levels: tuple[float, ...], inner: tuple[float, ...]) -> NDArray[np.float32]:
    """Return the least probability, in float32, of each of the cells that no cut divides.

    A cut is a threshold, an edge of a bin of probability or, by the probability of the background
    as float32 rounds it, of a bin of confidence, and 0.5.
    """
    half = np.float32(HALF)
    cuts = {*levels, *inner, float(np.nextafter(half, np.float32(1)))}
    for edge in inner:
        if edge > half:
            p = np.float32(1) - np.float32(edge)
            while np.float32(1) - p >= edge:
                p = np.nextafter(p, np.float32(1))
            cuts.add(float(p))
    return np.array([-np.inf, *sorted(cuts)], np.float32)


def _counted(xp: Any, values: Any, cuts: NDArray[np.float32], group: Any, groups: int) -> Counts:
    """Return how many values of each group are in each cell between cuts, (cells, groups)."""
    if isinstance(values, np.ndarray):
        cell = places(values, cuts).astype(np.intp)
    else:
        cell = xp.searchsorted(xp.asarray(cuts), values, side="right")
    length = (cuts.size + 1) * groups
    counts = to_host(xp, xp.bincount(cell * groups + group, minlength=length), "pred")
    return counts.reshape(cuts.size + 1, groups)


def _agreement(said: Counts, without: Counts, beside: Counts) -> Agreement:
    """Return the agreement of raters and of one more, who marks only the pixels ``beside``."""
    told = np.concatenate([said, said], axis=1)
    told = np.concatenate([told, np.repeat([[0, 1]], said.shape[1], axis=1)])
    times, votes = np.concatenate([without, beside]), told.sum(axis=0)
    most = 2 * votes > len(told)
    by_votes = times @ _one_hot(votes, len(told) + 1)
    return Agreement(told * times @ told.T, told @ (times * most), by_votes)


def _one_hot(numbers: Counts, length: int) -> Counts:
    return (numbers[:, None] == np.arange(length)).astype(np.int64)


def scores_by_rater(
    sums: RaterSums, bins: CalibrationBins, names: Sequence[str], options: Options
) -> tuple[RaterScore, ...]:
    """Return the scores of a prediction against each rater, and of both against the others.

    ``bins`` are those of the prediction over the pixels in doubt, in which all marks lie.
    """
    table, total = sums.table[:-1], sums.table[-1]
    dice = np.asarray(sums.agreement.dice(empty=options.empty))
    found: dict[str, Any] = {
        "marked": table.sum(axis=(1, 2)),
        "dice": dice[-1, :-1],
        "jaccard": np.asarray(sums.agreement.jaccard(empty=options.empty))[-1, :-1],
        "ece_soft": _error(bins, sums.binned),
    }
    reach = _at_least(total.sum(axis=1), axis=0)[1:, None]
    both = _at_least(table.sum(axis=2), axis=1)[:, 1:].T
    counts = {"bdice": (reach, found["marked"], both)}
    if len(names) > 1:
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
    """Return soft ECE of the prediction and of each rater to the mean of the other raters."""
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
