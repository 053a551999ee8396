"""The matrix as a picture: what is blue is faster than the other, what is red slower."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from .libraries import EVERY
from .table import Row, fastest, is_tiny, numpys, short, to_peer

Cells = dict[tuple[str, str], float]
_SCALE = TwoSlopeNorm(0, -np.log(16), np.log(16))
_HEIGHT, _WIDTH, _NAME = 0.2, 0.4, 2.0  # inches of a cell, and of the name beside a row


def draw(rows: list[Row], path: Path) -> None:
    """Write the picture: functions beside their peers and NumPy, and the losses beside MONAI."""
    functions = [row for row in rows if row["topic"] not in ("losses", "memory", "reading")]
    losses = [row for row in rows if row["topic"] == "losses"]
    panels = [
        ("beside the fastest peer", _by_function(functions, EVERY, fastest)),
        ("beside NumPy on the same memory", _by_function(functions, EVERY[1:], numpys)),
        ("losses with gradient,\nbeside MONAI", _by_kind(losses)),
    ]
    panels = [(title, cells) for title, cells in panels if cells]
    if not panels:  # no time was measured, but memory perhaps
        return
    tall = max(len(_first(cells)) for _, cells in panels)
    ratios = [len(_second(cells)) for _, cells in panels]
    size = (sum(ratios) * _WIDTH + (len(panels) + 1) * _NAME, tall * _HEIGHT + 1.6)
    figure, axes = plt.subplots(
        1, len(panels), figsize=size, width_ratios=ratios, layout="constrained", squeeze=False
    )
    for ax, (title, cells) in zip(axes.flat, panels, strict=True):
        _panel(ax, title, cells)
    figure.suptitle(
        "How many times as long the other takes, the worst over the inputs (below 1, red: ours is"
        " slower). Columns: 1 and 2 threads; t, a tiny input on either",
        size=11,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _by_function(
    rows: list[Row], libraries: Iterable[str], ratio: Callable[[Row], float | None]
) -> Cells:
    """Return the worst ratio of each function on each library, by threads; tiny ones apart."""
    names = list(dict.fromkeys(row["function"] for row in rows))
    threads = sorted({row["threads"] for row in rows})
    cells: Cells = {}
    for library in libraries:
        for column in ("t", *map(str, threads)):
            for row in rows:
                of_column = column == ("t" if is_tiny(row) else str(row["threads"]))
                if row["library"] == library and of_column:
                    _keep_worst(cells, (row["function"], f"{library} {column}"), ratio(row))
    return dict(sorted(cells.items(), key=lambda cell: names.index(cell[0][0])))


def _by_kind(rows: Iterable[Row]) -> Cells:
    cells: Cells = {}
    for row in rows:
        loss = row["function"].replace("DiceSemimetric", "").removesuffix("Loss")
        name = f"{loss} {row['input']}".strip()
        _keep_worst(cells, (name, f"torch {row['threads']}"), to_peer("MONAI")(row))
    return cells


def _keep_worst(cells: Cells, key: tuple[str, str], value: float | None) -> None:
    if value is not None:
        cells[key] = min(value, cells.get(key, value))


def _first(cells: Cells) -> list[str]:
    return list(dict.fromkeys(row for row, _ in cells))


def _second(cells: Cells) -> list[str]:
    found = dict.fromkeys(column for _, column in cells)
    order = {library: place for place, library in enumerate(EVERY)}
    return sorted(found, key=lambda column: (order[column[:-2]], column[-1] != "t", column))


def _panel(ax: Axes, title: str, cells: Cells) -> None:
    """Draw one matrix with its numbers; the libraries stand above their columns."""
    names, columns = _first(cells), _second(cells)
    values = np.full((len(names), len(columns)), np.nan)
    for (name, column), value in cells.items():
        values[names.index(name), columns.index(column)] = np.log(value)
    ax.imshow(values, cmap="RdBu", norm=_SCALE, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            shade: Any = "white" if abs(value) > np.log(5) else "black"
            ax.text(j, i, short(np.exp(value)), ha="center", va="center", size=7, color=shade)
    ax.set_title(title, size=11, pad=32, loc="left" if len(columns) > 4 else "right")
    ax.set_yticks(range(len(names)), names, size=8)
    parts = [column.rsplit(" ", 1) for column in columns]
    ax.set_xticks(range(len(columns)), [part[1] for part in parts], size=8)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    libraries = [part[0] for part in parts]
    for library in dict.fromkeys(libraries):
        where = [i for i, found in enumerate(libraries) if found == library]
        ax.annotate(
            library,
            (sum(where) / len(where), 1),
            xytext=(0, 16),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            size=9,
        )
        ax.axvline(where[0] - 0.5, color="white", linewidth=3)
    ax.spines[:].set_visible(False)
