"""A table as Markdown beside the paper's numbers, as CSV and as JSON, and its claims."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from dice_semimetric_study.results.tables import csv_text

from .book import Cell, Table
from .claims import shares
from .records import Scored
from .scores import NAMES
from .tables import HEADS, TITLES


def summarize(cell: Cell, results: list[Scored | None]) -> dict[str, Any]:
    """Return a cell's number in percent: its mean, its spread over folds and seeds, and each."""
    row: dict[str, Any] = {"row": " | ".join(cell.row), "column": " | ".join(cell.column)}
    row |= {
        "score": cell.score,
        "ours": None,
        "std": None,
        "parts": [],
        "values": [],
        "paper": cell.paper,
    }
    if cell.value is not None:
        return row | {"ours": cell.value * (1 if cell.score == "count" else 100)}
    found = [r for r in results if r is not None]
    if not found or len(found) < len(cell.parts):
        return row
    count = min(len(r.parts) for r in found)
    means = np.mean([r.by_part(cell.score)[:count] for r in found], axis=0)
    return row | {
        "ours": 100 * float(np.mean([r.mean(cell.score) for r in found])),
        "std": 100 * float(np.std(means, ddof=1)) if count > 1 else None,
        "parts": found[0].parts[:count],
        "values": (100 * means).tolist(),
    }


def to_csv(table: Table, rows: list[dict[str, Any]], quick: bool) -> str:
    """Return one row for each cell."""
    names = ("table", "row", "column", "score", "ours", "std", "paper", "parts", "quick")
    more = {"table": table, "quick": quick}
    known = [row | more | {"parts": len(row["parts"])} for row in rows]
    return csv_text(names, [{name: row[name] for name in names} for row in known])


def to_markdown(
    table: Table,
    cells: Sequence[Cell],
    rows: list[dict[str, Any]],
    claims: list[dict[str, Any]],
    notes: Sequence[str],
    quick: bool,
) -> str:
    """Return the table in the paper's shape; every cell is ours, with the paper's in brackets."""
    ours = isinstance(table, str)
    lines = [f"# {TITLES[table]}" if ours else f"# Table {table}: {TITLES[table]}", ""]
    if quick:
        lines += ["**QUICK RUN: few folds and epochs, to see that all works; no result.**", ""]
    lines += [_LEGENDS.get(table, _COMPARISON if ours else _LEGEND), ""]
    lines += shape(table, cells, rows)
    seeds = sorted({seed for row in rows for seed, _ in row["parts"]})
    for seed in seeds if len(seeds) > 1 else ():
        some = [(cell, of_seed(row, seed)) for cell, row in zip(cells, rows, strict=True)]
        known = [pair for pair in some if pair[1]["ours"] is not None]
        lines += ["", f"Seed {seed}:", "", *shape(table, *zip(*known, strict=True))]
    if claims:
        title = "Paired comparisons" if ours else "What the paper claims, tested here"
        lines += ["", *claim_lines(claims, title)]
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in notes), ""])


_LEGEND = (
    "Ours in percent: mean over the cases of all validation folds ± standard deviation over folds, "
    "with the paper's number in brackets; – where there is none."
)
_COMPARISON = "In percent: mean over the test cases and seeds ± standard deviation over seeds."
_LEGENDS: dict[Table, str] = {6: "Ours, with the paper's number in brackets."}


def of_seed(row: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the number of a cell for one seed, the mean over its folds."""
    values = [v for (s, _), v in zip(row["parts"], row["values"], strict=True) if s == seed]
    return row | {"ours": float(np.mean(values)) if values else None, "std": None, "paper": None}


def shape(table: Table, cells: Sequence[Cell], rows: list[dict[str, Any]]) -> list[str]:
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


def claim_lines(claims: list[dict[str, Any]], title: str) -> list[str]:
    """Return claims with their tests as a table."""
    lines = [
        f"{title} (difference in percentage points, paired by patient; "
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
