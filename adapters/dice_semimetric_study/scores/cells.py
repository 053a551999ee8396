"""A prediction beside raters' marks as one histogram, from which every score is made.

A pixel counts by two things: the cell of its probability, in which no score tells two values apart,
and the joint decision of the raters. There are few of either, so that each pixel is looked at once.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from dice_semimetric import Agreement, CalibrationBins, Overlap, ThresholdCounts, calibration_bins
from dice_semimetric._lib.decisions import decisions
from dice_semimetric._lib.native import to_host
from dice_semimetric._numpy.bins import places

from .case_score import Consensus
from .options import CERTAIN, HALF, Options

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Cells:
    """How many pixels have a probability in each of K cells and a decision of R raters.

    Attributes
    ----------
    least : NDArray
        (K,): the least probability of each cell.
    said : NDArray
        (R, P): what each rater says in each of P joint decisions, 0 or 1.
    counts : NDArray
        (K, P): numbers of pixels.
    mass : NDArray
        (K, P): the sums of their probabilities.
    """

    least: Probabilities
    said: Counts
    counts: Counts
    mass: Numbers

    @property
    def soft(self) -> Probabilities:
        """The raters' mean in each decision."""
        share: Probabilities = self.said.mean(axis=0, dtype=np.float32)
        return share

    @property
    def hard(self) -> NDArray[np.bool_]:
        """The strict majority in each decision."""
        most: NDArray[np.bool_] = 2 * self.said.sum(axis=0) > len(self.said)
        return most

    @property
    def likely(self) -> NDArray[np.bool_]:
        """The cells in which the foreground is more likely than not."""
        return self.least > HALF

    @property
    def doubt(self) -> NDArray[np.bool_]:
        """Where the probability is above 0.01 or a rater marked, (K, P)."""
        return (self.least > CERTAIN)[:, None] | self.said.any(axis=0)

    def threshold_counts(self, options: Options) -> ThresholdCounts:
        """Return the counts of the prediction and the raters' mean at each threshold."""
        levels = np.asarray(options.thresholds, np.float32)[:, None]
        reached = (self.least >= levels).astype(np.int64) @ self.counts
        passed = (self.soft >= levels).astype(np.int64)
        sides = (
            reached.sum(axis=1),
            passed @ self.counts.sum(axis=0),
            (reached * passed).sum(axis=1),
        )
        return ThresholdCounts(tuple(map(float, options.thresholds)), *sides)

    def overlap(self) -> Overlap:
        """Return the overlap of the prediction above 0.5 and the majority."""
        by_decision = self.counts[self.likely].sum(axis=0)
        pred, target = by_decision.sum(), self.counts.sum(axis=0) @ self.hard
        both = by_decision @ self.hard
        return Overlap(*np.array([pred, target, pred + target - 2 * both, both], float))

    def bins(self, options: Options) -> CalibrationBins:
        """Return the more likely label's confidence, and whether it is the majority."""
        edges, likely = edges_of(options.n_bins), self.likely
        right = self.counts[:, self.hard].sum(axis=1)
        count, mass = self.counts.sum(axis=1), self.mass.sum(axis=1)
        correct = np.where(likely, right, count - right)
        confidence = np.where(likely, mass, count - mass)
        group = self.by_confidence(edges)
        return CalibrationBins(group @ count, group @ confidence, group @ correct * 1.0, edges)

    def soft_bins(self, options: Options) -> CalibrationBins:
        """Return the foreground's probability and the raters' mean where there is doubt."""
        edges = edges_of(options.n_bins)
        counts, mass = self.counts * self.doubt, (self.mass * self.doubt).sum(axis=1)
        group, marks = self.by_probability(edges), counts @ self.said.sum(axis=0)
        correct = group @ marks / len(self.said)
        return CalibrationBins(group @ counts.sum(axis=1), group @ mass, correct, edges)

    def consensus(self) -> Consensus:
        """Return the sums over the pixels that all raters marked, and over those that none did."""
        sides = self.said.all(axis=0), ~self.said.any(axis=0)
        counts = [int(self.counts[:, side].sum()) for side in sides]
        above = [int(self.counts[self.likely][:, side].sum()) for side in sides]
        return Consensus(*counts, *above, *(float(self.mass[:, side].sum()) for side in sides))

    def by_probability(self, edges: Probabilities) -> Counts:
        """Return which cells are in each bin of probability, (bins, K)."""
        return one_hot(edges[1:-1].searchsorted(self.least, side="right"), edges.size - 1).T

    def by_confidence(self, edges: Probabilities) -> Counts:
        """Return which cells are in each bin of the more likely label's confidence, (bins, K)."""
        sure = np.where(self.likely, self.least, 1 - self.least)
        return one_hot(edges[1:-1].searchsorted(sure, side="right"), edges.size - 1).T

    def agreement(self) -> Agreement:
        """Return the agreement of the raters and, as one more, the prediction above 0.5."""
        without, beside = (self.counts[some].sum(axis=0) for some in (~self.likely, self.likely))
        told = np.concatenate([self.said, self.said], axis=1)
        told = np.concatenate([told, np.repeat([[0, 1]], self.said.shape[1], axis=1)])
        times, votes = np.concatenate([without, beside]), told.sum(axis=0)
        majority = told @ (times * (2 * votes > len(told)))
        return Agreement(told * times @ told.T, majority, times @ one_hot(votes, len(told) + 1))


