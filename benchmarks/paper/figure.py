"""A table at a glance: how each column differs from the first, with its interval."""

from pathlib import Path
from typing import Any

from dice_semimetric_study.results.plots import BLUE, DARK, GREY, ORANGE, new_figure, save, style

from .book import Table
from .claims import ALPHA
from .scores import LOWER_IS_BETTER, NAMES
from .tables import TITLES

MOST_PANELS = 32


def draw(table: Table, shifts: list[dict[str, Any]], path: Path, note: str) -> None:
    """Draw the mean differences by patient and their 95 % intervals; the better side is right."""
    rows = list(dict.fromkeys(s["row"] for s in shifts))
    places = list(dict.fromkeys((s["row"], s["score"]) for s in shifts))
    places = sorted(places, key=lambda place: rows.index(place[0]))[:MOST_PANELS]
    if not places:
        return
    scores = len({score for _, score in places})
    columns = scores if scores > 1 else min(3, len(places))
    lines = -(-len(places) // columns)
    most = max(sum((s["row"], s["score"]) == place for s in shifts) for place in places)
    picture = new_figure(max(6.8, 4.4 * columns), (0.42 * most + 1.35) * lines + 0.7)
    panels = picture.subplots(lines, columns, squeeze=False).ravel()
    for axes, (row, score) in zip(panels, places, strict=False):
        some = [s for s in shifts if (s["row"], s["score"]) == (row, score)]
        _panel(axes, some, f"{row}: {NAMES[score]}", score in LOWER_IS_BETTER)
    for axes in panels[len(places) :]:
        axes.set_visible(False)
    baseline = "no kernel" if table == 8 else shifts[0]["second"]
    picture.suptitle(
        f"{TITLES[table].partition(' (')[0]}: change against {baseline}, right is better\n"
        f"blue: better, orange: worse, grey: not shown (p >= {ALPHA}, or 0 within); {note}",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    save(picture, path)


def _panel(axes: Any, some: list[dict[str, Any]], title: str, lower: bool) -> None:
    for y, shift in enumerate(some):
        low, high = (100 * v for v in shift["interval"])
        mean = 100 * shift["mean"]
        sure = shift["p"] < ALPHA and not low <= 0 <= high
        color = GREY if not sure else BLUE if (mean < 0) == lower else ORANGE
        axes.plot([low, high], [y, y], color=color, linewidth=2.5, solid_capstyle="round")
        axes.plot([mean], [y], "o", color=color, markersize=6)
    axes.axvline(0, color=DARK, linewidth=1)
    style(axes, title, "difference, percentage points", "")
    axes.set_yticks(range(len(some)), [s["first"] for s in some])
    axes.set_ylim(len(some) - 0.5, -0.5)
    if lower:
        axes.invert_xaxis()
