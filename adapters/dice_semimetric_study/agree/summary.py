"""From the agreement of cases to that of a study: means, intervals, matrices of raters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import __version__

from ..cases.blocks import Reading
from ..faults import Fault
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap, means_with_intervals
from ..results.registry import RATER_SCORES, VOLUMES_OF_RATERS
from ..results.tables import parts_of, table
from ..results.text import confidence, form_of, interval, number, shortened
from ..runs.each import without_stop
from ..scores.options import Empty
from .rows import Row, Tables

#: A terminal shows the matrices of so many tasks, with so many raters.
_DRAWN, _COLUMNS = 3, 10
#: The scores that a terminal and a table for a paper show.
SHOWN = ("dice", "cohen_kappa", "dice_to_majority", "disagreement")
_OF_RATER = ("dice_to_majority", "dice", "jaccard", "cohen_kappa", *VOLUMES_OF_RATERS)
_AGGREGATION = (
    "mean over cases; in a case dice, jaccard and cohen_kappa are means over all pairs of raters, "
    "dice_to_majority over all raters, disagreement of 4 p (1 - p) over voxels that anyone marked"
)


def summarize_agreement(
    tables: Tables,
    faults: Sequence[Fault],
    *,
    reading: Reading,
    empty: Empty,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Return means over cases with their intervals, per task and overall, and who agrees with whom.

    ``overall`` and ``tasks`` have a mean and an interval of each score. Each task also has
    ``raters``, the means of each rater, and the ``matrices`` of Dice and Cohen's kappa over the
    raters in that order, None where two raters share no case.
    """
    faults, stop = without_stop(faults)
    tasks = sorted({row["task"] for row in tables[0]} | {f.task for f in faults if f.task})
    parts = {}
    for task in tasks:
        cases, raters, pairs = ([row for row in rows if row["task"] == task] for rows in tables)
        parts[task] = _part(cases, [f for f in faults if f.task in (task, "")], bootstrap)
        parts[task] |= _of_raters(raters, pairs, bootstrap)
    return {
        "overall": _part(tables[0], faults, bootstrap),
        "tasks": parts,
        "aggregation": _AGGREGATION,
        "bootstrap": bootstrap.described(),
        "faults": [asdict(f) for f in faults],
        **({"stopped": stop} if stop else {}),
        "options": jsonable(asdict(reading) | {"empty": empty}),
        "version": __version__,
    }


def _part(cases: Sequence[Row], faults: Sequence[Fault], bootstrap: Bootstrap) -> dict[str, Any]:
    found: dict[str, Any] = {"cases": {"compared": len(cases), "faulty": len(faults)}}
    found |= _means(cases, RATER_SCORES, bootstrap)
    return found | {"patients": len({row["patient"] for row in cases})}


def _means(rows: Sequence[Row], names: Iterable[str], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the means of columns and their intervals, None where they are not known."""
    names = list(names)
    values = np.array([[row[n] for n in names] for row in rows], float).reshape(-1, len(names))
    patients = [row["patient"] for row in rows]
    means, ends = jsonable(means_with_intervals(values, patients, bootstrap))
    intervals = dict(zip(names, ends, strict=True))
    return dict(zip(names, means, strict=True)) | {"intervals": intervals}


def _of_raters(raters: Sequence[Row], pairs: Sequence[Row], bootstrap: Bootstrap) -> dict[str, Any]:
    names = sorted({row["rater"] for row in raters})
    each = {name: [row for row in raters if row["rater"] == name] for name in names}
    return {
        "raters": {
            name: {"cases": len(rows)} | _means(rows, _OF_RATER, bootstrap)
            for name, rows in each.items()
        },
        "matrices": {
            score: jsonable(_matrix(names, pairs, score)) for score in ("dice", "cohen_kappa")
        },
    }


def _matrix(names: Sequence[str], pairs: Sequence[Row], score: str) -> NDArray[np.float64]:
    """Return the mean over cases for every two raters, 1 on the diagonal, NaN where unknown."""
    place = {name: i for i, name in enumerate(names)}
    total, known = np.zeros((2, len(names), len(names)))
    for row in pairs:
        if not np.isnan(row[score]):
            i, j = place[row["rater"]], place[row["other"]]
            total[[i, j], [j, i]] += row[score]
            known[[i, j], [j, i]] += 1
    mean = np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)
    np.fill_diagonal(mean, 1)
    return mean


def agreement_table(summary: Mapping[str, Any]) -> str:
    """Return a summary as text: a row per task and per rater, and matrices of few raters."""
    shown, rows, tasks = SHOWN, [], summary["tasks"]
    for task, part in parts_of(summary).items():
        counts = [str(count) for count in part["cases"].values()]
        rows.append([shortened(task), *counts, *_means_text(part, shown)])
        ends = [part["intervals"][name] for name in shown]
        if any(ends):
            rows.append([f"  {confidence(summary)}", "", "", *map(interval, ends)])
        for i, (rater, found) in enumerate(part.get("raters", {}).items(), start=1):
            means = [*_means_text(found, shown[:-1]), ""]
            rows.append([f"  {i:2d} {shortened(rater)}", str(found["cases"]), "", *means])
    heads = ["task", "cases", "faulty", *(RATER_SCORES[name].heading for name in shown)]
    drawn = list(tasks.items()) if len(tasks) <= _DRAWN else []
    matrices = [_matrix_text(*one) for one in drawn if 2 < len(one[1]["raters"]) <= _COLUMNS]
    volumes = [_volume_text(task, part, summary) for task, part in drawn if part["raters"]]
    return "\n\n".join([table(heads, rows), *volumes, *matrices])


def _volume_text(task: str, part: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Return as text how far the volume of each rater is from the others' mean."""
    rows = []
    for i, (name, found) in enumerate(part["raters"].items(), start=1):
        row = [f"{i:2d} {shortened(name)}"]
        for score in VOLUMES_OF_RATERS:
            ends = found["intervals"][score]
            form = form_of(ends, sign="+")
            row += number(found[score], form), interval(ends, form)
        rows.append(row)
    heads = [f"Raters of {shortened(task)}"]
    for volume in VOLUMES_OF_RATERS.values():
        heads += volume.heading, confidence(summary)
    return table(heads, rows)


def _means_text(part: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [number(part[name], form_of(part["intervals"][name])) for name in names]


def _matrix_text(task: str, part: Mapping[str, Any]) -> str:
    """Return the mean Dice of every two raters as text; the columns have the raters' numbers."""
    rows = [
        [f"{i:2d} {shortened(name)}"]
        + ["" if i == j else number(value, ".3f") for j, value in enumerate(line, start=1)]
        for i, (name, line) in enumerate(
            zip(part["raters"], part["matrices"]["dice"], strict=True), 1
        )
    ]
    heads = [f"Dice of {shortened(task)}", *(str(i) for i in range(1, len(rows) + 1))]
    return table(heads, rows)
