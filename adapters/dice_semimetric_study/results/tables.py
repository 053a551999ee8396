"""Tables: CSV, JSON and Parquet for machines, aligned columns for people."""

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unicodedata import combining, east_asian_width

from dice_semimetric._lib.extras import install

from ..faults import printable, reason_of
from ..files.atomic import write_bytes, write_text
from ..files.json import write_json
from ..runs.logs import left_out, log

#: A spreadsheet takes a text with one of these in front for a formula, in full width too.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SEPARATORS = frozenset(',;"')
#: Columns whose small numbers tell as much as large ones.
_CHANCES = ("p", "p_holm")


def write_table(stem: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write a table as .csv, .json and, where pyarrow is installed, .parquet.

    CSV is as `csv_text` has it. JSON is a list with one object per row,
    all digits, and null for NaN; Parquet has both as they are.
    """
    write_text(stem.with_suffix(".csv"), csv_text(names, rows))
    whole = [{n: None if _is_nan(r[n]) else r[n] for n in names} for r in rows]
    write_text(stem.with_suffix(".json"), json.dumps(whole, indent=1, allow_nan=False) + "\n")
    parquet = stem.with_suffix(".parquet")
    content = None
    if find_spec("pyarrow"):
        with left_out(parquet.name):
            content = _parquet(names, whole)
    else:
        log.debug("%s left out: %s", parquet.name, install("parquet"))
    if content is None:
        parquet.unlink(missing_ok=True)  # an old one would contradict the others
    else:
        write_bytes(parquet, content)


@contextmanager
def summarized(path: Path, summary: dict[str, Any]) -> Iterator[None]:
    """Write a summary, then what belongs to it; if that is cut short, the summary says so."""
    write_json(path, summary)
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        why = reason_of(error) if isinstance(error, OSError) else "stopped by the user"
        with suppress(OSError):
            write_json(path, summary | {"stopped": f"not all files are written: {why}"})
        raise


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


def csv_text(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    r"""Return a table as CSV, the names of the columns first, with one line per row.

    Numbers have six digits after the point, a p six digits that count, and NaN is nothing. In a
    text, characters that no terminal takes are escaped, a line break among them. A text that a
    spreadsheet would take for a formula has an apostrophe in front, as OWASP recommends; numbers
    below 0 have none.

    Examples
    --------
    >>> from dice_semimetric_study.results.tables import csv_text
    >>> print(csv_text(["case", "kappa"], [{"case": "=1+1\r", "kappa": -0.5}]), end="")
    case,kappa
    '=1+1\r,-0.500000
    """
    lines = [names, *([_of_column(name, row[name]) for name in names] for row in rows)]
    return "".join(",".join(map(_cell, line)) + "\n" for line in lines)


def _of_column(name: str, value: Any) -> Any:
    """Return a value, or a small p as text with digits of its own."""
    known = isinstance(value, float) and not _is_nan(value)
    return f"{value:#.6g}" if name in _CHANCES and known else value


def _cell(value: Any) -> str:
    """Return a value as a cell; quotes keep separators inside, the semicolon of some lands too."""
    if isinstance(value, str):
        text = printable(value)
        text = f"'{text}" if text.startswith(_FORMULA) else text
        return '"{}"'.format(text.replace('"', '""')) if _SEPARATORS & set(text) else text
    if isinstance(value, float):
        return digits(value)
    return "" if value is None else str(value)


def parts_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return each task of a summary and, unless there is just one, all of them together."""
    parts = dict(summary["tasks"])
    return parts if len(parts) == 1 else parts | {"all": summary["overall"]}


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return lines with aligned columns: the first to the left, the others to the right."""
    lines = [list(names), *map(list, rows)]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(names))]
    ruled = [lines[0], ["-" * w for w in widths], *lines[1:]]
    return "\n".join(
        "  ".join(
            _padded(cell, width, left=i == 0)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in ruled
    )


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of East Asia take two."""
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def _padded(cell: str, width: int, *, left: bool) -> str:
    blank = " " * (width - _width(cell))
    return cell + blank if left else blank + cell


def digits(value: float) -> str:
    """Return six digits after the point, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.6f}"
