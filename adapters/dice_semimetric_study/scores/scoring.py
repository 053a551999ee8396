"""The score of one case: a pure function of its arrays, with a small result that adds up."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cases.blocks import millilitres
from ..cases.foreground import mean_of
from ..cases.near import parts_of
from ..cases.pairing import Pair, Rated
from ..cases.regions import task_name
from ..results.totals import total_by_name
from .case_score import CaseScore
from .options import Options
from .raters import scores_by_rater
from .samples import agreement_of
from .shapes import shapes_of, whole_geometry
from .sums import Sums, sums_of, sums_of_marks


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
    return scores_of(pair, total_by_name(_sums_of_blocks(pair, options)), options)


def _sums_of_blocks(pair: Pair, options: Options) -> Iterator[tuple[str, Sums]]:
    """Yield the statistics of each region in block after block."""
    geometry = whole_geometry(pair, options) if options.shapes else None
    for part in parts_of(pair, options, options.margin):
        voxels, reference = part.voxels, part.reference
        samples = voxels.samples(part.region)
        prediction = mean_of(samples)
        sums = sums_of_marks(prediction, reference, part.near, voxels.kept, options)
        if options.samples:
            sums = replace(sums, samples=agreement_of(samples, reference))
        if geometry is not None:
            task = task_name(pair.task, part.region)
            shapes = shapes_of(prediction, reference, voxels, geometry, options, task)
            sums = replace(sums, **shapes)
        yield part.region, sums


def scores_of(pair: Rated, sums: Mapping[str, Sums], options: Options) -> tuple[CaseScore, ...]:
    """Return the score of each region of a pair, whose statistics are given."""
    names = list(pair.reference.masks)
    raters = max(1, len(names))
    voxel = millilitres(pair, pair.reference.maps[0])
    scores = []
    for region, found in sums.items():
        score = _score(found, pair.case, task_name(pair.task, region), raters, options)
        score = replace(score, voxel=voxel)
        if found.raters and names:
            each = scores_by_rater(score, found.raters, names, options)
            score = replace(score, by_rater=each, agreement=found.raters.agreement)
        scores.append(_worked_out(score, options))
    return tuple(scores)


def _worked_out(score: CaseScore, options: Options) -> CaseScore:
    """Return a score whose formulas were evaluated here, where there may be many processes."""
    for name in (*options.scores, "curve"):
        getattr(score, name)
    return score


def _score(sums: Sums, case: str, task: str, raters: int, options: Options) -> CaseScore:
    statistics = vars(sums) | {"raters": raters}
    return CaseScore(case=case, task=task, empty=options.empty, **statistics)


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
        Thresholds, bins and the score of two empty masks.
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
    >>> from dice_semimetric_study import score_case
    >>> soft = np.array([0.0, 0.4, 1.0])
    >>> score_case(soft, soft, soft > 0.5).bdice
    1.0
    """
    options = options or Options()
    sums = sums_of(pred, soft, hard, options, doubt=doubt)
    return _score(sums, case, task, raters, options)
