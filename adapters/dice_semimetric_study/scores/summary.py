"""From the scores of cases to tables and one summary."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import __version__

from ..faults import Fault, counted, printable
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap, means_with_intervals
from ..results.registry import (
    OPTIONAL_SCORES,
    SAMPLE_SCORES,
    SURFACE_SCORES,
    VOLUME_SCORES,
    Score,
    curve_names,
    main_scores,
)
from ..results.tables import parts_of, table, write_table
from ..results.text import confidence, form_of, interval, known, number
from ..runs.each import without_stop
from .among import COLUMNS, among_raters, among_rows, among_table
from .case_score import CaseScore, pooled
from .options import Options
from .rater_score import RaterScore
from .surfaces import within

#: The tables of a study, without their endings, and what names the rows of two.
CASES, RATERS, AMONG_RATERS = "cases", "raters", "among_raters"
_KEYS = ("case", "task", "patient")
_NOT_POOLED = {*VOLUME_SCORES, *SURFACE_SCORES, *SAMPLE_SCORES}
_OF_RATER = tuple(field.name for field in fields(RaterScore))
_AGGREGATION = (
    "mean over cases, each case of each task weighing the same; "
    "'pooled' is the score of the pixels of all cases together"
)


def write_score_tables(
    out: Path,
    scores: Sequence[CaseScore],
    options: Options,
    patients: Mapping[str, str],
    summary: Mapping[str, Any],
) -> None:
    """Write the tables of scores.

    They are ``cases``, one row per case and task, ``raters``, one row per rater of these, and
    ``among_raters``, one row per task and score.
    """
    curve = curve_names(options.thresholds)
    keys = [{"case": s.case, "task": s.task, "patient": patients[s.case]} for s in scores]
    cases: list[dict[str, Any]] = [
        key
        | {"raters": s.raters, "voxels": s.voxels}
        | {name: float(getattr(s, name)) for name in options.scores}
        | dict(zip(curve, map(float, s.curve), strict=True))
        for key, s in zip(keys, scores, strict=True)
    ]
    columns = [*_KEYS, "raters", "voxels", *options.scores, *curve]
    if options.missing == "worst":
        columns.append("fault")
        cases = [row | {"fault": s.fault} for row, s in zip(cases, scores, strict=True)]
    write_table(out / CASES, columns, cases)
    raters: list[dict[str, Any]] = [
        key | {name: getattr(rater, name) for name in _OF_RATER}
        for key, s in zip(keys, scores, strict=True)
        for rater in s.by_rater
    ]
    write_table(out / RATERS, [*_KEYS, *_OF_RATER], raters)
    among = [{k: known(v) if v is None else v for k, v in r.items()} for r in among_rows(summary)]
    write_table(out / AMONG_RATERS, COLUMNS, among)


def summarize(
    scores: Sequence[CaseScore],
    faults: Sequence[Fault],
    options: Options,
    *,
    patients: Mapping[str, str] | None = None,
    bootstrap: Bootstrap | None = None,
    names: Sequence[str] | None = None,
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
    names : sequence of str, optional
        The scores; by default ``options.scores``.

    Returns
    -------
    dict
        ``overall`` and ``tasks`` with the mean of each score, None where there is none, their
        ``intervals``, None where fewer than two patients have a value, and
        ``among_raters`` where a case has several raters, see `among_raters`; ``faults``,
        ``options`` and ``version``; ``stopped`` where the user stopped the run.
    """
    faults, stop = without_stop(faults)
    bootstrap = bootstrap or Bootstrap()
    patients = {s.case: s.case for s in scores} if patients is None else patients
    names = list(options.scores) if names is None else names
    tasks = sorted({s.task for s in scores} | {f.task for f in faults if f.task})
    parts = {
        t: ([s for s in scores if s.task == t], [f for f in faults if f.task in (t, "")])
        for t in tasks
    }
    means = {t: _means(*part, names, options, patients, bootstrap) for t, part in parts.items()}
    alone = len(tasks) == 1  # is all there is
    return {
        "overall": means[tasks[0]]
        if alone
        else _means(scores, faults, names, options, patients, bootstrap),
        "tasks": means,
        "aggregation": _AGGREGATION,
        "bootstrap": bootstrap.described(),
        "faults": [asdict(f) for f in faults],
        **({"stopped": stop} if stop else {}),
        "options": jsonable(asdict(options)),
        "version": __version__,
    }


