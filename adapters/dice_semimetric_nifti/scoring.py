"""The score of one case: a pure function of its arrays, with a small result that adds up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins, Overlap, ThresholdCounts
from dice_semimetric.scores import overlap_score
from dice_semimetric.thresholds import THRESHOLDS

from .blocks import read_blocks
from .faults import CaseError
from .foreground import Voxels
from .layout import TASK
from .pairing import Pair
from .regions import Regions
from .sums import Sums, in_doubt, sums_of, sums_of_marks

__all__ = ["CaseScore", "Options", "in_doubt", "score_case", "score_files", "score_pair"]

#: Voxels of a volume that is read as a whole: 256 MiB of float32 in each file.
WHOLE = 1 << 26


@dataclass(frozen=True)
class Options:
    """How cases are scored.

    Attributes
    ----------
    thresholds : sequence of float
        The levels of BDice.
    n_bins : int
        The number of equally wide bins of confidence.
    empty : float or "skip"
        The Dice and Jaccard score of an empty prediction of an empty reference; "skip" leaves it
        out of means.
    label : int, optional
        The value that is the foreground in label maps; None for masks of 0 and 1.
    tolerance : float
        The largest difference of two affines, in millimetres.
    regions : Regions, optional
        The structures of label maps, each of which is scored.
    ignore : tuple of int
        The labels of voxels that do not count where any rater has them.
    reorient : bool
        Whether axes may be permuted and flipped to make the geometries of a case one.
    slab : int
        Larger volumes are read slab by slab, in at most about so many voxels of each file.
    """

    thresholds: Sequence[float] = THRESHOLDS
    n_bins: int = 10
    empty: float | Literal["skip"] = 1.0
    label: int | None = None
    tolerance: float = 1e-3
    regions: Regions | None = None
    ignore: tuple[int, ...] = ()
    reorient: bool = False
    slab: int = WHOLE


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


def score_files(pair: Pair, options: Options) -> tuple[CaseScore, ...]:
    """Read one case and score it: one score, or one for each region.

    Parameters
    ----------
    pair : Pair
        The files.
    options : Options
        How to score.

    Returns
    -------
    tuple of CaseScore
        Numbers and statistics, no images. The task of a region's score is the region, behind the
        name of the task if the files have one.

    Raises
    ------
    CaseError
        If a file is faulty or the two sides do not fit.
    """
    fault = pair.reference.fault or pair.prediction.fault
    if fault:
        raise CaseError(fault)
    regions = options.regions
    names = list(regions.labels) if regions else [""]
    total: dict[str, Sums] = {}
    blocks = read_blocks(
        pair,
        regions=regions,
        tolerance=options.tolerance,
        reorient=options.reorient,
        slab=options.slab,
    )
    for block in blocks:
        voxels = Voxels(pair, block, regions, options.label, options.ignore)
        for name in names:
            sums = sums_of_marks(*voxels.foreground(name), voxels.kept, options)
            total[name] = total[name] + sums if name in total else sums
    raters = max(1, len(pair.reference.masks))
    return tuple(
        _score(total[name], pair.case, _task(pair.task, name), raters, options) for name in names
    )


def _task(task: str, region: str) -> str:
    if not region:
        return task
    return region if task == TASK else f"{task}/{region}"


def score_pair(pair: Pair, options: Options) -> CaseScore:
    """Read one case and score its foreground.

    Parameters
    ----------
    pair : Pair
        The files.
    options : Options
        How to score, without regions.

    Returns
    -------
    CaseScore
        Numbers and statistics, no images.

    Raises
    ------
    CaseError
        If a file is faulty or the two sides do not fit.
    ValueError
        If there are several regions; see `score_files`.
    """
    (score,) = score_files(pair, options)
    return score


def score_case(
    pred: NDArray[Any],
    soft: NDArray[Any],
    hard: NDArray[np.bool_],
    *,
    case: str = "",
    task: str = "",
    raters: int = 1,
    options: Options | None = None,
    doubt: NDArray[np.bool_] | None = None,
) -> CaseScore:
    """Score a prediction against a soft and a hard reference.

    Parameters
    ----------
    pred : NDArray
        The foreground's probability, floating; it is scored in float32.
    soft : NDArray
        The soft reference in [0, 1], such as the raters' mean.
    hard : NDArray
        The hard reference, such as the raters' majority.
    case, task : str, optional
        Their names.
    raters : int, optional
        How many stand behind the reference.
    options : Options, optional
        Thresholds, bins and the score of nothing.
    doubt : NDArray, optional
        The pixels of ``ece_soft``; by default those of `in_doubt`.

    Returns
    -------
    CaseScore
        Numbers and statistics, no images.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_nifti import score_case
    >>> soft = np.array([0.0, 0.4, 1.0])
    >>> score_case(soft, soft, soft > 0.5).bdice
    1.0
    """
    options = options or Options()
    sums = sums_of(pred, soft, hard, options, doubt=doubt)
    return _score(sums, case, task, raters, options)


def _score(sums: Sums, case: str, task: str, raters: int, options: Options) -> CaseScore:
    """Return the numbers of statistics."""
    counts, hard, empty = sums.counts, sums.hard, options.empty
    return CaseScore(
        case=case,
        task=task,
        raters=raters,
        voxels=sums.voxels,
        bdice=float(counts.binarized_dice(empty=empty)),
        dice=float(overlap_score(hard, "dice", empty)[0]),
        jaccard=float(overlap_score(hard, "jaccard", empty)[0]),
        ece=float(sums.bins.error(norm="l1")),
        ece_soft=float(sums.soft_bins.error(norm="l1")),
        curve=counts.dice(empty=empty),
        counts=counts,
        hard=hard,
        bins=sums.bins,
        soft_bins=sums.soft_bins,
    )
