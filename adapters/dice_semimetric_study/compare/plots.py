"""A comparison in one picture: curves and ranks above, differences of pairs below."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure

from ..results.bootstrap import Numbers
from ..results.plots import DARK, GREY, new_figure, note, style
from ..results.registry import curve_names, prediction_score, threshold_text
from ..results.text import confidence, known, limit_of, number, p_value, short_name
from .rows import Row
from .text import counts, mean_text, significant

#: Distinct to the colour-blind (Okabe and Ito), and by their marks.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7A5195")
_MARKS = "osD^vPX"  # one fewer than colours, so that all combinations occur
_WIDTH = 15.0
_TASKS = 3  # more are drawn together only
_PAIRS = 45  # of more, only those of the best model are drawn
_LABELLED = 12  # thresholds with a label each
_WORDS = 9  # letters of a line below an axis
_MODELS = 10  # more have no numbers in the marks of their ranks


def plot_comparison(summary: dict[str, Any]) -> Figure:
    """Return Dice against threshold, ranks, and differences: of all tasks, and of each of a few."""
    tasks = [(short_name(task), part) for task, part in summary["tasks"].items()]
    together = [("all tasks", summary["overall"])] if len(tasks) != 1 else []
    parts = together + (tasks if len(tasks) <= _TASKS else [])
    pairs = len(_shown_pairs(summary["overall"], next(iter(summary["metrics"]))))
    heights = (max(4.6, 1.9 + 0.36 * len(summary["models"])), 1.6 + 0.24 * pairs)
    figure = new_figure(_WIDTH, len(parts) * sum(heights))
    rows = figure.subfigures(2 * len(parts), 1, height_ratios=heights * len(parts), squeeze=False)
    for i, (title, part) in enumerate(parts):
        _draw_models(rows[2 * i, 0], title, part, summary)
        _draw_pairs(rows[2 * i + 1, 0], part, summary)
    return figure


def _by_score(part: Row, key: str) -> dict[str, list[float]]:
    """Return one number of the ranking by each score, of model after model."""
    found: dict[str, list[float]] = {}
    for row in part["ranks"]:
        found.setdefault(row["score"], []).append(known(row[key]))
    return found


def _draw_models(figure: SubFigure, title: str, part: Row, summary: Row) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    means, x = _by_score(part, "mean"), summary["thresholds"]
    for i, curve in enumerate(np.transpose([means[name] for name in curve_names(x)])):
        left.plot(x, curve, **_look(i), linewidth=1.8, markersize=5)
    left.set_xlim(min(x[0], 0.1) - 0.04, max(x[-1], 0.9) + 0.04)
    if all(np.isnan(means[name]).all() for name in curve_names(x)):
        left.set_ylim(0, 1)
        note(left, "no case has a score by every model")
    style(left, "Mean Dice", "threshold of prediction and soft label", "Dice score")
    _draw_ranks(right, part, summary)
    models = [row for row in part["ranks"] if row["score"] == "bdice"]
    figure.legend(
        left.get_lines(),
        [f"BDice {mean_text(row)}  {short_name(row['model'])}" for row in models],
        title=f"{title}  ({counts(part)})",
        title_fontproperties={"size": 12, "weight": "bold"},
        alignment="left",
        loc="outside upper left",
        ncols=5,
        fontsize=9,
        frameon=False,
        labelcolor=DARK,
    )


def _draw_ranks(axes: Axes, part: Row, summary: Row) -> None:
    """Draw one column per score, the thresholds joined by lines."""
    names = [short_name(model) for model in summary["models"]]
    curve = curve_names(summary["thresholds"])
    scores = [*curve, *dict.fromkeys(("bdice", *summary["metrics"]))]
    count = len(curve)
    numbered = count <= _LABELLED and len(names) <= _MODELS
    step = 1 if numbered else count / _LABELLED
    x = [*range(count), *(count + step * (k + 0.15) for k in range(len(scores) - count))]
    ranks, shares = (
        np.array([found[score] for score in scores])
        for found in (_by_score(part, "rank"), _by_score(part, "same"))
    )
    for i, (name, y, share) in enumerate(zip(names, _beside(ranks).T, shares.T, strict=True)):
        colour = _look(i)["color"]
        if not np.isnan(y[0]):
            axes.text(-0.42, y[0], name, fontsize=8, color=colour, ha="right", va="center")
        axes.plot(x[:count], y[:count], color=colour, linewidth=2, alpha=0.6)
        for place in zip(x, y, share, strict=True):
            _draw_place(axes, *place, colour, numbered=numbered)
    style(axes, "Rank; in the marks: % of draws of patients with this rank", "", "rank by mean")
    _label_ranks(axes, x, scores, _by_score(part, "tau"), count)
    axes.set_yticks(range(1, len(names) + 1))
    room = 0.7 + 0.028 * (x[-1] + 2) * max(map(len, names)) / 2.2
    axes.set_xlim(-room, x[-1] + 0.6)
    axes.set_ylim(len(names) + 0.5, 0.5)
    axes.grid(visible=False, axis="x")


def _beside(ranks: Numbers) -> Numbers:
    """Return ranks (S, M) with those that are shared moved apart, so that no mark hides another."""
    alike = ranks[:, :, None] == ranks[:, None]
    before = np.tril(alike, -1).sum(axis=2)
    return np.asarray(ranks + 0.25 * (before - (alike.sum(axis=2) - 1) / 2))


def _draw_place(
    axes: Axes, x: float, y: float, share: float, colour: str, *, numbered: bool
) -> None:
    """Draw the mark of one rank, the paler the less patients agree, with how many do."""
    part = 0.08 + 0.5 * (0.0 if np.isnan(share) else share)
    face = [1 - part * (1 - c) for c in to_rgb(colour)]
    size = 19 if numbered else 5
    axes.plot(x, y, "o", markersize=size, color=face, markeredgecolor=colour, markeredgewidth=1.5)
    if numbered and not np.isnan(share):
        ink = DARK if np.mean(face) > 0.5 else "white"
        axes.text(x, y, f"{100 * share:.0f}", fontsize=7, color=ink, ha="center", va="center")


def _label_ranks(
    axes: Axes, x: Sequence[float], scores: Sequence[str], tau: dict[str, list[float]], count: int
) -> None:
    """Label the columns: some of the ``count`` thresholds, and all other scores."""
    every = max(1, -(-count // _LABELLED))
    shown = [i for i in range(len(scores)) if i >= count or i % every == 0]
    names = [fill(threshold_text(s) or prediction_score(s).heading, _WORDS) for s in scores]
    lines = 1 + max(name.count("\n") for name in names)
    padded = [name + "\n" * (lines - name.count("\n")) for name in names]  # tau in one line
    labels = [f"{padded[i]}{number(tau[scores[i]][0], '.2f')}" for i in shown]
    axes.set_xticks([x[i] for i in shown], labels)
    axes.set_xlabel("Dice at threshold, and other scores; below: Kendall's tau with BDice's ranks")
    axes.axvline(count - 0.45, color=GREY, linewidth=0.8)


def _draw_pairs(figure: SubFigure, part: Row, summary: Row) -> None:
    """Draw one column per metric and one line per pair."""
    metrics = list(summary["metrics"])
    columns = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(columns, metrics, strict=True):
        rows = _shown_pairs(part, metric)
        _forest(axes, rows, summary)
        score = prediction_score(metric)
        style(axes, score.directed, "first − second", "")
        axes.tick_params(axis="y", length=0)
    drawn, count = len(rows), len(part["pairs"]) // len(metrics)
    cut = "" if drawn == count else f" ({drawn} of {count} pairs; all are in the tables)"
    figure.suptitle(
        f"Mean differences with {confidence(summary)} by patient; p is adjusted after "
        f"Holm, and below {limit_of(summary):g} the line is coloured as the better model" + cut,
        fontsize=10,
        color=DARK,
        x=0.01,
        ha="left",
    )
    names = [f"{short_name(row['a'])} − {short_name(row['b'])}" for row in rows]
    columns[0].set_yticks(range(len(names)), names)
    columns[0].set_ylim(len(names) - 0.4, -0.6)


def _shown_pairs(part: Row, metric: str) -> list[Row]:
    """Return all pairs, or those of the best model by BDice where there are too many."""
    rows = [row for row in part["pairs"] if row["metric"] == metric]
    if len(rows) <= _PAIRS:
        return rows
    best = min((r for r in part["ranks"] if r["score"] == "bdice"), key=lambda r: known(r["rank"]))
    return [row for row in rows if best["model"] in (row["a"], row["b"])][:_PAIRS]


def _forest(axes: Axes, rows: Sequence[Row], summary: Row) -> None:
    models = list(summary["models"])
    beside: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 7.5}
    beside["transform"] = axes.get_yaxis_transform()
    ends = [0.0]
    for y, row in enumerate(rows):
        if row["difference"] is None:
            continue
        better = significant(row, summary)
        look = _look(models.index(row["better"])) if better else {"color": GREY, "marker": "o"}
        low, high = (row[k] if row[k] is not None else row["difference"] for k in ("low", "high"))
        ends += [low, high]
        axes.hlines(y, low, high, color=look["color"], linewidth=2)
        axes.plot(row["difference"], y, **look, markersize=6)
        text = f"p {p_value(row['p_holm'])}".replace("p <", "p < ")
        axes.text(0.99, y, text, color=DARK if better else "#6b747d", **beside)
    axes.axvline(0, color=DARK, linewidth=0.9)
    span = np.ptp(ends) or 1.0
    axes.set_xlim(min(ends) - 0.08 * span, max(ends) + 0.5 * span)
    axes.locator_params(axis="x", nbins=4)


def _look(i: int) -> dict[str, Any]:
    return {"color": _COLOURS[i % len(_COLOURS)], "marker": _MARKS[i % len(_MARKS)]}
