"""From counts to the lines of tables: by case, by rater, by pair of raters."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..scores.summary import mean_of_known
from .case import CaseAgreement

Empty = float | Literal["skip"]
Row = dict[str, Any]

#: What is said of a case; the first four are means over pairs of raters, or over raters.
NUMBERS = ("dice", "jaccard", "cohen_kappa", "dice_to_majority", "fleiss_kappa", "disagreement")
WHOSE = ("case", "task", "patient")
COUNTS = ("raters", "voxels", "any", "all", "majority", "disputed")
OF_RATER = ("rater", "marked", "dice_to_majority", "dice", "jaccard", "cohen_kappa")
OF_PAIR = ("rater", "other", "both", "dice", "jaccard", "cohen_kappa")


def rows(
    found: Iterable[CaseAgreement], patients: Mapping[str, str], empty: Empty
) -> tuple[list[Row], list[Row], list[Row]]:
    """Return the lines of cases, of their raters, and of every two of these.

    A rater's Dice, Jaccard and kappa are means over the other raters.
    """
    cases: list[Row] = []
    raters: list[Row] = []
    pairs: list[Row] = []
    for one in found:
        whose = {"case": one.case, "task": one.task, "patient": patients[one.case]}
        scores = _matrices(one, empty)
        majority = one.counts.dice_to_majority(empty=empty)
        number = len(one.raters)
        off = ~np.eye(number, dtype=bool)
        case = {name: mean_of_known(matrix[off]) for name, matrix in scores.items()}
        case |= {"dice_to_majority": mean_of_known(majority)}
        case |= {"fleiss_kappa": float(one.counts.fleiss_kappa())}
        cases.append(whose | _counts(one) | case)
        raters += [
            whose
            | {"rater": name, "marked": int(one.counts.both[i, i])}
            | {"dice_to_majority": float(majority[i])}
            | {k: mean_of_known(matrix[i][off[i]]) for k, matrix in scores.items()}
            for i, name in enumerate(one.raters)
        ]
        pairs += [
            whose
            | {"rater": one.raters[i], "other": one.raters[j], "both": int(one.counts.both[i, j])}
            | {name: float(matrix[i, j]) for name, matrix in scores.items()}
            for i, j in combinations(range(number), 2)
        ]
    return cases, raters, pairs


def _matrices(one: CaseAgreement, empty: Empty) -> dict[str, NDArray[Any]]:
    counts = one.counts
    return {
        "dice": counts.dice(empty=empty),
        "jaccard": counts.jaccard(empty=empty),
        "cohen_kappa": counts.cohen_kappa(),
    }


def _counts(one: CaseAgreement) -> Row:
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
