"""The tables that ``evaluate`` wrote, read again with suspicion."""

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from ..faults import UsageError, printable
from ..scores.score_tables import CASES, NUMBERS, curve_columns

_CURVE = "dice@"
_TEXTS = ("case", "task", "patient")
_WHAT = ("raters", "voxels")
_OPTIONS = ("n_bins", "empty", "label", "regions", "ignore")
_SLACK = 1e-9  # a mean of ones may round to a bit more than one

#: A case and one of its tasks.
Key = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """The scores of one task of one case.

    Attributes
    ----------
    patient : str
        Whose case it is.
    what : tuple of int
        The numbers of raters and of voxels of the reference.
    values : tuple of float
        `NUMBERS`, then Dice at each threshold; NaN where there is none.
    """

    patient: str
    what: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Scores:
    """The scores of one model.

    Attributes
    ----------
    name : str
        Of the model.
    path : Path
        The table.
    digest : str
        Its SHA-256.
    thresholds : tuple of float
        The levels of BDice, rising.
    lines : dict
        The scores of each task of each case.
    options : dict
        How they were scored, as far as the summary beside the table tells.
    """

    name: str
    path: Path
    digest: str
    thresholds: tuple[float, ...]
    lines: dict[Key, Line]
    options: dict[str, Any]


def read_scores(name: str, folder: Path) -> Scores:
    """Read ``cases.json`` in a folder that ``evaluate`` wrote.

    Parameters
    ----------
    name : str
        The name of the model.
    folder : Path
        The folder.

    Returns
    -------
    Scores
        All its lines.

    Raises
    ------
    UsageError
        If it cannot be read or is not such a table; the file is named.
    """
    path = folder / f"{CASES}.json"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {_shown(path)}: {error.strerror or error}") from error
    try:
        rows = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{_shown(path)} is no JSON: {error}") from error
    if not isinstance(rows, list):
        raise UsageError(f"{_shown(path)} must hold a list of scores, got {type(rows).__name__}")
    if not rows:
        raise UsageError(f"{_shown(path)} has no scored case")
    try:
        thresholds = _thresholds(rows[0])
        lines: dict[Key, Line] = {}
        for number, row in enumerate(rows, start=1):
            key, line = _line(row, thresholds, number)
            if key in lines:
                raise ValueError(f"has {_shown(' '.join(key))} twice")
            lines[key] = line
    except ValueError as error:
        raise UsageError(f"{_shown(path)} {error}") from error
    return Scores(name, path, sha256(content).hexdigest(), thresholds, lines, _options(folder))


def _options(folder: Path) -> dict[str, Any]:
    """Return the options that change scores, none where there is no summary of ``evaluate``."""
    try:
        found = json.loads((folder / "summary.json").read_bytes())["options"]
        return {name: found[name] for name in _OPTIONS}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _thresholds(row: Any) -> tuple[float, ...]:
    """Return the thresholds that the columns are of."""
    _columns(row, (*_TEXTS, *_WHAT, *NUMBERS), 1)
    found = []
    for text in (name.removeprefix(_CURVE) for name in row if name.startswith(_CURVE)):
        try:
            found.append(float(text))
        except ValueError:
            raise ValueError(f"has the column {_shown(_CURVE + text)} of no threshold") from None
    if not found or not all(0 < t <= 1 for t in found):
        raise ValueError(f"must have columns {_CURVE}T with T above 0 and at most 1")
    if curve_columns(sorted(found)) != curve_columns(found) or len(set(found)) < len(found):
        raise ValueError(f"must have rising thresholds in its columns {_CURVE}T")
    return tuple(found)


def _line(row: Any, thresholds: tuple[float, ...], number: int) -> tuple[Key, Line]:
    names = (*NUMBERS, *curve_columns(thresholds))
    _columns(row, (*_TEXTS, *_WHAT, *names), number)
    if sum(name.startswith(_CURVE) for name in row) > len(thresholds):
        raise ValueError(f"has other thresholds in line {number} than in line 1")
    for name in _TEXTS:
        if not isinstance(row[name], str):
            raise ValueError(f"has {name} {row[name]!r:.40} in line {number}, not a text")
    for name in _WHAT:
        if type(row[name]) is not int:
            raise ValueError(f"has {name} {row[name]!r:.40} in line {number}, not an integer")
    values = tuple(_score(row[name], name, number) for name in names)
    what = tuple(row[name] for name in _WHAT)
    return (row["case"], row["task"]), Line(row["patient"], what, values)


def _columns(row: Any, names: tuple[str, ...], number: int) -> None:
    if not isinstance(row, dict):
        raise ValueError(f"must have an object a case, got {type(row).__name__} in line {number}")
    missing = [name for name in names if name not in row]
    if missing:
        raise ValueError(f"has no {missing[0]} in line {number}: not a table of evaluate")


def _score(value: Any, name: str, number: int) -> float:
    if value is None:
        return math.nan
    if type(value) in (int, float) and -_SLACK <= value <= 1 + _SLACK:
        return float(value)
    raise ValueError(f"has {name} {value!r:.40} in line {number}, not a number in [0, 1] or null")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _shown(text: object) -> str:
    return printable(str(text))
