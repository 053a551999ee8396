"""Tables as text: CSV for machines, aligned columns for people."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(names: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return a table as CSV with a line of names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return lines with aligned columns: the first to the left, the others to the right."""
    lines = [list(names), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    ruled = [lines[0], ["-" * w for w in widths], *lines[1:]]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in ruled
    )


def digits(value: float) -> str:
    """Return six digits after the point, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.6f}"
