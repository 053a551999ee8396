"""From counts to the rows of tables: by case, by rater, by pair of raters."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.bootstrap import mean_of_known
from ..results.registry import RATER_SCORES, VOLUMES_OF_RATERS
from ..scores.options import Empty
from ..scores.raters import volume_biases
from .case import CaseAgreement

Row = dict[str, Any]
Tables = tuple[list[Row], list[Row], list[Row]]

_KEYS = ("case", "task", "patient")
_COUNTS = ("raters", "voxels", "any", "all", "majority", "disputed")
_OF_PAIR = ("dice", "jaccard", "cohen_kappa")
#: The columns of each table.
COLUMNS = {
    "cases": (*_KEYS, *_COUNTS, *RATER_SCORES),
    "raters": (*_KEYS, "rater", "marked", "dice_to_majority", *_OF_PAIR, *VOLUMES_OF_RATERS),
    "pairs": (*_KEYS, "rater", "other", "both", *_OF_PAIR),
}


def tables_of(found: Iterable[CaseAgreement], patients: Mapping[str, str], empty: Empty) -> Tables:
    """Return the rows of cases, of their raters, and of every two of these.

    A rater's Dice, Jaccard and kappa are means over the other raters; the volume is compared with
    their mean.
    """
    tables: Tables = ([], [], [])
    for one in found:
        key = {"case": one.case, "task": one.task, "patient": patients[one.case]}
        for rows, new in zip(tables, _rows(one, empty), strict=True):
            rows += [key | row for row in new]
    return tables


def _rows(one: CaseAgreement, empty: Empty) -> Tables:
    """Return the rows of one case, without what names it."""
    counts, number = one.counts, len(one.raters)
    others = ~np.eye(number, dtype=bool)
    majority = counts.dice_to_majority(empty=empty)
    scores: dict[str, NDArray[Any]] = {
        "dice": counts.dice(empty=empty),
        "jaccard": counts.jaccard(empty=empty),
        "cohen_kappa": counts.cohen_kappa(),
    }
    case = _votes(one) | {name: mean_of_known(matrix[others]) for name, matrix in scores.items()}
    case["dice_to_majority"] = mean_of_known(majority)
    case["fleiss_kappa"] = float(counts.fleiss_kappa())
    volumes = volume_biases(np.diagonal(counts.both), one.voxel)
    raters = [
        {"rater": name, "marked": int(counts.both[i, i]), "dice_to_majority": float(majority[i])}
        | {k: mean_of_known(matrix[i][others[i]]) for k, matrix in scores.items()}
        | {k: float(values[i]) for k, values in volumes.items()}
        for i, name in enumerate(one.raters)
    ]
    pairs = [
        {"rater": one.raters[i], "other": one.raters[j], "both": int(counts.both[i, j])}
        | {name: float(matrix[i, j]) for name, matrix in scores.items()}
        for i, j in combinations(range(number), 2)
    ]
    return [case], raters, pairs


def _votes(one: CaseAgreement) -> Row:
    """Return numbers of voxels, and the mean of 4 p (1 - p) over those that anyone marked."""
    votes = np.asarray(one.counts.votes)
    number = len(one.raters)
    share = np.arange(number + 1) / number
    some = int(votes[1:].sum())
    return {
        "raters": number,
        "voxels": int(votes.sum()),
        "any": some,
        "all": int(votes[-1]),
        "majority": int(votes[number // 2 + 1 :].sum()),
        "disputed": int(votes[1:-1].sum()),
        "disagreement": float(votes @ (4 * share * (1 - share)) / some) if some else 0.0,
    }
