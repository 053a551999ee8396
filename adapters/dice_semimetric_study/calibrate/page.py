"""The page about a calibration: ``calibrate --report``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..faults import counted
from ..results.page.charts import reliability_chart
from ..results.page.page import Card, Report, shown, write_study_page
from ..results.page.parts import (
    DASH,
    Cards,
    Cell,
    Diagrams,
    Reliability,
    Section,
    Table,
    Words,
    value,
)
from ..results.registry import PREDICTION_SCORES, Score
from ..results.text import Ends, confidence, form_of, interval, number, setting
from ..results.totals import total
from .report import IN_SAMPLE, WHEN, Part, Scored, narrower

#: What is called what, the cases that count most first.
_TITLES = {"pred": "calibrated", "fit": "fitted to"}
_TABLE = "The cases that were fitted to are scored in sample, and so too well."


def write_calibration_page(
    report: Report,
    parts: Mapping[str, Part],
    summary: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    same: bool,
) -> None:
    """Write the page. ``same`` is that predictions were calibrated which were fitted to."""
    scored = {name: parts[name][0] for name in _TITLES if name in parts and parts[name][0]}
    notes = [Words(f"{IN_SAMPLE[0].upper()}{IN_SAMPLE[1:]}.", "warning")] if same else []
    changes = [_changes(summary)] if scored else []
    write_study_page(
        report.path,
        title="Calibration of the predictions in {pred}".format(**record["settings"]["study"]),
        verdict=_verdict(summary),
        sections=[
            Section("summary", "Summary", [*notes, _cards(summary, record), *changes]),
            *([Section("curves", "Reliability", _diagrams(scored))] if scored else []),
            Section("calibrators", "Calibrators", [_calibrators(summary)]),
            *([Section("cases", "Cases", [_cases(scored)])] if scored else []),
        ],
        summary=dict(summary) | {"aggregation": summary.get("aggregation", "")},
        record=record,
    )


def _verdict(summary: Mapping[str, Any]) -> str:
    """Return how far one ECE changed in the cases that count most, and what Dice did."""
    name = next((n for n in ("pred", "fit") if n in summary), None)
    written = counted(summary["written"], "map")
    if name is None:
        return f"{written} written; without references nothing is known of their calibration."
    parts = before, after = [summary[name][when]["overall"] for when in WHEN]
    if before["ece_soft"] is None:
        return f"{written} written; no case has a score."
    verb = "falls" if after["ece_soft"] < before["ece_soft"] else "does not fall: it goes"
    ece, dice = (_from_to(parts, n) for n in ("ece_soft", "dice"))
    pooled = _from_to([part["pooled"] for part in parts], "ece_soft", narrower(parts, "ece_soft"))
    text = (
        f"The ECE over marked pixels of the cases that were {_TITLES[name]} {verb} from {ece} by "
        f"case, and over the pixels of all from {pooled}. Dice goes from {dice}."
    )
    worse = [
        f"{score.title} from {_from_to(parts, score.name)}"
        for score in PREDICTION_SCORES.values()
        if score.name not in ("ece_soft", "dice") and _is_worse(score, before, after)
    ]
    return f"{text} Clearly worse: {'; '.join(worse)}." if worse else text


def _from_to(parts: Sequence[Mapping[str, Any]], name: str, ends: Ends = None) -> str:
    """Return a score before and after, with as many digits."""
    form = form_of(ends or narrower(parts, name))
    return " to ".join(shown(part[name], form) for part in parts)


def _is_worse(score: Score, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether a mean lies beyond the interval that it had before, on the worse side."""
    ends, value = before.get("intervals", {}).get(score.name), after[score.name]
    if not ends or None in ends or value is None:
        return False
    return bool(value > ends[1] if score.better == "lower" else value < ends[0])


