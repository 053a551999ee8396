"""A table as Markdown beside the paper's numbers, as CSV, and its claims."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .claims import shares
from .crossval import Scored
from .tables import HEADS, TITLES, Cell

Results = Callable[[Cell], list[Scored | None]]
NAMES = {"dice": "Dice", "bdice": "BDice", "ece": "ECE", "ece_near": "ECE near"}


def summarize(cell: Cell, results: list[Scored | None]) -> dict[str, Any]:
    """Return a cell's number in percent: mean, standard deviation over folds, folds that it has."""
    row = {"row": " | ".join(cell.row), "column": " | ".join(cell.column), "score": cell.score}
    row |= {"ours": None, "std": None, "folds": 0, "paper": cell.paper}
    if cell.value is not None:
        return row | {"ours": cell.value * (1 if cell.score == "count" else 100)}
    found = [r for r in results if r is not None]
    if not found or len(found) < len(cell.parts):
        return row
    folds = min(len(r.folds) for r in found)
    means = np.mean([r.of_folds(cell.score)[:folds] for r in found], axis=0)
    return row | {
        "ours": 100 * float(np.mean([r.mean(cell.score) for r in found])),
        "std": 100 * float(np.std(means, ddof=1)) if folds > 1 else None,
        "folds": folds,
    }


def to_csv(table: int, rows: list[dict[str, Any]], quick: bool) -> str:
    """Return one line for each cell."""
    text = io.StringIO()
    lines = [{"table": table, **row, "quick": quick} for row in rows]
    writer = csv.DictWriter(text, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def to_markdown(
    table: int,
    cells: Sequence[Cell],
    rows: list[dict[str, Any]],
    claims: list[dict[str, Any]],
    notes: Sequence[str],
    quick: bool,
) -> str:
    """Return the table in the paper's shape; every cell is ours, with the paper's in brackets."""
    lines = [f"# Table {table}: {TITLES[table]}", ""]
    if quick:
        lines += ["**QUICK RUN: few folds and epochs, to see that all works; no result.**", ""]
    lines += [_LEGEND if table != 6 else "Ours, with the paper's number in brackets.", ""]
    lines += shape(table, cells, rows)
    if claims:
        lines += ["", *claim_lines(claims)]
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in notes), ""])


_LEGEND = (
    "Ours in percent: mean over the cases of all validation folds ± standard deviation over folds, "
    "with the paper's number in brackets; – where there is none."
)


def shape(table: int, cells: Sequence[Cell], rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the table itself."""
    columns = list(dict.fromkeys(cell.column for cell in cells))
    places = list(dict.fromkeys(cell.row for cell in cells))
    shown = {(cell.row, cell.column): row for cell, row in zip(cells, rows, strict=True)}
    heads = HEADS.get(table, ("",))
    head = [*heads, *(", ".join(column) for column in columns)]
    lines = [_line(head), "|" + "---|" * len(head)]
    for place in places:
        numbers = [number(shown[place, c]) if (place, c) in shown else "" for c in columns]
        lines.append(_line([*place, *numbers]))
    return lines


def number(row: dict[str, Any]) -> str:
    """Return a cell's text."""
    digits = 0 if row["score"] == "count" else 2
    ours = "–" if row["ours"] is None else f"{row['ours']:.{digits}f}"
    spread = "" if row["std"] is None else f" ± {row['std']:.2f}"
    paper = "" if row["paper"] is None else f" ({row['paper']:.{digits}f})"
    return ours + spread + paper


def claim_lines(claims: list[dict[str, Any]]) -> list[str]:
    """Return the paper's claims with their tests as a table."""
    lines = [
        "What the paper claims, tested here (difference in percentage points, paired by patient; "
        "interval from a bootstrap of patients, p from Wilcoxon's signed-rank test, not corrected "
        "for the number of tests; a claim shows if p < 0.05 and the interval is on its side of 0):",
        "",
        "| data | claim | score | difference [95 % interval] | patients better | p | here |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in claims:
        low, high = c["interval"]
        shift = f"{100 * c['mean']:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
        name = f"{c['first']} better than {c['second']}"
        share = f"{100 * shares(c)[0]:.0f} %"
        found = [shift, share, f"{c['p']:.2g}", f"**{c['verdict']}**"]
        cells = [c["row"], name, NAMES[c["score"]], *found]
        lines.append(_line(cells))
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escape, cells)) + " |"


def escape(text: str) -> str:
    """Return text that stays in its cell, whatever a data set is called."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
