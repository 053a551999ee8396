"""The scores of a study as tables: a line a case and task, a line for each rater of these."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.tables import write_table
from .case_score import CaseScore, Options

#: The scores of a case, with their names for people.
TITLES = {
    "bdice": "BDice",
    "dice": "Dice",
    "jaccard": "Jaccard",
    "ece": "ECE",
    "ece_soft": "soft ECE",
}
NUMBERS = tuple(TITLES)
CASES, RATERS = "cases", "raters"
_WHOSE = ("case", "task", "patient")
_OF_RATER = ("rater", "marked", "bdice", "dice", "jaccard")


def curve_columns(thresholds: Iterable[float]) -> list[str]:
    """Return the names of the columns with the Dice score at each threshold."""
    return [f"dice@{t:g}" for t in thresholds]


def write_score_tables(
    out: Path, scores: Sequence[CaseScore], options: Options, patients: Mapping[str, str]
) -> None:
    """Write ``cases`` and ``raters``; see `write_table` for the formats."""
    curve = curve_columns(options.thresholds)
    whose = [{"case": s.case, "task": s.task, "patient": patients[s.case]} for s in scores]
    cases: list[dict[str, Any]] = [
        who
        | {"raters": s.raters, "voxels": s.voxels}
        | {name: float(getattr(s, name)) for name in NUMBERS}
        | dict(zip(curve, map(float, s.curve), strict=True))
        for who, s in zip(whose, scores, strict=True)
    ]
    write_table(out / CASES, [*_WHOSE, "raters", "voxels", *NUMBERS, *curve], cases)
    raters: list[dict[str, Any]] = [
        who | {name: getattr(rater, name) for name in _OF_RATER}
        for who, s in zip(whose, scores, strict=True)
        for rater in s.by_rater
    ]
    write_table(out / RATERS, [*_WHOSE, *_OF_RATER], raters)
