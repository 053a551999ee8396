"""The tables that ``evaluate`` wrote, read again with suspicion."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from ..faults import UsageError, printable
from ..results.registry import (
    ASKED_BY,
    COMPARED,
    OPTIONAL_SCORES,
    curve_names,
    prediction_score,
    threshold_text,
)
from ..runs.output import was_stopped
from ..scores.summary import CASES

_SIZES = ("raters", "voxels")
_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("case", "task", "patient"), (str, "a text")),
    **dict.fromkeys(_SIZES, (int, "an integer")),
}
_OPTIONS = ("n_bins", "empty", "margin", "label", "regions", "ignore", "missing")
_SLACK = 1e-9  # a mean of ones may round to a bit more than one

#: A case and one of its tasks.
Key = tuple[str, str]


@dataclass(frozen=True)
class ScoredTask:
    """The scores of one task of one case, and its patient.

    ``size`` has the numbers of raters and of voxels of the reference. ``values`` are those of
    the columns of `Scores`; NaN where there is none.
    """

    patient: str
    size: tuple[int, ...]
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
    columns : tuple of str
        The names of the scores that were read: BDice, those asked for, and Dice at each threshold.
    rows : dict
        The scores of each task of each case.
    options : dict
        How they were scored, as far as the summary beside the table has it.
    """

    name: str
    path: Path
    digest: str
    thresholds: tuple[float, ...]
    columns: tuple[str, ...]
    rows: dict[Key, ScoredTask]
    options: dict[str, Any]


def read_scores(name: str, folder: Path, metrics: Sequence[str] = COMPARED) -> Scores:
    """Read ``cases.json`` in a folder that ``evaluate`` wrote.

    Parameters
    ----------
    name : str
        The name of the model.
    folder : Path
        The folder.
    metrics : sequence of str, optional
        The scores to read, each of which it must have.

    Returns
    -------
    Scores
        All its rows.

    Raises
    ------
    UsageError
        If it cannot be read or is not such a table; the file is named.
    """
    path = folder / f"{CASES}.json"
    if was_stopped(folder):
        raise UsageError(
            f"{_shown(folder)} holds the scores of a stopped run: go on with it by --resume"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {_shown(path)}: {error.strerror or error}") from error
    try:
        table = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{_shown(path)} is no JSON: {error}") from error
    if not isinstance(table, list):
        raise UsageError(f"{_shown(path)} must hold a list of scores, got {type(table).__name__}")
    if not table:
        raise UsageError(f"{_shown(path)} has no scored case")
    try:
        thresholds = _thresholds(table[0], metrics)
        columns = tuple(dict.fromkeys(("bdice", *metrics, *curve_names(thresholds))))
        rows: dict[Key, ScoredTask] = {}
        for number, row in enumerate(table, start=1):
            key, scored = _scored_task(row, columns, number)
            if key in rows:
                raise ValueError(f"has {_shown(' '.join(key))} twice")
            rows[key] = scored
    except ValueError as error:
        raise UsageError(f"{_shown(path)} {error}") from error
    digest = sha256(content).hexdigest()
    return Scores(name, path, digest, thresholds, columns, rows, _options(folder, metrics))


def _options(folder: Path, metrics: Sequence[str]) -> dict[str, Any]:
    """Return the options that change scores, none where there is no summary of ``evaluate``."""
    try:
        found = json.loads((folder / "summary.json").read_bytes())["options"]
        names = (*_OPTIONS, "nsd_tolerance") if "nsd" in metrics else _OPTIONS
        return {name: found[name] for name in names if name in found}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _thresholds(row: Any, metrics: Sequence[str]) -> tuple[float, ...]:
    """Return the thresholds that the columns are of."""
    _require_columns(row, (*_KINDS, "bdice"), 1)
    missing = [name for name in metrics if name not in row]
    if missing:
        had = [name for name in metrics if name in row]
        asked = (o for o, scores in OPTIONAL_SCORES.items() if missing[0] in scores)
        option = next((f" with {ASKED_BY[o]}" for o in asked), "")
        why = "" if option else "an older version wrote it; "
        raise ValueError(
            f"has no {missing[0]}: {why}evaluate again{option}, or give --metric "
            + " ".join(had or ["bdice"])
        )
    found = []
    for name in row:
        text = threshold_text(name)
        if text is None:
            continue
        try:
            found.append(float(text))
        except ValueError:
            raise ValueError(f"has the column {_shown(name)} of no threshold") from None
    if not found or not all(0 < t <= 1 for t in found):
        raise ValueError("must have columns dice@T with T above 0 and at most 1")
    if curve_names(sorted(found)) != curve_names(found) or len(set(found)) < len(found):
        raise ValueError("must have rising thresholds in its columns dice@T")
    return tuple(found)


def _scored_task(row: Any, names: Sequence[str], number: int) -> tuple[Key, ScoredTask]:
    _require_columns(row, (*_KINDS, *names), number)
    levels, known = ([n for n in some if threshold_text(n) is not None] for some in (row, names))
    if len(levels) > len(known):
        raise ValueError(f"has other thresholds in row {number} than in row 1")
    for name, (kind, words) in _KINDS.items():
        if type(row[name]) is not kind:
            raise ValueError(f"has {name} {row[name]!r:.40} in row {number}, not {words}")
    values = tuple(_score(row[name], name, number) for name in names)
    size = tuple(row[name] for name in _SIZES)
    return (row["case"], row["task"]), ScoredTask(row["patient"], size, values)


def _require_columns(row: Any, names: tuple[str, ...], number: int) -> None:
    if not isinstance(row, dict):
        raise ValueError(f"must have one object per case, got {type(row).__name__} in row {number}")
    missing = [name for name in names if name not in row]
    if missing:
        raise ValueError(f"has no {missing[0]} in row {number}: not a table of evaluate")


def _score(value: Any, name: str, number: int) -> float:
    if value is None:
        return math.nan
    low, high = prediction_score(name).limits
    if type(value) in (int, float) and low - _SLACK <= value <= high + _SLACK:
        return float(value)
    raise ValueError(
        f"has {name} {value!r:.40} in row {number}, not a number in [{low:g}, {high:g}] or null"
    )


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _shown(text: object) -> str:
    return printable(str(text))
