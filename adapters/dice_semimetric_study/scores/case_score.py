"""What a case is scored with, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from dice_semimetric import CalibrationBins, Overlap, ThresholdCounts
from dice_semimetric.thresholds import THRESHOLDS

from ..cases.blocks import Reading


@dataclass(frozen=True)
class Options(Reading):
    """How cases are read and scored.

    Attributes
    ----------
    thresholds : sequence of float
        The levels of BDice.
    n_bins : int
        The number of equally wide bins of confidence.
    empty : float or "skip"
        The Dice and Jaccard score of an empty prediction of an empty reference; "skip" leaves it
        out of means.
    label, tolerance, regions, ignore, reorient, slab
        As in `Reading`.
    """

    thresholds: Sequence[float] = THRESHOLDS
    n_bins: int = 10
    empty: float | Literal["skip"] = 1.0


@dataclass(frozen=True)
class RaterScore:
    """A prediction against the marks of one rater alone.

    Attributes
    ----------
    rater : str
        The rater's name.
    marked : int
        The number of pixels that the rater marked.
    bdice : float
        The mean over the thresholds of the Dice score of the prediction at that threshold.
    dice, jaccard : float
        Of the prediction at 0.5.
    """

    rater: str
    marked: int
    bdice: float
    dice: float
    jaccard: float


@dataclass(frozen=True)
class CaseScore:
    """All that is kept of a case: its numbers, and the statistics that they come from.

    Attributes
    ----------
    case, task : str
        Their names.
    raters : int
        The number of raters, 1 for a single reference.
    voxels : int
        The number of pixels.
    bdice : float
        The mean of ``curve``.
    dice, jaccard : float
        Of the prediction at 0.5 against the hard reference.
    ece : float
        Of the more likely label against the hard reference, over all pixels.
    ece_soft : float
        Of the foreground's probability against the soft reference, over the pixels where it is
        above 0.01 or a rater marked.
    curve : NDArray
        The Dice score at each threshold.
    counts : ThresholdCounts
        Behind ``curve``.
    hard : Overlap
        Behind ``dice`` and ``jaccard``.
    bins, soft_bins : CalibrationBins
        Behind ``ece`` and ``ece_soft``.
    by_rater : tuple of RaterScore
        Against each rater alone; empty for a single reference.
    """

    case: str
    task: str
    raters: int
    voxels: int
    bdice: float
    dice: float
    jaccard: float
    ece: float
    ece_soft: float
    curve: NDArray[Any]
    counts: ThresholdCounts
    hard: Overlap
    bins: CalibrationBins
    soft_bins: CalibrationBins
    by_rater: tuple[RaterScore, ...] = ()
