"""The contents of the page, as plain values for its template."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dice_semimetric import CalibrationBins

from ..faults import counted, printable
from ..results.bootstrap import mean_of_known
from ..results.page.charts import (
    Histogram,
    ReliabilityChart,
    ThresholdsChart,
    histogram,
    reliability_chart,
    thresholds_chart,
)
from ..results.page.page import Card, score_card, shown
from ..results.page.parts import Cell, Table, value
from ..results.registry import (
    CALIBRATION_SCORES,
    CONSENSUS_SCORES,
    LESION_SCORES,
    OVERLAP_SCORES,
    PREDICTION_SCORES,
    SAMPLE_SCORES,
    SURFACE_SCORES,
    VOLUME_SCORES,
    Score,
    main_scores,
)
from ..results.text import confidence, form_of, interval, limit_of, p_value, percent
from ..results.totals import total
from ..scores.case_score import CaseScore, with_pixels
from ..scores.options import Options
from ..scores.rater_score import RaterScore
from ..scores.surfaces import within
from .chosen import Scored

#: What is shown of each rater.
_AGAINST = {
    "dice": "Dice",
    "bdice": "BDice",
    "ece_soft": "ECE, marked pixels",
    "model_dice": "Dice of the model to the other raters",
    "rater_dice": "Dice of the rater to the other raters",
}
#: The scores that are folded away, and what they are of.
MORE = {
    "Overlap and calibration": PREDICTION_SCORES,
    "More of calibration": CALIBRATION_SCORES,
    "Consensus of the raters": CONSENSUS_SCORES,
    "Volume": VOLUME_SCORES,
    "Precision and recall": OVERLAP_SCORES,
    "Samples": SAMPLE_SCORES,
    "Lesions": LESION_SCORES,
}


@dataclass(frozen=True)
class Structure:
    """The diagrams of one structure: Dice against threshold, and two of reliability."""

    task: str
    scores: Sequence[CaseScore]
    thresholds: ThresholdsChart
    hard: ReliabilityChart | None  # of the more likely label over all pixels
    soft: ReliabilityChart | None  # of the foreground where there is doubt
    histogram: Histogram  # of BDice
    links: Sequence[str]  # the anchor of each case: its pictures, or else its row


def cards(summary: Mapping[str, Any], scored: Sequence[Scored]) -> list[Card]:
    """Return the numbers of the whole study that come first."""
    means = _means(main_scores(summary["protocol"]), summary, scored)
    return [_cases(summary, scored), _raters(scored), *means]


def more_scores(options: Options, protocol: str | None) -> dict[str, Mapping[str, Score]]:
    """Return the scores that are folded away, as far as they were asked for."""
    first = main_scores(protocol)
    groups: dict[str, Mapping[str, Score]] = {}
    for title, group in MORE.items():
        others = {name: score for name, score in group.items() if name not in first}
        if others and others.keys() <= options.scores.keys():
            groups[title] = others
    if options.surface and options.nsd_tolerance != "raters":
        groups[f"Surface, {within(options.nsd_tolerance)}"] = SURFACE_SCORES
    return groups


def more_cards(
    summary: Mapping[str, Any], scored: Sequence[Scored], options: Options
) -> dict[str, list[Card]]:
    """Return the other numbers of the whole study, by what they are of."""
    groups = more_scores(options, summary["protocol"])
    return {title: _means(group, summary, scored) for title, group in groups.items()}


def _means(
    scores: Mapping[str, Score], summary: Mapping[str, Any], scored: Sequence[Scored]
) -> list[Card]:
    marked = [s for s in scored if s.pair.reference.masks]
    names = {"soft": "the reference", "hard": "the reference above 0.5"}
    if len(marked) == len(scored):
        names = {"soft": "the raters' mean", "hard": "the strict majority of the raters"}
    return [score_card(score, summary, **names) for score in scores.values()]


#: How a sentence begins that has the model's score behind it, and the raters' in place of the gap.
_VERDICTS = {
    "dice": "By Dice the model agrees with a rater by {}, and the other raters do by {}",
    "bdice": "By BDice, against the mean of the other raters, the model has {}, and a rater {}",
    "ece_soft": "By ECE over marked pixels, against that mean, the model has {}, and a rater {}",
}


def verdicts(summary: Mapping[str, Any]) -> list[str]:
    """Return in sentences how the model compares with the raters, none where there is one."""
    among = summary["overall"].get("among_raters", {})
    known = [name for name in _VERDICTS if among.get(name, {}).get("cases")]
    return [_verdict(name, among[name], summary) for name in known]


def _verdict(name: str, found: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    form = form_of(found["interval"])
    text = _VERDICTS[name].format(shown(found["model"], form), shown(found["raters"], form))
    if found["interval"] is None:
        return f"{text}."
    low, high = found["interval"]
    text += f". The {confidence(summary)} of the difference is "
    text += interval(found["interval"], joint=" to ")
    side = "higher" if low > 0 else "lower" if high < 0 else ""
    text += f", all {'above' if low > 0 else 'below'} 0" if side else ", with 0 in it"
    text += f", and the adjusted p is {p_value(found['p_holm'], none='not known')}: "
    known = side and found["p_holm"] is not None and found["p_holm"] < limit_of(summary)
    if known and (found["effect"] > 0) == (side == "higher"):
        better = "the model is" if side == PREDICTION_SCORES[name].better else "the raters are"
        return f"{text}{better} better."
    better, worse = percent(found["better"]), percent(found["worse"])
    return (
        f"{text}neither is clearly better. The model is better than every rater in {better} of the "
        f"cases, and worse than each in {worse}."
    )


def _cases(summary: Mapping[str, Any], scored: Sequence[Scored]) -> Card:
    names = {s.score.case for s in scored}
    tasks = {s.score.task for s in scored}
    patients = summary["overall"].get("patients", len(names))
    details = [f"of {counted(patients, 'patient')}"] if patients != len(names) else []
    if len(tasks) > 1:
        details.append(f"{counted(len(tasks), 'structure')}, {counted(len(scored), 'score')}")
    faults = len(summary["faults"])
    details.append(counted(faults, "fault") if faults else "no faults")
    if worst := summary["overall"]["cases"].get("worst"):
        details.append(f"{counted(worst, 'prediction')} with the worst values")
    meaning = (
        "Scored from the files given. Each case of each structure weighs the same in the means."
    )
    return Card("Cases", str(len(names)), ", ".join(details), meaning)


def _raters(scored: Sequence[Scored]) -> Card:
    several = sorted({s.score.raters for s in scored})
    value = " to ".join(dict.fromkeys(map(str, several[:1] + several[-1:]))) or "–"
    names = {name for s in scored for name in s.pair.reference.masks}
    detail = f"named {_listed(sorted(names))}" if names else "one reference per case"
    return Card("Raters", value, detail if scored else "", "How many people marked each case.")


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(printable(n) for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def structures(
    scored: Sequence[Scored], options: Options, drawn: Mapping[tuple[str, str], int]
) -> list[Structure]:
    """Return the diagrams of each structure, sorted by name, and where their cases are shown."""
    groups: dict[str, list[CaseScore]] = {}
    for s in sorted(scored, key=lambda s: s.score.task):
        groups.setdefault(s.score.task, []).append(s.score)
    links = {(s.score.case, s.score.task): f"row-{i}" for i, s in enumerate(scored)}
    links |= {key: f"picture-{i}" for key, i in drawn.items()}
    return [
        Structure(
            task=task,
            scores=scores,
            thresholds=thresholds_chart(
                options.thresholds,
                np.stack([np.asarray(s.curve, float) for s in scores]),
                [s.bdice for s in scores],
                charts=len(groups),
            ),
            hard=_reliability([s.bins for s in with_pixels(scores)], 0.5),
            soft=_reliability([s.soft_bins for s in with_pixels(scores)], 0.0),
            histogram=histogram([s.bdice for s in scores]),
            links=[links[s.case, s.task] for s in scores],
        )
        for task, scores in groups.items()
    ]


def _reliability(bins: Sequence[CalibrationBins], start: float) -> ReliabilityChart | None:
    return reliability_chart(total(bins), start=start) if bins else None


def by_rater(scored: Sequence[Scored]) -> Table | None:
    """Return the model against each rater alone, and each rater to the others; None without."""
    groups: dict[tuple[str, str], list[RaterScore]] = {}
    for s in scored:
        for one in s.score.by_rater:
            groups.setdefault((s.score.task, one.rater), []).append(one)
    if not groups:
        return None
    several = len({task for task, _ in groups}) > 1
    rows = [
        [Cell(task)] * several
        + [Cell(rater), Cell(str(len(found)))]
        + [value(mean_of_known(getattr(r, name) for r in found)) for name in _AGAINST]
        for (task, rater), found in sorted(groups.items())
    ]
    heads = ["Structure"] * several + ["Rater", "Cases", *_AGAINST.values()]
    return Table(heads, rows, words=1 + several)


def parts_of_scores(part: Mapping[str, Any]) -> list[tuple[str, dict[str, float | None]]]:
    """Return the decomposition of a task's scores as the rows of a table."""
    return [
        (f"{score} of {label}", part["decomposition"][name][key])
        for name, label in (
            ("ece", "the more likely label, all pixels"),
            ("ece_soft", "the foreground, marked pixels"),
        )
        for key, score in (("brier", "Brier score"), ("log", "Log loss"))
        if name in part.get("decomposition", {})
    ]


def title(record: Mapping[str, Any]) -> str:
    """Return the title of the page, made of the names of the two folders."""
    return "Scores of {pred} against {ref}".format(**record["settings"])


def sections(summary: Mapping[str, Any], scored: Sequence[Scored]) -> list[tuple[str, str]]:
    """Return the anchors and titles of the page's sections."""
    some = [("curves", "Curves and calibration"), ("examples", "Examples"), ("cases", "Cases")]
    faults = ("faults", f"Faults ({len(summary['faults'])})")
    among = [("among", "Model among the raters")] if verdicts(summary) else []
    if any(s.score.by_rater for s in scored):
        among.append(("raters", "Against each rater"))
    known = [*among, *some] if scored else []
    return [("summary", "Summary"), *known, faults, ("record", "Record")]


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
                "curve": [_rounded(v) for v in s.score.curve],
                "raters": [
                    [place[r.rater], *map(_rounded, (r.dice, r.bdice, r.ece_soft, r.rater_dice))]
                    for r in s.score.by_rater
                ],
            }
            for s in scored
        ],
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
