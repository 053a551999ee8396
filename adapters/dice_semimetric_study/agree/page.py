"""The page about an agreement of raters: ``agreement --report``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..cases.blocks import Reading
from ..cases.pairing import Rated
from ..faults import counted
from ..results.bootstrap import mean_of_known
from ..results.page.drawing import Candidate, choose, draw_cases
from ..results.page.page import Card, Report, ends_of, mean_of, score_card, shown, write_study_page
from ..results.page.parts import (
    NOT_ONE_PERSON,
    Cards,
    Cell,
    Gallery,
    Section,
    Table,
    Words,
    heat,
    spans,
    value,
)
from ..results.registry import RATER_SCORES
from ..results.text import confidence
from .rows import Row, Tables

#: The files of a case, and the region of it, by the names of case and task.
Files = Mapping[tuple[str, str], tuple[Rated, str]]

_OF_CASE = ("dice", "cohen_kappa", "dice_to_majority", "fleiss_kappa", "disagreement")
_LETTERS = 5  # of the longest name that heads a column of a matrix


def write_agreement_page(
    report: Report,
    tables: Tables,
    files: Files,
    summary: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    reading: Reading,
    copies: Sequence[str],
) -> None:
    """Write the page; the cases that have pictures are read again."""
    cases, raters, _ = tables
    found = [
        Candidate(
            row["case"],
            row["task"],
            row["dice"],
            *files[row["case"], row["task"]],
            reading,
            figures=" · ".join(f"{RATER_SCORES[n].title} {shown(row[n])}" for n in _OF_CASE),
        )
        for row in cases
    ]
    chosen, _ = choose(found, report.pictures)
    drawn = draw_cases(chosen)
    pictures = Section("examples", "Where they disagree", [Gallery(drawn, "disagreement")])
    write_study_page(
        report.path,
        title="Agreement of the raters in {ref}".format(**record["settings"]),
        verdict=_verdict(summary),
        sections=[
            Section("summary", "Summary", _summary(summary, cases, copies)),
            *([Section("raters", "Raters", _raters(summary, raters))] if cases else []),
            *([pictures] if drawn else []),
            *([Section("cases", "Cases", [_cases(cases)])] if cases else []),
        ],
        summary=summary,
        record=record,
    )


def _verdict(summary: Mapping[str, Any]) -> str:
    """Return how far two raters agree, and who is nearest to the majority."""
    overall, tasks = summary["overall"], summary["tasks"]
    if overall["dice"] is None:
        return "There is no score of any two raters."
    ends = ends_of(overall, "dice")
    within = f" ({confidence(summary)} {ends})" if ends else ""
    over = counted(overall["cases"]["compared"], "case")
    text = f"Two raters agree by a Dice score of {mean_of(overall, 'dice')}{within}, over {over}."
    if len(tasks) != 1:
        return text
    (part,) = tasks.values()
    known = {n: r["dice_to_majority"] for n, r in part["raters"].items()}
    known = {name: found for name, found in known.items() if found is not None}
    if len(known) < 3:
        return text
    near, far = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    least, most = (mean_of(part["raters"][name], "dice_to_majority") for name in (far, near))
    return (
        f"{text} Nearest to the majority is rater {near}, with {most}, and farthest rater {far}, "
        f"with {least}."
    )


def _summary(
    summary: Mapping[str, Any], cases: Sequence[Row], copies: Sequence[str]
) -> list[Cards | Words | Table]:
    overall, tasks = summary["overall"], summary["tasks"]
    names = {name for part in tasks.values() for name in part["raters"]}
    per_case = sorted({row["raters"] for row in cases})
    count = " to ".join(dict.fromkeys(map(str, per_case[:1] + per_case[-1:]))) or "–"
    cards = [
        Card(
            "Cases",
            str(len({row["case"] for row in cases})),
            f"of {counted(overall['patients'], 'patient')}",
            "Compared. Each case of each structure weighs the same in the means.",
        ),
        Card("Raters", count, f"{len(names)} names", "How many people marked each case."),
        *(score_card(s, summary, soft="", hard="") for s in RATER_SCORES.values()),
    ]
    parts: list[Cards | Words | Table] = [Words(f"{one}.", "warning") for one in copies]
    parts.append(Cards(cards))
    if len(tasks) > 1:
        parts.append(_tasks(tasks, confidence(summary)))
    return parts


def _tasks(tasks: Mapping[str, Any], ends: str) -> Table:
    heads = [RATER_SCORES[n].heading for n in _OF_CASE]
    rows = [
        [Cell(task), Cell(str(part["cases"]["compared"]))]
        + [value(part[name], part["intervals"][name]) for name in _OF_CASE]
        for task, part in tasks.items()
    ]
    return Table(["Structure", "Cases", *heads], rows, title="By structure", ends=ends)


def _raters(summary: Mapping[str, Any], rows: Sequence[Row]) -> list[Table | Words]:
    """Return of each task the matrix of its raters, and a table of them."""
    parts: list[Table | Words] = [Words(NOT_ONE_PERSON, "note")]
    several = len(summary["tasks"]) > 1
    for task, part in summary["tasks"].items():
        names = list(part["raters"])
        if not names:
            continue
        of = f" of {task}" if several else ""
        matrix = np.array(part["matrices"]["dice"], float)
        np.fill_diagonal(matrix, np.nan)
        values = [[None if np.isnan(v) else v for v in line] for line in matrix.tolist()]
        heads = names
        if max(map(len, names)) > _LETTERS:
            heads = [str(i) for i in range(1, len(names) + 1)]
            names = [f"{name} {i}" for name, i in zip(names, heads, strict=True)]
        lines = [[Cell(n), *line] for n, line in zip(names, heat(values), strict=True)]
        parts.append(Table(["Rater", *heads], lines, title=f"Dice of two raters{of}", kind="heat"))
        found = _of_raters(part["raters"], [r for r in rows if r["task"] == task])
        parts.append(replace(found, title=f"Each rater{of}", ends=confidence(summary)))
    return parts


def _of_raters(raters: Mapping[str, Any], rows: Sequence[Row]) -> Table:
    ends = [(r["dice_to_majority"], r["intervals"]["dice_to_majority"]) for r in raters.values()]
    marked = {
        name: mean_of_known(row["marked"] for row in rows if row["rater"] == name)
        for name in raters
    }
    found = [
        [Cell(name), Cell(str(r["cases"])), majority]
        + [value(r[score], r["intervals"][score]) for score in ("dice", "cohen_kappa")]
        + [Cell(f"{marked[name]:.0f}")]
        for (name, r), majority in zip(raters.items(), spans(ends), strict=True)
    ]
    heads = ["Rater", "Cases", "Dice to majority", "Dice to the others", "Cohen’s kappa"]
    return Table([*heads, "Pixels marked"], found)


def _cases(cases: Sequence[Row]) -> Table:
    several = len({row["task"] for row in cases}) > 1
    heads = ["Case", *["Structure"] * several, "Raters", "Marked by anyone", "Marked by all"]
    rows = [
        [Cell(row["case"]), *[Cell(row["task"])] * several]
        + [Cell(str(row[name])) for name in ("raters", "any", "all")]
        + [value(row[name]) for name in _OF_CASE]
        for row in cases
    ]
    return Table([*heads, *(RATER_SCORES[n].heading for n in _OF_CASE)], rows, 1 + several)
