"""What all pictures share: figures, their style, and the reliability diagram."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins

from ..files.atomic import write_bytes
from ..runs.logs import log
from .curves import reliability_of

BLUE, ORANGE, GREY, DARK = "#2563a8", "#d9731a", "#9aa3ad", "#2b3138"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that needs no display and no global state."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; it appears as a whole or not at all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(record=True) as found:  # of letters that its font lacks
        warnings.simplefilter("always")
        # Without the software's name and version the same input gives the same bytes.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    for warning in found:
        log.debug("%s: %s", path.name, warning.message)
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


def note(axes: Axes, text: str) -> None:
    """Write into the middle of axes why there is nothing to see."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def draw_reliability(
    panels: Any, bins: CalibrationBins, title: str, x: str, y: str, *, start: float
) -> None:
    """Draw observed against predicted above, and the counts of pixels below."""
    top, bottom = panels
    found = reliability_of(bins)
    predicted, observed, left = found.predicted, found.observed, found.left
    width = found.right - left
    style(top, title, "", y)
    style(bottom, "", x, "pixels")
    top.set_xlim(start, 1)
    top.set_ylim(0, 1.02)
    if not left.size:
        note(top, "there is no pixel to show")
        bottom.set_yticks([])
        return
    top.plot([start, 1], [start, 1], color=DARK, linewidth=1, linestyle=":", label="calibrated")
    bars = {"align": "edge", "edgecolor": "white"}
    top.bar(left, observed, width, color=BLUE, alpha=0.25, label="observed", **bars)
    ends = np.minimum(predicted, observed), np.maximum(predicted, observed)
    top.vlines(predicted, *ends, color=ORANGE, linewidth=2)
    dots = {"color": ORANGE, "markersize": 5, "clip_on": False}
    top.plot(predicted, observed, "o", label="at the mean confidence, gap in orange", **dots)
    top.legend(loc="lower right", fontsize=8, facecolor="white", edgecolor="none", framealpha=0.9)
    bottom.bar(left, found.count, width, color=GREY, **bars)
    bottom.set_yscale("log")
    bottom.set_ylim(0.5, max(10.0, float(found.count.max()) * 3))


def contrast(plane: NDArray[Any]) -> NDArray[Any]:
    """Cut off what lies far from the middle, such as the air around a body."""
    low, middle, high = np.quantile(plane, [0.25, 0.5, 0.75])
    reach = 4 * (high - low) or 1
    return np.asarray(np.clip(plane, middle - reach, middle + reach))
