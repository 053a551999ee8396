"""Pictures of a study: Dice against threshold, and how far confidences can be trusted."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins

from ..files.atomic import write_bytes
from ..scores.scoring import CaseScore, Options
from ..scores.summary import mean_of_known

BLUE, ORANGE, GREY, DARK = "#2563a8", "#d9731a", "#9aa3ad", "#2b3138"
_COLUMNS = 3
_FAINT = 200  # lines of single cases; more are not told apart


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; it appears as a whole or not at all."""
    buffer = io.BytesIO()
    # Without the software's name and version the same input gives the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def style(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes the look that all pictures share."""
    axes.set_title(title, loc="left", fontsize=10, color=DARK, fontweight="bold")
    axes.set_xlabel(x, color=DARK)
    axes.set_ylabel(y, color=DARK)
    axes.grid(color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=DARK, labelsize=8)


def plot_thresholds(scores: Sequence[CaseScore], options: Options) -> Figure:
    """Return Dice against threshold, one panel a task, with the spread over cases."""
    tasks = sorted({s.task for s in scores})
    columns = min(len(tasks), _COLUMNS)
    lines = -(-len(tasks) // columns)
    figure = new_figure(5.2 * columns, 3.9 * lines)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
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
    known = [column[~np.isnan(column)] for column in curves.T]
    low, middle, high, mean = np.transpose([spread(column) for column in known])
    axes.fill_between(
        x, low, high, color=BLUE, alpha=0.3, linewidth=0, zorder=2, label="middle half of cases"
    )
    axes.plot(x, middle, color=BLUE, linewidth=1.2, linestyle="--", label="median")
    axes.plot(x, mean, color=BLUE, linewidth=2.2, marker="o", markersize=4, label="mean")
    bdice = mean_of_known(s.bdice for s in scores)
    noun = "case" if len(scores) == 1 else "cases"
    title = f"{task}: BDice {bdice:.4f}, {len(scores)} {noun}"
    style(axes, title, "threshold of prediction and soft label", "Dice score")
    axes.set_ylim(min((np.floor(10 * c.min()) / 10 for c in known if c.size), default=0.0), 1.01)
    axes.legend(loc="lower left", fontsize=8, frameon=False)


def spread(values: NDArray[Any]) -> tuple[float, float, float, float]:
    """Return the quartiles and the mean, NaN if there is no value."""
    if not values.size:
        return (np.nan,) * 4
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high), float(np.mean(values))


def plot_reliability(scores: Sequence[CaseScore]) -> Figure:
    """Return two reliability diagrams over the pixels of all cases, with counts below."""
    figure = new_figure(9.6, 5.0)
    panels = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col")
    bins = sum((s.bins for s in scores[1:]), scores[0].bins)
    soft = sum((s.soft_bins for s in scores[1:]), scores[0].soft_bins)
    ece, ece_soft = mean_of_known(s.ece for s in scores), mean_of_known(s.ece_soft for s in scores)
    draw_reliability(
        panels[:, 0],
        bins,
        f"More likely label, all pixels\nECE {ece:.4f} by case, {bins.error():.4f} pooled",
        "confidence",
        "share that agrees with the hard reference",
        start=0.5,
    )
    draw_reliability(
        panels[:, 1],
        soft,
        f"Foreground, pixels in doubt\nsoft ECE {ece_soft:.4f} by case, {soft.error():.4f} pooled",
        "predicted probability",
        "mean of the soft reference",
        start=0.0,
    )
    return figure


def draw_reliability(
    panels: Any, bins: CalibrationBins, title: str, x: str, y: str, *, start: float
) -> None:
    """Draw observed against said above, and the counts of pixels below."""
    top, bottom = panels
    count, edges = np.asarray(bins.count, float).ravel(), np.asarray(bins.edges, float).ravel()
    some = count > 0
    said = np.asarray(bins.confidence, float).ravel()[some] / count[some]
    seen = np.asarray(bins.correct, float).ravel()[some] / count[some]
    left, width = edges[:-1][some], np.diff(edges)[some]
    top.plot([start, 1], [start, 1], color=DARK, linewidth=1, linestyle=":", label="calibrated")
    top.bar(
        left, seen, width, align="edge", color=BLUE, alpha=0.25, edgecolor="white", label="observed"
    )
    top.vlines(said, np.minimum(said, seen), np.maximum(said, seen), color=ORANGE, linewidth=2)
    top.plot(
        said,
        seen,
        "o",
        color=ORANGE,
        markersize=5,
        clip_on=False,
        label="at the mean confidence, gap in orange",
    )
    style(top, title, "", y)
    top.set_xlim(start, 1)
    top.set_ylim(0, 1.02)
    top.legend(loc="lower right", fontsize=8, facecolor="white", edgecolor="none", framealpha=0.9)
    bottom.bar(left, count[some], width, align="edge", color=GREY, edgecolor="white")
    style(bottom, "", x, "pixels")
    bottom.set_yscale("log")
    bottom.set_ylim(0.5, max(10.0, float(count.max(initial=0)) * 3))


def contrast(plane: NDArray[Any]) -> NDArray[Any]:
    """Cut off what lies far from the middle, such as the air around a body."""
    low, middle, high = np.quantile(plane, [0.25, 0.5, 0.75])
    reach = 4 * (high - low) or 1
    return np.asarray(np.clip(plane, middle - reach, middle + reach))