def cells_of(pred: Probabilities, marks: NDArray[np.bool_], options: Options) -> tuple[Cells, Any]:
    """Return the cells of a prediction, a vector, and rows of marks; and each pixel's decision."""
    xp: Any = array_namespace(pred)
    found = decisions(marks, 2)
    said = to_host(xp, found.table[:-1, :], "marks").astype(np.int64)
    columns = xp.arange(said.shape[1])
    decision = found.of_pixels(columns, pred.shape) if pred.size else columns[:0]
    least = _least_of_cells(tuple(options.thresholds), options.n_bins)
    if isinstance(pred, np.ndarray):
        place = places(pred, least[1:]).astype(np.intp)
    else:
        place = xp.searchsorted(xp.asarray(least[1:]), pred, side="right")
    place = place * columns.size + decision
    length, shape = least.size * columns.size, (least.size, columns.size)
    counts = xp.bincount(place, minlength=length)
    mass = xp.bincount(place, pred.astype(np.float64), length)
    counts, mass = (to_host(xp, a, "pred").reshape(shape) for a in (counts, mass))
    return Cells(least, said, counts, mass.astype(np.float64, copy=False)), decision


@cache
def edges_of(n_bins: int) -> Probabilities:
    """Return the edges of the bins of all scores in float32."""
    nothing = np.zeros(1, np.float32), np.zeros(1, bool)
    edges: Probabilities = calibration_bins(*nothing, n_bins=n_bins, kind="binary").edges
    return edges


@cache
def _least_of_cells(thresholds: tuple[float, ...], n_bins: int) -> Probabilities:
    """Return the least probability of each cell, in float32, with all below the first cut in one.

    A cut is a threshold, 0.5 or 0.01, an edge of a bin of probability, or one of a bin of
    confidence by the probability of the background as float32 rounds it.
    """
    one, half, certain = np.float32(1), np.float32(HALF), np.float32(CERTAIN)
    inner = edges_of(n_bins)[1:-1]
    above = (float(np.nextafter(level, one)) for level in (half, certain))
    cuts = {*np.asarray(thresholds, np.float32).tolist(), *inner.tolist(), *above}
    for edge in inner[inner > half]:
        p = one - edge
        while one - p >= edge:
            p = np.nextafter(p, one)
        cuts.add(float(p))
    return np.array([-np.inf, *sorted(cuts)], np.float32)


def one_hot(numbers: Counts, length: int) -> Counts:
    """Return 1 at the place of each number, (N, length)."""
    found: Counts = (numbers[:, None] == np.arange(length)).astype(np.int64)
    return found
