"""What a method finds about raters: rows of a table, and their means in a terminal."""

from collections.abc import Sequence
from typing import Any

from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..results.bootstrap import mean_of_known
from ..results.tables import table
from ..results.text import number, shortened
from .patterns import Columns

Row = dict[str, Any]
_KEYS = ("case", "task", "rater")


def rater_rows(case: Rated, region: str, found: Columns) -> list[Row]:
    """Return one row for each rater of a structure, none where nothing is found."""
    if not found:
        return []
    return [
        {"case": case.case, "task": task_name(case.task, region), "rater": rater}
        | {name: float(values[i]) for name, values in found.items()}
        for i, rater in enumerate(case.reference.masks)
    ]


def rater_table(rows: Sequence[Row]) -> str:
    """Return the means over cases as text, one row for each task and rater."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["rater"]), []).append(row)
    names = [name for name in rows[0] if name not in _KEYS]
    means = [
        [*map(shortened, key), str(len(group))]
        + [number(mean_of_known(row[name] for row in group)) for name in names]
        for key, group in sorted(groups.items())
    ]
    return table(["task", "rater", "cases", *names], means)
