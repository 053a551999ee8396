"""Pictures of a study: Dice against threshold, and how far confidences can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dice_semimetric import CalibrationBins

from ..faults import counted
from ..results.curves import spread_of
from ..results.plots import BLUE, GREY, draw_reliability, new_figure, note, style
from ..results.registry import PREDICTION_SCORES
from ..results.text import form_of, number, short_name
from ..results.totals import total
from .case_score import CaseScore
from .options import Options

#: The statistic behind each ECE, its pixels, the names of the axes, and where the first starts.
_DIAGRAMS = {
    "ece": (
        "bins",
        "more likely label, all pixels",
        "confidence",
        "share that agrees with the hard reference",
        0.5,
    ),
    "ece_soft": (
        "soft_bins",
        "foreground, marked pixels",
        "predicted probability",
        "mean of the soft reference",
        0.0,
    ),
}
_COLUMNS = 3
_FAINT = 200  # lines of single cases; more cannot be distinguished


def plot_thresholds(
    scores: Sequence[CaseScore], options: Options, summary: Mapping[str, Any]
) -> Figure:
    """Return Dice against threshold, one panel per task, with the spread over cases."""
    tasks = sorted({s.task for s in scores})
    columns = min(len(tasks), _COLUMNS)
    rows = -(-len(tasks) // columns)
    figure = new_figure(5.2 * columns, 3.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, task in zip(panels, tasks, strict=False):
        part = summary["tasks"][task]
        title = f"{short_name(task)}: BDice {_mean(part, 'bdice')}"
        _thresholds(axes, title, [s for s in scores if s.task == task], options)
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    return figure


def _mean(part: Mapping[str, Any], name: str) -> str:
    return number(part[name], form_of(part["intervals"][name]))


def _thresholds(axes: Axes, title: str, scores: Sequence[CaseScore], options: Options) -> None:
    x = np.asarray(options.thresholds)
    curves = np.stack([s.curve for s in scores])
    for i, curve in enumerate(curves[:_FAINT]):
        name = "_" if i else "single cases"
        axes.plot(x, curve, color=GREY, linewidth=0.6, alpha=0.3, zorder=1, label=name)
    found = spread_of(curves)
    band: dict[str, Any] = {"color": BLUE, "alpha": 0.3, "linewidth": 0, "zorder": 2}
    axes.fill_between(x, found.low, found.high, label="middle half of cases", **band)
    axes.plot(x, found.middle, color=BLUE, linewidth=1.2, linestyle="--", label="median")
    axes.plot(x, found.mean, color=BLUE, linewidth=2.2, marker="o", markersize=4, label="mean")
    title = f"{title}, {counted(len(scores), 'case')}"
    style(axes, title, "threshold of prediction and soft label", "Dice score")
    if np.isnan(curves).all():
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.01)
        note(axes, "no case has a score")
        return
    axes.set_ylim(min(0.9, np.floor(10 * np.nanmin(curves)) / 10), 1.01)
    axes.legend(loc="lower left", fontsize=8, frameon=False)


def plot_reliability(scores: Sequence[CaseScore], summary: Mapping[str, Any]) -> Figure:
    """Return two reliability diagrams over the pixels of all cases, with counts below."""
    figure = new_figure(9.6, 5.0)
    panels = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col")
    for column, name in zip(panels.T, _DIAGRAMS, strict=True):
        draw_calibration(column, scores, name, summary["overall"])
    return figure


def draw_calibration(
    panels: Any, scores: Sequence[CaseScore], name: str, part: Mapping[str, Any], *, when: str = ""
) -> None:
    """Draw the reliability behind one ECE over the pixels of all cases, in two panels.

    ``part`` is that of a summary which has these cases.
    """
    attribute, pixels, x, y, start = _DIAGRAMS[name]
    bins: CalibrationBins = total(getattr(s, attribute) for s in scores)
    by_case = _mean(part, name)
    together = number(part["pooled"].get(name), form_of(part["intervals"][name]))
    heading = f"{when}: {pixels}" if when else pixels
    title = f"{heading[0].upper()}{heading[1:]}\n{PREDICTION_SCORES[name].title}: {by_case}"
    draw_reliability(panels, bins, f"{title} by case, {together} pooled", x, y, start=start)