def _means(
    scores: Sequence[CaseScore],
    faults: Sequence[Fault],
    names: Sequence[str],
    options: Options,
    patients: Mapping[str, str],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    good = [s for s in scores if not s.fault]
    counts = {"scored": len(good), "faulty": len(faults)}
    if options.missing == "worst":
        counts["worst"] = len(scores) - len(good)
    if not scores:
        return dict.fromkeys(names) | {"cases": counts}
    of_score = [patients[s.case] for s in scores]
    values = np.array([[*(getattr(s, n) for n in names), *s.curve] for s in scores], float)
    means, intervals = jsonable(means_with_intervals(values, of_score, bootstrap))
    count, curve = len(names), "dice_at_threshold"
    among = among_raters(scores, patients, bootstrap)
    return dict(zip(names, means, strict=False)) | {
        "cases": counts,
        curve: means[count:],
        **_of_pixels(good, names),
        "patients": len(set(of_score)),
        "intervals": dict(zip(names, intervals, strict=False)) | {curve: intervals[count:]},
        **({"among_raters": among} if among else {}),
    }


def _of_pixels(scores: Sequence[CaseScore], names: Sequence[str]) -> dict[str, Any]:
    """Return the scores of the pixels of all cases together, and what calibration is made of."""
    if not scores:
        return {"pooled": {}, "decomposition": {}}
    together = pooled(scores)
    known = [n for n in names if not (n in _NOT_POOLED or n.endswith("by_rater"))]
    return {
        "pooled": {name: jsonable(getattr(together, name)) for name in known},
        "decomposition": {
            name: {s: jsonable(bins.decompose(s)._asdict()) for s in ("brier", "log")}
            for name, bins in (("ece", together.bins), ("ece_soft", together.soft_bins))
        },
    }


def score_table(summary: dict[str, Any]) -> str:
    """Return a summary as text: one row per task and one for all of them, with their intervals.

    Behind it are the scores that were asked for, and the model among the raters where cases have
    several.
    """
    options = summary["options"]
    tables = [_means_table(summary, main_scores(summary.get("protocol")))]
    for option, scores in OPTIONAL_SCORES.items():
        if options[option]:
            tables.append(_means_table(summary, scores))
            if option == "surface":
                tables[-1] += f"\n{within(options['nsd_tolerance'])}"
    if worst := summary["overall"]["cases"].get("worst"):
        words = counted(worst, "missing or faulty prediction")
        tables.append(f"with the worst values of {words} in the means")
    return "\n\n".join(tables) + among_table(summary)


def asked_scores(summary: Mapping[str, Any]) -> dict[str, Score]:
    """Return the scores of a summary that options asked for."""
    asked = (scores for name, scores in OPTIONAL_SCORES.items() if summary["options"][name])
    return {name: score for scores in asked for name, score in scores.items()}


def _means_table(summary: dict[str, Any], scores: Mapping[str, Score]) -> str:
    rows = []
    for task, part in parts_of(summary).items():
        cases = part["cases"]
        ends = {name: part.get("intervals", {}).get(name) for name in scores}
        means = [number(part[name], form_of(ends[name])) for name in scores]
        rows.append([printable(task), str(cases["scored"]), str(cases["faulty"]), *means])
        if any(ends.values()):
            rows.append([f"  {confidence(summary)}", "", "", *map(interval, ends.values())])
    titles = [score.heading for score in scores.values()]
    return table(["task", "cases", "faulty", *titles], rows)
