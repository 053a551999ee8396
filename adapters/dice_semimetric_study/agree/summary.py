"""From the agreement of cases to that of a study: means, intervals, matrices of raters."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import __version__

from ..cases.blocks import Reading
from ..faults import Fault, printable
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap
from ..results.tables import table
from ..scores.summary import BOOTSTRAP, known_intervals, mean_of_known
from .rows import NUMBERS, Empty, Row

TITLES = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "cohen_kappa": "Cohen's kappa",
    "dice_to_majority": "Dice to majority",
    "fleiss_kappa": "Fleiss' kappa",
    "disagreement": "disagreement",
}
_RATER_NUMBERS = ("dice_to_majority", "dice", "jaccard", "cohen_kappa")
_AGGREGATION = (
    "mean over cases; in a case dice, jaccard and cohen_kappa are means over all pairs of raters, "
    "dice_to_majority over all raters, disagreement of 4 p (1 - p) over voxels that anyone marked"
)


def summarize_agreement(
    tables: tuple[Sequence[Row], Sequence[Row], Sequence[Row]],
    faults: Sequence[Fault],
    *,
    reading: Reading,
    empty: Empty,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Return means over cases with their intervals, per task and overall, and who agrees with whom.

    Parameters
    ----------
    tables : tuple of sequence of dict
        The lines of cases, raters and pairs, as `rows` returns them.
    faults : sequence of Fault
        Of the other cases.
    reading : Reading
        How files were read.
    empty : float or "skip"
        The Dice and Jaccard score of two empty masks.
    bootstrap : Bootstrap
        How patients are drawn for the intervals.

    Returns
    -------
    dict
        ``overall`` and ``tasks`` with a mean and an interval of each number; each task also has
        ``raters``, the means of each rater, and the matrices ``dice`` and ``cohen_kappa`` over the
        raters in that order, None where two raters share no case.
    """
    cases, raters, pairs = tables
    tasks = sorted({row["task"] for row in cases} | {f.task for f in faults if f.task})
    parts = {}
    for task in tasks:
        here = [[row for row in rows if row["task"] == task] for rows in (cases, raters, pairs)]
        parts[task] = _part(here[0], [f for f in faults if f.task in (task, "")], bootstrap)
        parts[task] |= _of_raters(here[1], here[2], bootstrap)
    return {
        "overall": _part(cases, faults, bootstrap),
        "tasks": parts,
        "aggregation": _AGGREGATION,
        "bootstrap": asdict(bootstrap) | {"method": BOOTSTRAP},
        "faults": [asdict(f) for f in faults],
        "options": jsonable(asdict(reading) | {"empty": empty}),
        "version": __version__,
    }


def _part(cases: Sequence[Row], faults: Sequence[Fault], bootstrap: Bootstrap) -> dict[str, Any]:
    found: dict[str, Any] = {"cases": {"compared": len(cases), "faulty": len(faults)}}
    found |= _means(cases, NUMBERS, bootstrap)
    return found | {"patients": len({row["patient"] for row in cases})}


def _means(rows: Sequence[Row], names: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the means of columns, None where there is none, and their intervals."""
    found: dict[str, Any] = {n: jsonable(mean_of_known(row[n] for row in rows)) for n in names}
    intervals: dict[str, Any] = dict.fromkeys(names)
    if rows:
        values = np.array([[row[n] for n in names] for row in rows], float)
        ends = known_intervals(values, [row["patient"] for row in rows], bootstrap)
        intervals = dict(zip(names, ends, strict=True))
    return found | {"intervals": intervals}


def _of_raters(raters: Sequence[Row], pairs: Sequence[Row], bootstrap: Bootstrap) -> dict[str, Any]:
    names = sorted({row["rater"] for row in raters})
    each = {name: [row for row in raters if row["rater"] == name] for name in names}
    return {
        "raters": {
            name: {"cases": len(rows)} | _means(rows, _RATER_NUMBERS, bootstrap)
            for name, rows in each.items()
        },
        "matrices": {
            number: jsonable(_matrix(names, pairs, number)) for number in ("dice", "cohen_kappa")
        },
    }


def _matrix(names: Sequence[str], pairs: Sequence[Row], number: str) -> NDArray[np.float64]:
    """Return the mean over cases for every two raters, 1 on the diagonal, NaN where unknown."""
    place = {name: i for i, name in enumerate(names)}
    total, known = np.zeros((2, len(names), len(names)))
    for row in pairs:
        if not np.isnan(row[number]):
            i, j = place[row["rater"]], place[row["other"]]
            total[[i, j], [j, i]] += row[number]
            known[[i, j], [j, i]] += 1
    mean = np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)
    np.fill_diagonal(mean, 1)
    return mean


def agreement_table(summary: Mapping[str, Any]) -> str:
    """Return a summary as text: a line a task, and a line for each of its raters."""
    shown = ("dice", "cohen_kappa", "dice_to_majority", "disagreement")
    lines = []
    for task, part in {**summary["tasks"], "all": summary["overall"]}.items():
        cases = part["cases"]
        if task == "all" and len(summary["tasks"]) == 1:
            continue
        lines.append([printable(task), str(cases["compared"]), str(cases["faulty"])])
        lines[-1] += [_number(part, name) for name in shown]
        for rater, found in part.get("raters", {}).items():
            line = [f"  rater {printable(rater)}", str(found["cases"]), ""]
            lines.append([*line, *(_number(found, name) for name in shown[:-1]), ""])
    return table(["task", "cases", "faulty", *(TITLES[name] for name in shown)], lines)


def _number(part: Mapping[str, Any], name: str) -> str:
    if part[name] is None:
        return "-"
    ends = part["intervals"][name]
    between = f" ({ends[0]:.3f}-{ends[1]:.3f})" if ends else ""
    return f"{part[name]:.4f}{between}"
