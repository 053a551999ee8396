"""The picture of a study's raters: who agrees with whom, and each with the majority."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..faults import counted
from ..results.plots import BLUE, DARK, GREY, ORANGE, new_figure, note, style
from ..results.text import confidence, form_of, number, short_name
from .rows import Row

MOST_TASKS = 6
_NUMBERED = 24  # raters of a matrix with its numbers written in
_CELL = 0.46  # inches, in which such a number fits
_LETTERS = 5  # of the longest name that fits below a cell
_FAINT = 400  # dots of single cases of a rater
_MIDDLE = 0.18  # the luminance on which black and white letters have the same contrast


def plot_agreement(raters: Sequence[Row], summary: Mapping[str, Any]) -> Figure:
    """Return two panels for each task: Dice of every two raters, and of each to the majority.

    Both have a line for each rater, and are the larger the more there are. Of many tasks those are
    shown whose raters agree least. ``raters`` has one row per rater of each case.
    """
    tasks = {t: p for t, p in summary["tasks"].items() if p["raters"]}
    order = sorted(tasks, key=lambda t: (tasks[t]["dice"] is not None, tasks[t]["dice"] or 0, t))
    shown = sorted(order[:MOST_TASKS])
    sides = [_CELL * min(max(7, len(tasks[task]["raters"])), _NUMBERED) for task in shown]
    figure = new_figure(max(sides) + 7, sum(sides) + 1.1 * len(shown))
    panels = figure.subplots(
        len(shown), 2, squeeze=False, width_ratios=(max(sides) + 1, 5.5), height_ratios=sides
    )
    for (left, right), task in zip(panels, shown, strict=True):
        _matrix(left, task, tasks[task])
        rows = [row for row in raters if row["task"] == task]
        _to_majority(right, tasks[task], rows, summary)
    left_out = len(order) - len(shown)
    if left_out:
        more = counted(left_out, "task")
        figure.supxlabel(f"not shown: {more} on which raters agree more", fontsize=9)
    return figure


def _labels(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the raters' names below an axis and beside one: numbers where names are long."""
    beside = [short_name(name) for name in names]
    if max(map(len, beside)) <= _LETTERS:
        return beside, beside
    numbers = [str(i) for i in range(1, len(names) + 1)]
    return numbers, [f"{name}  {i}" for name, i in zip(beside, numbers, strict=True)]


def _matrix(axes: Axes, task: str, part: Mapping[str, Any]) -> None:
    numbers, names = _labels(part["raters"])
    values = np.array(part["matrices"]["dice"], float)  # None becomes NaN
    off = ~np.eye(len(names), dtype=bool)
    known = values[off & ~np.isnan(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    low = min(low, high - 0.05)
    shown = np.ma.masked_where(~off | np.isnan(values), values)
    image = axes.imshow(shown, cmap="Blues", vmin=low - 0.3 * (high - low), vmax=high)
    mean = number(part["dice"], form_of(part["intervals"]["dice"]))
    cases = counted(part["cases"]["compared"], "case")
    title = f"{short_name(task)}: Dice {mean} between raters, {cases}"
    style(axes, title, "", "")
    axes.grid(visible=False)
    axes.set_xticks(range(len(names)), numbers)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylabel("rater", color=DARK)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    if len(names) > _NUMBERED:
        axes.tick_params(labelsize=6)
        axes.set_xticks(range(0, len(names), 2), numbers[::2])
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
        bar.set_label("mean Dice", color=DARK, fontsize=9)
        return
    if not known.size:
        note(axes, "no two raters have a score")
    for (i, j), value in np.ndenumerate(values):
        if i != j and not np.isnan(value):
            light = _lightness(image.to_rgba(value))
            axes.text(j, i, f"{value:.3f}", ha="center", va="center", fontsize=8,
                      color="black" if light > _MIDDLE else "white")  # fmt: skip


def _lightness(colour: Any) -> float:
    """Return the relative luminance of a colour, as contrast is reckoned from it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _to_majority(
    axes: Axes, part: Mapping[str, Any], rows: Sequence[Row], summary: Mapping[str, Any]
) -> None:
    """Draw each rater's Dice to the majority: cases as dots, the mean with its interval.

    The raters' lines are those of the matrix. The means stand in a column to the right.
    """
    rng = np.random.default_rng(0)
    names = list(part["raters"])
    size = 8 if len(names) <= _NUMBERED else 6
    for place, name in enumerate(names):
        values = np.array([row["dice_to_majority"] for row in rows if row["rater"] == name])
        values = values[~np.isnan(values)]
        dots = rng.choice(values, _FAINT, replace=False) if len(values) > _FAINT else values
        axes.plot(dots, place + rng.uniform(-0.22, 0.22, len(dots)), "o", color=GREY, markersize=3,
                  alpha=0.45, markeredgewidth=0, zorder=1,
                  label="_" if place else "single cases")  # fmt: skip
        found = part["raters"][name]
        mean, ends = found["dice_to_majority"], found["intervals"]["dice_to_majority"]
        if ends is not None:
            axes.hlines(place, *ends, color=BLUE, linewidth=5, alpha=0.4, zorder=2,
                        label="_" if place else f"{confidence(summary)} of the mean")  # fmt: skip
        if mean is not None:
            axes.plot(mean, place, "D", color=ORANGE, markersize=6, zorder=3,
                      label="_" if place else "mean")  # fmt: skip
            axes.annotate(number(mean, form_of(ends)), (1.015, place),
                          xycoords=axes.get_yaxis_transform(),
                          va="center", fontsize=size, color=DARK)  # fmt: skip
    together = number(part["dice_to_majority"], form_of(part["intervals"]["dice_to_majority"]))
    style(axes, f"Dice to the majority: {together}", "Dice score", "")
    axes.set_yticks(range(len(names)), _labels(names)[0])
    axes.tick_params(axis="y", labelsize=size)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(right=1.005)
    if part["dice_to_majority"] is None:
        axes.set_xlim(0, 1.005)
        note(axes, "no rater has a score")
        return
    below = (0.5, -1.1 / max(7, len(names)))
    axes.legend(loc="upper center", bbox_to_anchor=below, ncols=3, fontsize=8, frameon=False)
