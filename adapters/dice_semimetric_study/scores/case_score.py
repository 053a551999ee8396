"""What is kept of a case: statistics, and the scores they give."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement, CalibrationBins, Overlap, ThresholdCounts, crps
from dice_semimetric.scores import overlap_score

from ..results.bootstrap import mean_of_known
from ..results.totals import AddedByField, total
from .asked import AskedScores
from .lesions import Lesions
from .options import Empty
from .rater_score import RaterScore
from .surfaces import Surface

NOBODY = Agreement(*(np.zeros(shape, np.int64) for shape in ((0, 0), 0, 1)))


@dataclass(frozen=True)
class Proper(AddedByField):
    """Sums over pixels of proper scores against the hard and the soft reference."""

    brier: float
    brier_soft: float
    log_loss: float
    log_loss_soft: float


@dataclass(frozen=True)
class Consensus(AddedByField):
    """Counts and sums over the pixels that all raters marked, and over those that none did."""

    marked: int  # by all
    unmarked: int
    hits: int  # of the prediction above 0.5 among the marked
    false: int  # of it among the unmarked
    sure: float  # the sum of the foreground's probability over the marked
    unsure: float  # over the unmarked


@dataclass(frozen=True)
class CaseScore(AskedScores):
    """All that is kept of a case: additive statistics, and the scores as formulas on them.

    Attributes
    ----------
    case, task : str
        Their names.
    raters : int
        The number of raters, 1 for a single reference.
    voxels : int
        The number of pixels.
    empty : float or "skip"
        The Dice and Jaccard score of an empty prediction of an empty reference; NaN for "skip".
    counts : ThresholdCounts
        Behind ``curve`` and ``bdice``.
    hard : Overlap
        Behind ``dice``, ``jaccard``, ``precision`` and ``recall``: the prediction above 0.5 and the
        hard reference.
    bins, soft_bins, near_bins : CalibrationBins
        Behind ``ece`` and ``ace``, ``ece_soft`` and ``ace_soft``, and ``ece_near``.
    proper : Proper
        Behind the Brier scores and the log losses.
    lesions : Lesions, optional
        Behind ``lesion_f1``, ``lesion_precision`` and ``lesion_recall``, where they are asked for.
    surface : Surface, optional
        Behind ``nsd``, ``hd95`` and ``assd``, where they are asked for.
    samples : Agreement, optional
        Behind ``ged``, ``best_match`` and the diversities, where predictions are samples.
    consensus : Consensus
        Behind ``consensus_dice`` and ``consensus_confidence``.
    voxel : float
        The volume of a voxel in millilitres, NaN where it is not known.
    by_rater : tuple of RaterScore
        Against each rater alone; empty for a single reference.
    agreement : Agreement
        Of the raters and, as one more, of the prediction above 0.5; of nobody for a single
        reference.
    fault : str
        Why the worst values stand in the place of scores; empty if they do not.
    """

    case: str
    task: str
    raters: int
    voxels: int
    empty: Empty
    counts: ThresholdCounts
    hard: Overlap
    bins: CalibrationBins
    soft_bins: CalibrationBins
    near_bins: CalibrationBins
    proper: Proper
    consensus: Consensus
    lesions: Lesions | None = None
    surface: Surface | None = None
    samples: Agreement | None = None
    voxel: float = math.nan
    by_rater: tuple[RaterScore, ...] = ()
    agreement: Agreement = NOBODY
    fault: str = ""

    @cached_property
    def curve(self) -> NDArray[Any]:
        """The Dice score at each threshold."""
        curve: NDArray[Any] = self.counts.dice(empty=self.empty)
        return curve

    @cached_property
    def bdice(self) -> float:
        """The mean of `curve`."""
        return float(self.counts.binarized_dice(empty=self.empty))

    @cached_property
    def dice(self) -> float:
        """Of the prediction above 0.5 against the hard reference."""
        return float(overlap_score(self.hard, "dice", self.empty)[0])

    @cached_property
    def jaccard(self) -> float:
        """Of the prediction above 0.5 against the hard reference."""
        return float(overlap_score(self.hard, "jaccard", self.empty)[0])

    @cached_property
    def ece(self) -> float:
        """Of the more likely label against the hard reference, over all pixels."""
        return float(self.bins.error(norm="l1"))

    @cached_property
    def ece_soft(self) -> float:
        """Of the foreground's probability against the soft reference, where there is doubt.

        That is over the pixels where the probability is above 0.01 or a rater marked.
        """
        return float(self.soft_bins.error(norm="l1"))

    @cached_property
    def ece_near(self) -> float:
        """Of the foreground's probability against the soft reference, near marks.

        That is over all pixels in the box around what any rater marked and up to a margin from it,
        the same for every prediction; NaN where nobody marked.
        """
        return float(self.near_bins.error(norm="l1"))

    @cached_property
    def ace(self) -> float:
        """As `ece`, each bin in use alike."""
        return float(self.bins.error(norm="average"))

    @cached_property
    def ace_soft(self) -> float:
        """As `ece_soft`, each bin in use alike."""
        return float(self.soft_bins.error(norm="average"))

    @cached_property
    def ece_by_rater(self) -> float:
        """As `ece`, but against each rater alone, in the mean."""
        return mean_of_known(r.ece for r in self.by_rater) if self.by_rater else self.ece

    @cached_property
    def ece_soft_by_rater(self) -> float:
        """As `ece_soft`, but against each rater alone, in the mean."""
        return mean_of_known(r.ece_soft for r in self.by_rater) if self.by_rater else self.ece_soft

    @cached_property
    def brier(self) -> float:
        """Of the foreground's probability against the hard reference, over all pixels."""
        return self.proper.brier / self.voxels

    @cached_property
    def brier_soft(self) -> float:
        """Of the foreground's probability against the soft reference, over all pixels."""
        return self.proper.brier_soft / self.voxels

    @cached_property
    def log_loss(self) -> float:
        """Of the foreground's probability against the hard reference, over all pixels."""
        return self.proper.log_loss / self.voxels

    @cached_property
    def log_loss_soft(self) -> float:
        """Of the foreground's probability against the soft reference, over all pixels."""
        return self.proper.log_loss_soft / self.voxels

    @cached_property
    def ece_near_by_rater(self) -> float:
        """The mean over the raters of `ece_near` against each alone."""
        each = [rater.ece_near for rater in self.by_rater]
        return float(np.mean(each)) if each else self.ece_near

    @cached_property
    def consensus_dice(self) -> float:
        """Of the prediction above 0.5, over the pixels on which all raters agree."""
        c = self.consensus
        pred, target = np.float64(c.hits + c.false), np.float64(c.marked)
        overlap = Overlap(pred, target, pred + target - 2 * c.hits, np.float64(c.hits))
        return float(overlap_score(overlap, "dice", self.empty)[0])

    @cached_property
    def consensus_confidence(self) -> float:
        """The mean probability of what all raters agree on, the two labels weighing the same.

        NaN where there is no pixel of one of them.
        """
        c = self.consensus
        if not (c.marked and c.unmarked):
            return math.nan
        return (c.sure / c.marked + 1 - c.unsure / c.unmarked) / 2

    @cached_property
    def _volumes(self) -> tuple[float, float]:
        """The volumes of the prediction above 0.5 and of the soft reference, in millilitres."""
        marked = np.sum(self.soft_bins.correct)  # the pixels in doubt have all of it
        return self.voxel * float(self.hard.pred), self.voxel * float(marked)

    @cached_property
    def volume_bias(self) -> float:
        """The prediction's volume minus the soft reference's, in millilitres."""
        predicted, marked = self._volumes
        return predicted - marked

    @cached_property
    def volume_error(self) -> float:
        """The distance of the two volumes, in millilitres."""
        return abs(self.volume_bias)

    @cached_property
    def volume_bias_percent(self) -> float:
        """Of the soft reference's volume; 0 where both are empty, NaN where that alone is."""
        predicted, marked = self._volumes
        if marked == 0:
            return 0.0 if predicted == 0 else math.nan
        return 100 * self.volume_bias / marked

    @cached_property
    def volume_error_percent(self) -> float:
        """The size of `volume_bias_percent`."""
        return abs(self.volume_bias_percent)

    @cached_property
    def volume_crps(self) -> float:
        """Of the prediction's volume against the raters' volumes, in millilitres."""
        return self._crps("empirical")

    @cached_property
    def volume_crps_normal(self) -> float:
        """As `volume_crps`, with a normal distribution of the raters' mean and deviation."""
        return self._crps("normal")

    def _crps(self, distribution: Literal["empirical", "normal"]) -> float:
        predicted, marked = self._volumes
        volumes = [self.voxel * rater.marked for rater in self.by_rater] or [marked]
        samples = np.asarray(volumes)[:, None]
        return float(crps(np.asarray([predicted]), samples, distribution=distribution)[0])


def with_pixels(scores: Sequence[CaseScore]) -> list[CaseScore]:
    """Return the scores of predictions, without the worst values of those that are missing."""
    return [s for s in scores if not s.fault]


def pooled(scores: Sequence[CaseScore]) -> CaseScore:
    """Return the score of the pixels of all cases together, without what does not add up."""
    bins = ("bins", "soft_bins", "near_bins")
    names = ("voxels", "counts", "hard", *bins, "proper", "consensus", "lesions")
    known = [name for name in names if getattr(scores[0], name) is not None]
    sums: dict[str, Any] = {name: total(getattr(s, name) for s in scores) for name in known}
    nothing: dict[str, Any] = {"surface": None, "samples": None, "by_rater": ()}
    nothing |= {"voxel": math.nan, "agreement": NOBODY}
    return replace(scores[0], case="", task="", **nothing, **sums)


#: What a record of scores is made of.
KINDS = (
    CaseScore,
    RaterScore,
    Proper,
    Consensus,
    Lesions,
    Surface,
    Agreement,
    CalibrationBins,
    Overlap,
    ThresholdCounts,
)
