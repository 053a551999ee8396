"""Tables: CSV, JSON and Parquet for machines, aligned columns for people."""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..files.atomic import write_bytes, write_text
from ..runs.logs import left_out


def write_table(stem: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write a table as .csv, .json and, where pyarrow is installed, .parquet.

    CSV has six digits after the point and nothing for NaN. JSON is a list with one object per row,
    all digits, and null for NaN; Parquet has both as they are.
    """
    known = [{n: digits(v) if isinstance(v, float) else v for n, v in r.items()} for r in rows]
    write_text(stem.with_suffix(".csv"), csv_text(names, known))
    whole = [{n: None if _is_nan(r[n]) else r[n] for n in names} for r in rows]
    write_text(stem.with_suffix(".json"), json.dumps(whole, indent=1, allow_nan=False) + "\n")
    parquet = stem.with_suffix(".parquet")
    content = None
    if find_spec("pyarrow"):
        with left_out(parquet.name):
            content = _parquet(names, whole)
    if content is None:
        parquet.unlink(missing_ok=True)  # an old one would contradict the others
    else:
        write_bytes(parquet, content)


def files_of(stem: str) -> set[str]:
    """Return the names of the files that `write_table` may write."""
    return {f"{stem}.{end}" for end in ("csv", "json", "parquet")}


def _parquet(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """Return a table as Parquet, None where a value is missing."""
    arrow = import_module("pyarrow")
    kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    of_column = {n: next((type(r[n]) for r in rows if r[n] is not None), float) for n in names}
    schema = arrow.schema([(n, kinds[kind]) for n, kind in of_column.items()])
    table = arrow.Table.from_batches([], schema)
    if rows:
        # Arrow reads lines of JSON by itself; to take Python's values it imports pandas.
        lines = "\n".join(json.dumps({n: _encodable(r[n]) for n in names}) for r in rows)
        reader = import_module("pyarrow.json")
        options = reader.ParseOptions(explicit_schema=schema)
        table = reader.read_json(io.BytesIO(lines.encode()), parse_options=options)
    content = io.BytesIO()
    import_module("pyarrow.parquet").write_table(table, content)
    return content.getvalue()


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _encodable(value: Any) -> Any:
    """Return text that UTF-8 can hold, even where a file name has other bytes."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", errors="backslashreplace").decode()


def csv_text(names: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Return a table as CSV, the names of the columns first."""
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
