"""What the page says, as plain values for its template."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from ...faults import printable
from ...scores.case_score import CaseScore, Options
from ...scores.score_tables import NUMBERS, TITLES
from .charts import Reliability, Thresholds, reliability_chart, thresholds_chart
from .chosen import Scored

ANATOMY = {
    "R": "the right side",
    "L": "the left side",
    "A": "front",
    "P": "back",
    "S": "head",
    "I": "feet",
}


@dataclass(frozen=True)
class Card:
    """One number of the study.

    Attributes
    ----------
    title : str
        Its name.
    value : str
        As it is shown.
    detail : str
        How far it can be trusted, or what it is made of.
    meaning : str
        In words.
    """

    title: str
    value: str
    detail: str
    meaning: str


@dataclass(frozen=True)
class Structure:
    """The diagrams of one structure.

    Attributes
    ----------
    task : str
        Its name.
    scores : sequence of CaseScore
        Of its cases.
    thresholds : Thresholds
        Dice against threshold.
    hard, soft : Reliability
        Of the more likely label over all pixels, and of the foreground where there is doubt.
    """

    task: str
    scores: Sequence[CaseScore]
    thresholds: Thresholds
    hard: Reliability
    soft: Reliability


def number(value: float | None, places: int = 4) -> str:
    """Return a number as the page shows it, a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{places}f}"


def interval(part: Mapping[str, Any], name: str, places: int = 4) -> str:
    """Return the ends of the interval of a mean, nothing where there is none."""
    ends = part.get("intervals", {}).get(name)
    return f"{number(ends[0], places)} to {number(ends[1], places)}" if ends else ""


def cards(summary: Mapping[str, Any], scored: Sequence[Scored]) -> list[Card]:
    """Return the numbers of the whole study."""
    overall = summary["overall"]
    marked = [s for s in scored if s.pair.reference.masks]
    mean, hard = (
        ("the raters' mean", "the strict majority of the raters")
        if len(marked) == len(scored)
        else ("the reference", "the reference above 0.5")
    )
    found = [_cases(summary, scored), _raters(scored)]
    meanings = {
        "bdice": f"Binarized Dice: prediction and {mean} are cut at the same thresholds, and the "
        "Dice scores are averaged. 1 is perfect.",
        "dice": f"Overlap of the prediction at 0.5 with {hard}. 1 is perfect.",
        "jaccard": f"Intersection over union of the prediction at 0.5 and {hard}. 1 is perfect.",
        "ece": "Expected calibration error over all pixels: how far confidence is from the share "
        f"of pixels that agree with {hard}. 0 is perfect.",
        "ece_soft": f"How far the probability is from {mean} in pixels where there is doubt: it "
        "is above 0.01, or someone marked. 0 is perfect.",
    }
    titles = TITLES if len(marked) < len(scored) else TITLES | {"dice": "Dice to majority"}
    return found + [
        Card(titles[name], number(overall[name]), _detail(summary, name), meanings[name])
        for name in NUMBERS
    ]


def _detail(summary: Mapping[str, Any], name: str) -> str:
    overall = summary["overall"]
    parts = []
    if ends := interval(overall, name):
        parts.append(f"{100 * summary['bootstrap']['confidence']:g} % interval {ends}")
    if "pooled" in overall:
        parts.append(f"all pixels pooled {number(overall['pooled'][name])}")
    return "; ".join(parts)


def _cases(summary: Mapping[str, Any], scored: Sequence[Scored]) -> Card:
    names = {s.score.case for s in scored}
    tasks = {s.score.task for s in scored}
    patients = summary["overall"].get("patients", len(names))
    details = [f"of {_count(patients, 'patient')}"] if patients != len(names) else []
    if len(tasks) > 1:
        details.append(f"{_count(len(tasks), 'structure')}, {len(scored)} scores")
    faults = len(summary["faults"])
    details.append(_count(faults, "fault") if faults else "no faults")
    meaning = (
        "Scored from the files given. Each case of each structure weighs the same in the means."
    )
    return Card("Cases", str(len(names)), ", ".join(details), meaning)


def _raters(scored: Sequence[Scored]) -> Card:
    several = sorted({s.score.raters for s in scored})
    value = "–" if not several else f"{several[0]}"
    if len(several) > 1:
        value += f" to {several[-1]}"
    names = {name for s in scored for name in s.pair.reference.masks}
    detail = f"named {_listed(sorted(names))}" if names else "one reference a case"
    return Card("Raters", value, detail if scored else "", "How many people marked each case.")


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(printable(n) for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def structures(scored: Sequence[Scored], options: Options) -> list[Structure]:
    """Return the diagrams of each structure, sorted by name."""
    groups: dict[str, list[CaseScore]] = {}
    for s in sorted(scored, key=lambda s: s.score.task):
        groups.setdefault(s.score.task, []).append(s.score)
    return [
        Structure(
            task=task,
            scores=scores,
            thresholds=thresholds_chart(scores, options, len(groups)),
            hard=reliability_chart(reduce(add, (s.bins for s in scores)), start=0.5),
            soft=reliability_chart(reduce(add, (s.soft_bins for s in scores)), start=0.0),
        )
        for task, scores in groups.items()
    ]


def title(record: Mapping[str, Any]) -> str:
    """Return what the page is about, by the names of the two folders."""
    pred, ref = (_last(record["settings"][side]) for side in ("pred", "ref"))
    return f"Scores of {pred} against {ref}"


def _last(folder: str) -> str:
    """Return the end of a path, with the folder above where the name alone says little."""
    parts = Path(folder).parts
    return "/".join(parts[-2:]) if len(parts) > 2 else folder


def data(scored: Sequence[Scored], options: Options) -> dict[str, Any]:
    """Return what the page's program needs beyond the table: curves, and scores by rater."""
    names = sorted({r.rater for s in scored for r in s.score.by_rater})
    place = {name: i for i, name in enumerate(names)}
    return {
        "thresholds": [float(t) for t in options.thresholds],
        "several": len({s.score.task for s in scored}) > 1,
        "raters": [printable(name) for name in names],
        "cases": [
            {
                "curve": [_short(v) for v in s.score.curve],
                "raters": [
                    [place[r.rater], _short(r.dice), _short(r.bdice)] for r in s.score.by_rater
                ],
            }
            for s in scored
        ],
    }


def _short(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def checksums(record: Mapping[str, Any]) -> str:
    """Return the digests of all files as lines that ``sha256sum --check`` takes."""
    files = {f["path"]: f["sha256"] for i in record["inputs"] for f in i["files"]}
    lines = []
    for path, digest in sorted(files.items()):
        safe = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "" if safe == path else "\\"  # how sha256sum says that a name is written otherwise
        lines.append(f"{mark}{digest}  {safe}")
    return "\n".join(lines)
