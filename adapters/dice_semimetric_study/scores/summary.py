"""From the scores of cases to a table and one summary."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dice_semimetric import __version__, overlap_loss

from ..faults import Fault, printable
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap, Numbers, mean_intervals
from ..results.tables import table
from .case_score import CaseScore, Options
from .score_tables import NUMBERS, TITLES

__all__ = [
    "NUMBERS",
    "mean_of_known",
    "score_table",
    "summarize",
]

_AGGREGATION = (
    "mean over cases, each case of each task weighing the same; "
    "'pooled' is the score of the pixels of all cases together"
)
BOOTSTRAP = "percentiles of the mean over resamples of the patients, each with all its cases"


def summarize(
    scores: Sequence[CaseScore],
    faults: Sequence[Fault],
    options: Options,
    *,
    patients: Mapping[str, str] | None = None,
    bootstrap: Bootstrap | None = None,
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
    patients : dict, optional
        The patient of each case; by default each case is one.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.

    Returns
    -------
    dict
        ``overall`` and ``tasks`` with `bdice`, `dice`, `jaccard`, `ece` and `ece_soft`, None where
        there is none, and their ``intervals``, None where fewer than two patients have a value;
        ``faults``, ``options`` and ``version``.
    """
    bootstrap = bootstrap or Bootstrap()
    patients = {s.case: s.case for s in scores} if patients is None else patients
    tasks = sorted({s.task for s in scores} | {f.task for f in faults if f.task})
    return {
        "overall": _means(scores, faults, options, patients, bootstrap),
        "tasks": {
            task: _means(
                [s for s in scores if s.task == task],
                [f for f in faults if f.task in (task, "")],
                options,
                patients,
                bootstrap,
            )
            for task in tasks
        },
        "aggregation": _AGGREGATION,
        "bootstrap": asdict(bootstrap) | {"method": BOOTSTRAP},
        "faults": [asdict(f) for f in faults],
        "options": jsonable(asdict(options)),
        "version": __version__,
    }


def _means(
    scores: Sequence[CaseScore],
    faults: Sequence[Fault],
    options: Options,
    patients: Mapping[str, str],
    bootstrap: Bootstrap,
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
        whose = [patients[s.case] for s in scores]
        result["patients"] = len(set(whose))
        result["intervals"] = _intervals(scores, whose, bootstrap)
    return result


def _intervals(
    scores: Sequence[CaseScore], whose: Sequence[str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return the interval of every mean over cases."""
    values = np.array([[*(getattr(s, n) for n in NUMBERS), *s.curve] for s in scores], float)
    pairs = known_intervals(values, whose, bootstrap)
    named = dict(zip(NUMBERS, pairs, strict=False))
    return named | {"dice_at_threshold": pairs[len(NUMBERS) :]}


def known_intervals(
    values: Numbers, patients: Sequence[str], bootstrap: Bootstrap
) -> list[list[float] | None]:
    """Return the ends of `mean_intervals` of each column, None where they are not known."""
    pairs = mean_intervals(values, patients, bootstrap).T
    return [None if np.isnan(pair).any() else pair.tolist() for pair in pairs]


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


def score_table(summary: dict[str, Any]) -> str:
    """Return a summary as text: a line a task and one for all of them, with their intervals."""
    parts = {**summary["tasks"], "all": summary["overall"]}
    share = f"{100 * summary['bootstrap']['confidence']:g} %"
    rows = []
    for task, part in parts.items():
        cases = part["cases"]
        means = ["-" if part[name] is None else f"{part[name]:.4f}" for name in NUMBERS]
        rows.append([printable(task), str(cases["scored"]), str(cases["faulty"]), *means])
        between = part.get("intervals", {})
        if any(between.get(name) for name in NUMBERS):
            rows.append([f"  {share} of draws", "", "", *(_range(between[n]) for n in NUMBERS)])
    return table(["task", "cases", "faulty", *TITLES.values()], rows)


def _range(pair: Sequence[float] | None) -> str:
    return "-" if pair is None else f"{pair[0]:.3f}-{pair[1]:.3f}"
