"""From the scores of cases to a table and one summary."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import __version__, overlap_loss

from .atomic import write_text
from .faults import Fault
from .scoring import CaseScore, Options
from .tables import csv_text, digits, table

NUMBERS = ("bdice", "dice", "jaccard", "ece", "ece_soft")
_AGGREGATION = (
    "mean over cases, each case of each task weighing the same; "
    "'pooled' is the score of the pixels of all cases together"
)


def summarize(
    scores: Sequence[CaseScore], faults: Sequence[Fault], options: Options
) -> dict[str, Any]:
    """Return the scores per task and overall, with the counts of cases behind them.

    Parameters
    ----------
    scores : sequence of CaseScore
        Of the good cases.
    faults : sequence of Fault
        Of the others.
    options : Options
        That they were scored with.

    Returns
    -------
    dict
        ``overall`` and ``tasks`` with `bdice`, `dice`, `jaccard`, `ece` and `ece_soft`, None where
        there is none; ``faults``, ``options`` and ``version``.
    """
    tasks = sorted({s.task for s in scores} | {f.task for f in faults if f.task})
    return {
        "overall": _means(scores, faults, options),
        "tasks": {
            task: _means(
                [s for s in scores if s.task == task],
                [f for f in faults if f.task in (task, "")],
                options,
            )
            for task in tasks
        },
        "aggregation": _AGGREGATION,
        "faults": [asdict(f) for f in faults],
        "options": jsonable(asdict(options)),
        "version": __version__,
    }


def _means(
    scores: Sequence[CaseScore], faults: Sequence[Fault], options: Options
) -> dict[str, Any]:
    result: dict[str, Any] = {
        name: jsonable(mean_of_known(getattr(s, name) for s in scores)) for name in NUMBERS
    }
    result["cases"] = {"scored": len(scores), "faulty": len(faults)}
    if scores:
        result["dice_at_threshold"] = [
            jsonable(mean_of_known(column))
            for column in zip(*(s.curve for s in scores), strict=True)
        ]
        result["pooled"] = _pooled(scores, options)
    return result


def _pooled(scores: Sequence[CaseScore], options: Options) -> dict[str, Any]:
    """Return the scores of all pixels together, from the sums of the statistics."""
    hard = sum((s.hard for s in scores[1:]), scores[0].hard)
    counts = sum((s.counts for s in scores[1:]), scores[0].counts)
    bins = sum((s.bins for s in scores[1:]), scores[0].bins)
    soft_bins = sum((s.soft_bins for s in scores[1:]), scores[0].soft_bins)
    values = {
        "bdice": counts.binarized_dice(empty=options.empty),
        "dice": 1 - overlap_loss(hard, form="dml1"),
        "jaccard": 1 - overlap_loss(hard, form="jml1"),
        "ece": bins.error(norm="l1"),
        "ece_soft": soft_bins.error(norm="l1"),
    }
    return {name: jsonable(float(value)) for name, value in values.items()}


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, NaN if there is none."""
    known = [float(v) for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def jsonable(value: Any) -> Any:
    """Return None for what JSON has no number for, and lists for sequences."""
    if isinstance(value, dict):
        return {k: jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [jsonable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf"
    return value


def case_table(scores: Sequence[CaseScore], options: Options) -> str:
    """Return one line of CSV a case, the Dice score at each threshold included."""
    rows = [
        {
            "case": s.case,
            "task": s.task,
            "raters": s.raters,
            "voxels": s.voxels,
            **{name: digits(getattr(s, name)) for name in NUMBERS},
            **{f"dice@{t:g}": digits(v) for t, v in zip(options.thresholds, s.curve, strict=True)},
        }
        for s in scores
    ]
    names = ["case", "task", "raters", "voxels", *NUMBERS]
    return csv_text(names + [f"dice@{t:g}" for t in options.thresholds], rows)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a dictionary for people and machines to read."""
    write_text(path, json_text(value))


def json_text(value: dict[str, Any]) -> str:
    """Return a dictionary as JSON, indented."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def score_table(summary: dict[str, Any]) -> str:
    """Return a summary as text: one line a task, and one for all of them."""
    parts = {**summary["tasks"], "all": summary["overall"]}
    rows = [
        [task, str(part["cases"]["scored"]), str(part["cases"]["faulty"])]
        + ["-" if part[name] is None else f"{part[name]:.4f}" for name in NUMBERS]
        for task, part in parts.items()
    ]
    names = ["task", "cases", "faulty", "BDice", "Dice", "Jaccard", "ECE", "soft ECE"]
    return table(names, rows)
