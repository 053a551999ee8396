"""The two kinds of diagram as numbers and paths, which the page's template draws as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins

from ...results.plots import spread
from ...scores.case_score import CaseScore, Options

WIDTH, LEFT, RIGHT = 360.0, 40.0, 12.0
_TOP, _BOTTOM = 10.0, 230.0
_COUNTS_TOP, _COUNTS_BOTTOM = 244.0, 304.0
#: Lines of single cases on one page; more are not told apart, and make it large.
_MOST_LINES = 2000


@dataclass(frozen=True)
class Scale:
    """From values to places on an axis of a diagram.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, end : float
        Their places.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, step: float) -> list[tuple[str, float]]:
        """Return round values with their places."""
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(f"{k * step:g}", self(k * step)) for k in range(first, last + 1)]


@dataclass(frozen=True)
class Thresholds:
    """Dice against threshold.

    Attributes
    ----------
    x, y : Scale
        The axes.
    x_ticks, y_ticks : list
        Labels and places.
    cases, band, mean : str
        Paths: of single cases, of their middle half, and of their mean.
    points : list of dict
        At each threshold the mean, the quartiles, the number of cases, and the mean's place.
    shown, count : int
        How many of the cases have a line.
    """

    x: Scale
    y: Scale
    x_ticks: list[tuple[str, float]]
    y_ticks: list[tuple[str, float]]
    cases: str
    band: str
    mean: str
    points: list[dict[str, Any]]
    shown: int
    count: int


def thresholds_chart(scores: Sequence[CaseScore], options: Options, charts: int) -> Thresholds:
    """Return the curves of the cases of one structure, on a page with so many charts."""
    levels = np.asarray(options.thresholds, float)
    curves = np.stack([np.asarray(s.curve, float) for s in scores])
    known = [column[~np.isnan(column)] for column in curves.T]
    low, middle, high, mean = np.transpose([spread(column) for column in known])
    order = np.argsort([s.bdice for s in scores], kind="stable")
    most = max(20, min(200, _MOST_LINES // charts))
    places = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))
    faint = curves[order[places]]
    least = float(np.nanmin(faint)) if not np.isnan(faint).all() else 0.0
    x = Scale(min(levels[0], 0.1), max(levels[-1], 0.9), LEFT, WIDTH - RIGHT)
    y = Scale(min(0.9, math.floor(10 * least) / 10), 1, _BOTTOM, _TOP)
    there = ~np.isnan(mean)
    around = np.concatenate([levels[there], levels[there][::-1]])
    band = _line(around, np.concatenate([high[there], low[there][::-1]]), x, y)
    return Thresholds(
        x=x,
        y=y,
        x_ticks=x.ticks(0.1),
        y_ticks=y.ticks(0.05 if least >= 0.75 else 0.1 if least >= 0.4 else 0.2),
        cases="".join(_line(levels, curve, x, y) for curve in faint),
        band=band and band + "Z",
        mean=_line(levels, mean, x, y),
        points=[
            {"level": t, "mean": m, "low": a, "middle": b, "high": c, "cases": len(k)}
            | ({} if math.isnan(m) else {"x": x(t), "y": y(m)})
            for t, m, a, b, c, k in zip(levels, mean, low, middle, high, known, strict=True)
        ],
        shown=len(faint),
        count=len(scores),
    )


def _line(levels: NDArray[Any], values: NDArray[Any], x: Scale, y: Scale) -> str:
    """Return a path with gaps where there is no value."""
    path, pen = [], "M"
    for level, value in zip(levels, values, strict=True):
        if math.isnan(value):
            pen = "M"
            continue
        path.append(f"{pen}{x(level):g} {y(value):g}")
        pen = "L"
    return "".join(path)


@dataclass(frozen=True)
class Reliability:
    """What was observed against what was said, above the numbers of pixels.

    Attributes
    ----------
    x, y : Scale
        The axes of the upper part.
    x_ticks, y_ticks, count_ticks : list
        Labels and places.
    bars : list of dict
        Of each bin with pixels: its edges, count, mean of what was said and of what was observed,
        with their places.
    """

    x: Scale
    y: Scale
    x_ticks: list[tuple[str, float]]
    y_ticks: list[tuple[str, float]]
    count_ticks: list[tuple[str, float]]
    bars: list[dict[str, Any]]


def reliability_chart(bins: CalibrationBins, *, start: float) -> Reliability:
    """Return the diagram of pooled bins, which begins at ``start`` or at the first bin in use."""
    count, edges = np.asarray(bins.count, float).ravel(), np.asarray(bins.edges, float).ravel()
    some = np.flatnonzero(count)
    first = min([start, *(edges[i] for i in some[:1])])
    x = Scale(first, 1, LEFT, WIDTH - RIGHT)
    y = Scale(0, 1, _BOTTOM, _TOP)
    top = max(1.0, math.log10(count.max(initial=1)) + 0.2)
    z = Scale(-0.3, top, _COUNTS_BOTTOM, _COUNTS_TOP)
    said = np.asarray(bins.confidence, float).ravel()
    seen = np.asarray(bins.correct, float).ravel()
    bars = []
    for i in some:
        left, right, n = float(edges[i]), float(edges[i + 1]), int(count[i])
        means = {"said": float(said[i] / n), "seen": float(seen[i] / n)}
        places = {"x": x(left), "width": round(x(right) - x(left), 1), "at": x(means["said"])}
        heights = {"y": y(means["seen"]), "ideal": y(means["said"]), "top": z(math.log10(n))}
        bars.append({"left": left, "right": right, "count": n} | means | places | heights)
    power = max(1, math.ceil(top / 3))
    return Reliability(
        x=x,
        y=y,
        x_ticks=x.ticks(0.1 if first >= 0.5 else 0.2),
        y_ticks=y.ticks(0.2),
        count_ticks=[(_power(k), z(k)) for k in range(0, int(top) + 1, power)],
        bars=bars,
    )


def _power(exponent: int) -> str:
    """Return a power of ten as people write it in little space."""
    thousands, rest = divmod(exponent, 3)
    return f"{10**rest}{('', 'k', 'M', 'G', 'T')[thousands]}"
