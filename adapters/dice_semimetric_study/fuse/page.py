"""The page about fused labels: ``fuse --report``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import __version__

from ..cases.blocks import Reading
from ..cases.layout import CaseFiles
from ..cases.pairing import Pair, Rated
from ..cases.regions import Regions, task_name
from ..choices import FuseMethod
from ..faults import Fault, counted
from ..results.bootstrap import mean_of_known
from ..results.page.drawing import Candidate, choose, draw_cases
from ..results.page.page import Card, Report, shown, write_study_page
from ..results.page.parts import Cards, Cell, Gallery, Section, Table, Words, value
from ..runs.each import without_stop
from .kept import Kept

#: What became of a structure of a case.
Fused = tuple[Rated, str, Kept]

#: What a method is called in a sentence, and what it does.
_NAMES = {
    "majority": "majority",
    "random": "drawing one rater",
    "uniform": "the mean",
    "weighted": "a weighted mean",
    "staple": "STAPLE",
}
_WHAT = {
    "majority": "a voxel is marked where more than half of the raters marked it",
    "random": "each case has the marks of one of its raters, drawn at random",
    "uniform": "the label is the raters’ mean",
    "weighted": "the label is a mean in which a rater weighs by the Dice score to the majority",
    "staple": "the label is the probability by STAPLE, which estimates how reliable a rater is",
}


def write_fusion_page(
    report: Report,
    found: Sequence[Fused],
    rows: Sequence[Mapping[str, Any]],
    faults: Sequence[Fault],
    record: Mapping[str, Any],
    *,
    out: Path,
    method: FuseMethod,
    reading: Reading,
    maps: int,
    copies: Sequence[str],
) -> None:
    """Write the page; the cases that have pictures are read again, with their labels."""
    agreed = [_dice(kept) for *_, kept in found]
    chosen, _ = choose(
        [_candidate(*one, dice, out, reading) for one, dice in zip(found, agreed, strict=True)],
        report.pictures,
    )
    drawn = draw_cases(chosen)
    wrong, stop = without_stop(faults)
    summary = {"faults": [asdict(f) for f in wrong], "aggregation": "", "version": __version__}
    if stop:
        summary["stopped"] = stop
    cards = [
        Card("Labels", str(maps), _NAMES[method], f"Written: {_WHAT[method]}."),
        Card("Cases", str(len({c.case for c, *_ in found})), counted(len(wrong), "fault"), ""),
        Card("Dice of two raters", shown(mean_of_known(agreed)), "", "Mean over cases."),
    ]
    warnings = [Words(f"{one}.", "warning") for one in copies]
    write_study_page(
        report.path,
        title=f"Labels fused from the raters in {record['settings']['ref']} by {_NAMES[method]}",
        verdict=_verdict(found, agreed, maps, method),
        sections=[
            Section("summary", "Summary", [*warnings, Cards(cards)]),
            *([Section("raters", "Raters", [_raters(rows)])] if rows else []),
            *([Section("examples", "Examples", [Gallery(drawn, "label")])] if drawn else []),
            *([Section("cases", "Cases", _cases(found, agreed, rows))] if found or rows else []),
        ],
        summary=summary,
        record=record,
    )


def _dice(kept: Kept) -> float:
    """Return the mean Dice of two raters of a case, NaN of one rater."""
    pairs = np.asarray(kept.raters.dice())
    return mean_of_known(pairs[~np.eye(len(pairs), dtype=bool)])


def _candidate(
    case: Rated, region: str, kept: Kept, dice: float, out: Path, reading: Reading
) -> Candidate:
    files = case.reference
    path = out / files.map_name(region)
    label = CaseFiles(files.case, files.task, label=path)
    if reading.has_labels:  # the label is the probability of a structure, and no label map
        name = region or "label"
        regions = Regions({name: reading.labels_of(region)}, ignore=reading.ignored)
        reading = replace(reading, label=None, regions=regions)
        label, region = replace(label, label=None, masks={name: path}), name
    task = task_name(case.task, region if reading.regions and region != "label" else "")
    pair = Pair(files, label, mask=case.mask, hidden=case.hidden)
    figures = f"Dice of two raters {shown(dice)} · {counted(kept.likely, 'pixel')} above 0.5"
    return Candidate(case.case, task, dice, pair, region, reading, figures)


def _verdict(found: Sequence[Fused], agreed: Sequence[float], maps: int, method: str) -> str:
    text = f"{counted(maps, 'label')} {'was' if maps == 1 else 'were'} fused by {_NAMES[method]}"
    known = [(d, case.case) for d, (case, *_) in zip(agreed, found, strict=True) if not isnan(d)]
    if not known:
        return f"{text}."
    least, case = min(known)
    lost = sum(kept.lost for *_, kept in found) if method != "random" else 0
    more = f" {counted(lost, 'label')} lost what half of the raters or more marked." if lost else ""
    mean = shown(mean_of_known(agreed))
    return (
        f"{text}, from raters of whom two agree by a Dice score of {mean}. They agree least in "
        f"{case}, by {shown(least)}.{more}"
    )


def _found(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what a method finds about a rater."""
    return [name for name in rows[0] if name not in ("case", "task", "rater")]


def _raters(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return what the method found about the raters, in the mean over cases."""
    names = _found(rows)
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["rater"]), []).append(row)
    means = [
        [Cell(task), Cell(rater), Cell(str(len(of_one)))]
        + [value(mean_of_known(row[name] for row in of_one)) for name in names]
        for (task, rater), of_one in sorted(groups.items())
    ]
    heads = ["Structure", "Rater", "Cases", *map(str.capitalize, names)]
    return Table(heads, means, 2, note="Means over cases; those of each stand under Cases.")


def _cases(
    found: Sequence[Fused], agreed: Sequence[float], rated: Sequence[Mapping[str, Any]]
) -> list[Table]:
    """Return the cases with their labels, and the raters in each as the method found them."""
    tables = [_labels(found, agreed)] if found else []
    if rated:
        names = _found(rated)
        rows = [
            [Cell(row[key]) for key in ("case", "task", "rater")] + [value(row[n]) for n in names]
            for row in rated
        ]
        heads = ["Case", "Structure", "Rater", *map(str.capitalize, names)]
        tables.append(Table(heads, rows, words=3, title="Raters in each case"))
    return tables


def _labels(found: Sequence[Fused], agreed: Sequence[float]) -> Table:
    rows = []
    for (case, region, kept), dice in zip(found, agreed, strict=True):
        marked = np.diagonal(np.asarray(kept.raters.both))
        rows.append(
            [
                Cell(case.case),
                Cell(task_name(case.task, region)),
                Cell(str(marked.size)),
                value(dice),
                Cell(f"{marked.mean():.1f}"),
                Cell(str(kept.likely)),
                Cell(str(kept.possible)),
            ]
        )
    heads = ["Case", "Structure", "Raters", "Dice of two raters", "Pixels marked, mean"]
    return Table([*heads, "Label above 0.5", "Label above 0.01"], rows, words=2)
