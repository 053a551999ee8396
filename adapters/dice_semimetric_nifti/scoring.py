"""The score of one case: a pure function of its arrays, with a small result that adds up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import (
    CalibrationBins,
    Overlap,
    ThresholdCounts,
    calibration_bins,
    dice_score,
    jaccard_score,
    overlap,
    threshold_counts,
)
from dice_semimetric.thresholds import THRESHOLDS

from .pairing import Pair
from .reading import read_pair

#: Soft calibration leaves out pixels that everybody agrees are background.
_CERTAIN = 0.01


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
    """

    thresholds: Sequence[float] = THRESHOLDS
    n_bins: int = 10
    empty: float | Literal["skip"] = 1.0
    label: int | None = None
    tolerance: float = 1e-3


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


def score_pair(pair: Pair, options: Options) -> CaseScore:
    """Read one case and score it.

    Parameters
    ----------
    pair : Pair
        The files.
    options : Options
        How to score.

    Returns
    -------
    CaseScore
        Numbers and statistics, no images.

    Raises
    ------
    CaseError
        If a file is faulty or the two sides do not fit.
    """
    pred, soft, hard, _ = read_pair(pair, label=options.label, tolerance=options.tolerance)
    return score_case(
        pred,
        soft,
        hard,
        case=pair.case,
        task=pair.task,
        raters=max(1, len(pair.reference.masks)),
        options=options,
    )


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
    # In one dtype both sides meet the same thresholds, and the bins of all cases the same edges.
    pred, soft = pred.astype(np.float32, copy=False), soft.astype(np.float32, copy=False)
    mask = pred >= 0.5
    counts = threshold_counts(pred, soft, thresholds=options.thresholds)
    # One image of one class: the background is what the foreground leaves.
    image, label = pred[None, None], hard[None].astype(np.uint8)
    bins = calibration_bins(image, label, n_bins=options.n_bins, kind="top_label")
    unsure = in_doubt(pred, soft) if doubt is None else doubt
    soft_bins = calibration_bins(pred, soft, n_bins=options.n_bins, kind="binary", mask=unsure)
    return CaseScore(
        case=case,
        task=task,
        raters=raters,
        voxels=pred.size,
        bdice=float(counts.binarized_dice(empty=options.empty)),
        dice=float(dice_score(mask, hard, empty=options.empty)),
        jaccard=float(jaccard_score(mask, hard, empty=options.empty)),
        ece=float(bins.error(norm="l1")),
        ece_soft=float(soft_bins.error(norm="l1")),
        curve=counts.dice(empty=options.empty),
        counts=counts,
        hard=overlap(mask, hard),
        bins=_widened(bins),
        soft_bins=_widened(soft_bins),
    )


def in_doubt(pred: NDArray[Any], soft: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels that are more than plain background."""
    return np.asarray((pred > _CERTAIN) | (soft > 0))


def _widened(bins: CalibrationBins) -> CalibrationBins:
    """Return sums in float64, so that thousands of cases add up without loss."""
    return replace(
        bins,
        confidence=bins.confidence.astype(np.float64),
        correct=bins.correct.astype(np.float64),
    )
