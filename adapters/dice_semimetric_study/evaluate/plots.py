"""Pictures of a study: Dice against threshold, and how far confidences can be trusted."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results.bootstrap import mean_of_known
from ..results.curves import spread_of
from ..results.plots import BLUE, GREY, draw_reliability, new_figure, style
from ..results.registry import PREDICTION_SCORES
from ..results.text import counted
from ..results.totals import total
from ..scores.case_score import CaseScore, Options

_COLUMNS = 3
_FAINT = 200  # lines of single cases; more cannot be distinguished


def plot_thresholds(scores: Sequence[CaseScore], options: Options) -> Figure:
    """Return Dice against threshold, one panel per task, with the spread over cases."""
    tasks = sorted({s.task for s in scores})
    columns = min(len(tasks), _COLUMNS)
    rows = -(-len(tasks) // columns)
    figure = new_figure(5.2 * columns, 3.9 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, task in zip(panels, tasks, strict=False):
        _thresholds(axes, task, [s for s in scores if s.task == task], options)
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    return figure


def _thresholds(axes: Axes, task: str, scores: Sequence[CaseScore], options: Options) -> None:
    x = np.asarray(options.thresholds)
    curves = np.stack([s.curve for s in scores])
    for i, curve in enumerate(curves[:_FAINT]):
        name = "_" if i else "single cases"
        axes.plot(x, curve, color=GREY, linewidth=0.6, alpha=0.3, zorder=1, label=name)
    found = spread_of(curves)
    axes.fill_between(
        x,
        found.low,
        found.high,
        color=BLUE,
        alpha=0.3,
        linewidth=0,
        zorder=2,
        label="middle half of cases",
    )
    axes.plot(x, found.middle, color=BLUE, linewidth=1.2, linestyle="--", label="median")
    axes.plot(x, found.mean, color=BLUE, linewidth=2.2, marker="o", markersize=4, label="mean")
    bdice = mean_of_known(s.bdice for s in scores)
    title = f"{task}: BDice {bdice:.4f}, {counted(len(scores), 'case')}"
    style(axes, title, "threshold of prediction and soft label", "Dice score")
    least = 0.0 if np.isnan(curves).all() else np.floor(10 * np.nanmin(curves)) / 10
    axes.set_ylim(least, 1.01)
    axes.legend(loc="lower left", fontsize=8, frameon=False)


def plot_reliability(scores: Sequence[CaseScore]) -> Figure:
    """Return two reliability diagrams over the pixels of all cases, with counts below."""
    figure = new_figure(9.6, 5.0)
    panels = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col")
    hard, soft = total(s.bins for s in scores), total(s.soft_bins for s in scores)
    title, soft_title = (PREDICTION_SCORES[name].title for name in ("ece", "ece_soft"))
    ece, ece_soft = mean_of_known(s.ece for s in scores), mean_of_known(s.ece_soft for s in scores)
    draw_reliability(
        panels[:, 0],
        hard,
        f"More likely label, all pixels\n{title} {ece:.4f} by case, {hard.error():.4f} pooled",
        "confidence",
        "share that agrees with the hard reference",
        start=0.5,
    )
    draw_reliability(
        panels[:, 1],
        soft,
        f"Foreground, pixels in doubt\n{soft_title} {ece_soft:.4f} by case, "
        f"{soft.error():.4f} pooled",
        "predicted probability",
        "mean of the soft reference",
        start=0.0,
    )
    return figure