def _cards(summary: Mapping[str, Any], record: Mapping[str, Any]) -> Cards:
    found = summary.get("fitting")
    if found is None:
        kept = Card("Calibrators", str(len(summary["tasks"])), "kept by an earlier run", "")
        return Cards([kept, _written(summary)])
    fit = summary.get("fit", {}).get("before", {}).get("overall", {}).get("cases", {})
    folder = record["settings"].get("fit", {}).get("pred", "")
    detail = f"to the raters’ {found['target']}"
    return Cards(
        [
            Card("Method", str(found["method"]), detail, f"Above {found['floor']:g} only."),
            Card("Fitted to", counted(fit["scored"], "case") if fit else DASH, f"in {folder}", ""),
            _written(summary),
        ]
    )


def _written(summary: Mapping[str, Any]) -> Card:
    return Card("Maps", str(summary["written"]), "", "Calibrated and written.")


def _changes(summary: Mapping[str, Any]) -> Table:
    rows = []
    for name, title in _TITLES.items():
        if name not in summary:
            continue
        of_tasks = [summary[name][when]["tasks"] for when in WHEN]
        both = {task: [of[task] for of in of_tasks] for task in of_tasks[0]}
        if len(both) > 1:
            both = {"all": [summary[name][when]["overall"] for when in WHEN]} | both
        for task, (before, after) in both.items():
            where = [Cell(title), Cell(task)]
            rows += [[*where, *_change(s.name, before, after)] for s in PREDICTION_SCORES.values()]
            first, last = (part.get("pooled", {}) for part in (before, after))
            rows.append([*where, *_change("ece_soft", first, last, ", all pixels pooled")])
    heads = ["Cases", "Structure", "Score", "Before", "After", "Change"]
    table = Table(heads, rows, words=3, title="Before and after", note=_TABLE)
    return replace(table, ends=confidence(summary))


def _change(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], how: str = ""
) -> list[Cell]:
    """Return a score with its values before and after, and their difference."""
    score, parts = PREDICTION_SCORES[name], (before, after)
    first, last = (part.get(name) for part in parts)
    change = None if first is None or last is None else last - first
    form, ends = form_of(narrower(parts, name)), (p.get("intervals", {}).get(name) for p in parts)
    return [
        Cell(f"{score.heading}{how}", f"{score.better} is better"),
        *(
            Cell(number(found, form, DASH), interval(own, joint=" to ", none=""))
            for found, own in zip((first, last), ends, strict=True)
        ),
        Cell(number(change, form_of(narrower(parts, name), sign="+"), DASH)),
    ]


def _diagrams(scored: dict[str, Sequence[Scored]]) -> list[Diagrams]:
    found = []
    for name, cases in scored.items():
        for task in sorted({s.before.task for s in cases}):
            of_task = [s for s in cases if s.before.task == task]
            charts = [
                Reliability(
                    reliability_chart(total(getattr(s, when).soft_bins for s in of_task), start=0),
                    task,
                    when.capitalize(),
                    ", over pixels that are marked or had a probability above 0.01.",
                    "predicted probability",
                    "mean of the soft reference",
                )
                for when in WHEN
            ]
            found.append(Diagrams(charts, f"{task}, cases that were {_TITLES[name]}"))
    return found


def _calibrators(summary: Mapping[str, Any]) -> Table:
    rows = [
        [Cell(task), Cell(setting({k: v for k, v in found.items() if _is_plain(v)}))]
        for task, found in summary["tasks"].items()
    ]
    return Table(["Structure", "What was fitted"], rows, words=2)


def _is_plain(found: Any) -> bool:
    return isinstance(found, int | float | str)


def _cases(scored: dict[str, Sequence[Scored]]) -> Table:
    shown_scores = ("ece_soft", "ece", "dice", "bdice")
    rows = [
        [Cell(_TITLES[name]), Cell(s.before.case), Cell(s.before.task)]
        + [value(getattr(getattr(s, when), score)) for score in shown_scores for when in WHEN]
        for name, cases in scored.items()
        for s in cases
    ]
    heads = [f"{PREDICTION_SCORES[s].title} {when}" for s in shown_scores for when in WHEN]
    return Table(["Cases", "Case", "Structure", *heads], rows, words=3)
