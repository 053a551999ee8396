"""Pictures of the demonstration: what the losses prefer, and what the cases look like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..cases.layout import CaseFiles
from ..files.volumes import read_volume
from ..results.plots import BLUE, DARK, GREY, ORANGE, contrast, new_figure, style
from ..results.text import short_name
from .paradox import Paradox, best_threshold


def plot_paradox(found: Sequence[Paradox]) -> Figure:
    """Return, for every case, the losses of the soft label and of the best hard mask."""
    figure = new_figure(7.2, 4.4)
    axes = figure.subplots()
    order = sorted(found, key=lambda p: p.sdl_self)
    x = np.arange(1, len(order) + 1)
    own = np.array([p.sdl_self for p in order])
    hard = np.array([p.sdl_hard for p in order])
    size = 5 if len(order) <= 40 else 3
    axes.vlines(x, hard, own, color=GREY, linewidth=1, alpha=0.6)
    axes.plot(x, own, "o", color=ORANGE, markersize=size, label="SDL of the soft label itself")
    axes.plot(x, hard, "s", color=BLUE, markersize=size, label="SDL of the best hard mask")
    zero = np.array([p.dml1_self for p in order])
    axes.plot(x, zero, "D", color=DARK, markersize=size, label="DML1 of the soft label itself")
    style(
        axes,
        "SDL prefers a hard mask to the soft label; DML does not",
        "cases, by the raters' disagreement",
        "loss against the soft label",
    )
    axes.set_xlim(0, len(order) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    top = own.max(initial=0) or 1.0
    axes.set_ylim(-0.02 * top, 1.3 * top)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    return figure


def plot_cases(cases: Sequence[CaseFiles], mean: Path, pred: Path | None) -> Figure:
    """Return a row of pictures a case: raters, their mean, SDL's favourite, a prediction."""
    with_pred = pred is not None and all((pred / f.label_name).is_file() for f in cases)
    figure = new_figure(10.4 if with_pred else 8, 2.7 * len(cases) + 0.6)
    panels = figure.subplots(len(cases), 4 if with_pred else 3, squeeze=False)
    for line, files in zip(panels, cases, strict=True):
        soft = read_volume(mean / files.label_name).data
        masks = [read_volume(path).data for path in files.masks.values()]
        window = _window(soft)
        line[0].set_ylabel(short_name(files.case.split("/")[-1]), color=DARK)
        _show(line[0], contrast(_image(files, soft)[window]), "gray", None)
        colours = [f"C{i}" for i in range(len(masks))]
        for mask, colour in zip(masks, colours, strict=True):
            _outline(line[0], mask[window], 0.5, colour)
        _show(line[1], soft[window], "magma", (0, 1))
        _show(line[2], soft[window] >= best_threshold(soft), "magma", (0, 1))
        if pred is not None and with_pred:
            _show(line[3], read_volume(pred / files.label_name).data[window], "magma", (0, 1))
        for axes in line:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
    titles = ("image and raters", "their mean y: best for DML", "best for SDL", "prediction")
    for axes, title in zip(panels[0], titles, strict=False):
        axes.set_title(title, fontsize=10, color=DARK)
    bar = figure.colorbar(
        panels[0, 1].images[0], ax=panels, location="bottom", shrink=0.5, pad=0.02, aspect=40
    )
    bar.set_label("probability of foreground", color=DARK, fontsize=9)
    bar.ax.tick_params(labelsize=8, colors=DARK)
    return figure


def _window(soft: NDArray[Any]) -> tuple[slice | int, ...]:
    """Return the slice with most of the label, cut to its surroundings."""
    where: list[slice | int] = []
    flat = soft
    for axis in range(soft.ndim - 1, 1, -1):
        best = int(np.argmax(flat.sum(axis=tuple(range(axis)))))
        flat = flat[..., best]
        where.insert(0, best)
    rows, columns = np.nonzero(flat if flat.any() else flat >= 0)
    for index, length in ((columns, flat.shape[1]), (rows, flat.shape[0])):
        half = max(int(np.ptp(rows)), int(np.ptp(columns))) * 0.75 + 4
        middle = (int(index.min()) + int(index.max())) / 2
        where.insert(0, slice(max(0, round(middle - half)), min(length, round(middle + half) + 1)))
    return tuple(where)


def _image(files: CaseFiles, soft: NDArray[Any]) -> NDArray[Any]:
    """Return the image where it has the label's shape, else nothing to see."""
    if files.image is not None:
        image = read_volume(files.image).data
        if image.shape == soft.shape:
            return image
    return np.zeros(soft.shape)


def _show(
    axes: Axes, plane: NDArray[Any], colours: str, limits: tuple[float, float] | None
) -> None:
    low, high = limits or (None, None)
    axes.imshow(plane.T, cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def _outline(axes: Axes, plane: NDArray[Any], level: float, colour: str) -> None:
    if plane.min() < level < plane.max():
        axes.contour(plane.T, [level], colors=[colour], linewidths=1.1)
