"""The kinds of diagram as numbers and paths, which the page's template draws as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins

from ..bootstrap import Numbers
from ..curves import reliability_of, spread_of

WIDTH, LEFT, RIGHT = 360.0, 40.0, 12.0
_TOP, _BOTTOM = 10.0, 230.0
_COUNTS_TOP, _COUNTS_BOTTOM = 244.0, 304.0
#: Lines of single cases on one page; more cannot be distinguished, and make it large.
_MOST_LINES = 2000


@dataclass(frozen=True)
class Scale:
    """From values between low and high to places between start and end of an axis."""

    low: float
    high: float
    start: float
    end: float
    step: float = 1.0  # between ticks

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """Round values with their places."""
        step = self.step
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(f"{k * step:g}", self(k * step)) for k in range(first, last + 1)]


@dataclass(frozen=True)
class ThresholdsChart:
    """Dice against threshold: axes, paths, and points to label."""

    x: Scale
    y: Scale
    cases: str  # paths: of single cases, of their middle half, and of their mean
    band: str
    mean: str
    points: list[dict[str, Any]]  # mean, quartiles and number of cases at each threshold
    shown: int  # how many of the cases have a line
    count: int


def thresholds_chart(
    thresholds: Sequence[float], curves: Numbers, order_by: Sequence[float], *, charts: int
) -> ThresholdsChart:
    """Return the chart of curves, one row per case, on a page with so many charts.

    Of many cases some are drawn, spread evenly over their order by another number.
    """
    levels = np.asarray(thresholds, float)
    order = np.argsort(order_by, kind="stable")
    most = max(20, min(200, _MOST_LINES // charts))
    places = np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int))
    faint = curves[order[places]]
    least = float(np.nanmin(faint)) if not np.isnan(faint).all() else 0.0
    x = Scale(min(levels[0], 0.1), max(levels[-1], 0.9), LEFT, WIDTH - RIGHT, step=0.1)
    step = 0.05 if least >= 0.75 else 0.1 if least >= 0.4 else 0.2
    y = Scale(min(0.9, math.floor(10 * least) / 10), 1, _BOTTOM, _TOP, step)
    found = spread_of(curves)
    some = ~np.isnan(found.mean)
    around = np.concatenate([levels[some], levels[some][::-1]])
    band = _line(around, np.concatenate([found.high[some], found.low[some][::-1]]), x, y)
    columns = zip(levels, found.mean, found.low, found.middle, found.high, found.cases, strict=True)
    return ThresholdsChart(
        x=x,
        y=y,
        cases="".join(_line(levels, curve, x, y) for curve in faint),
        band=band and band + "Z",
        mean=_line(levels, found.mean, x, y),
        points=[
            {"level": t, "mean": m, "low": a, "middle": b, "high": c, "cases": k}
            | ({} if math.isnan(m) else {"x": x(t), "y": y(m)})
            for t, m, a, b, c, k in columns
        ],
        shown=len(faint),
        count=len(curves),
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
class Histogram:
    """How many cases have which score, and the places of those with the least."""

    x: Scale
    y: Scale
    bars: list[dict[str, Any]]
    worst: list[dict[str, Any]]  # the place in ``values``, its value, and where it is drawn
    count: int


def histogram(values: Sequence[float], bins: int = 20, worst: int = 5) -> Histogram:
    """Return the histogram of scores up to 1 in equal bins, NaN left out.

    So many of the least are named, but no more than a quarter of the cases, and one at least.
    """
    scores = np.asarray(values, float)
    order = np.argsort(scores)[: np.count_nonzero(~np.isnan(scores))]
    named = min(worst, max(1, order.size // 4))
    low = min(0.9, math.floor(10 * scores[order[0]]) / 10) if order.size else 0.0
    counts, edges = np.histogram(np.clip(scores[order], low, 1), bins=bins, range=(low, 1))
    step = 10 ** math.floor(math.log10(max(1, counts.max(initial=1))))
    step = next(s for s in (step, 2 * step, 5 * step) if counts.max(initial=1) / s <= 5)
    x = Scale(low, 1, LEFT, WIDTH - RIGHT, step=0.1 if low >= 0.5 else 0.2)
    y = Scale(0, max(1, int(counts.max(initial=1))), _BOTTOM, _TOP, step)
    bars = [
        {"low": a, "high": b, "count": n, "x": x(a), "width": round(x(b) - x(a), 1), "y": y(n)}
        for a, b, n in zip(*map(np.ndarray.tolist, (edges[:-1], edges[1:], counts)), strict=True)
        if n
    ]
    least = [{"place": int(i), "value": float(scores[i]), "x": x(scores[i])} for i in order[:named]]
    return Histogram(x, y, bars, least, len(order))


@dataclass(frozen=True)
class ReliabilityChart:
    """Observed against predicted, above the numbers of pixels; one bar per bin with pixels."""

    x: Scale
    y: Scale
    count_ticks: list[tuple[str, float]]
    bars: list[dict[str, Any]]


def reliability_chart(bins: CalibrationBins, *, start: float) -> ReliabilityChart:
    """Return the chart of pooled bins, which begins at ``start`` or at the first bin in use."""
    found = reliability_of(bins)
    first = min([start, *found.left[:1]])
    x = Scale(first, 1, LEFT, WIDTH - RIGHT, step=0.1 if first >= 0.5 else 0.2)
    y = Scale(0, 1, _BOTTOM, _TOP, step=0.2)
    top = max(1.0, math.log10(found.count.max(initial=1)) + 0.2)
    z = Scale(-0.3, top, _COUNTS_BOTTOM, _COUNTS_TOP)
    bars = []
    for bar in zip(*(getattr(found, f.name) for f in fields(found)), strict=True):
        left, right, count, predicted, observed = map(float, bar)
        means = {"count": int(count), "predicted": predicted, "observed": observed}
        places = {"x": x(left), "width": round(x(right) - x(left), 1), "at": x(predicted)}
        heights = {"y": y(observed), "ideal": y(predicted), "top": z(math.log10(count))}
        bars.append({"left": left, "right": right} | means | places | heights)
    powers = range(0, int(top) + 1, max(1, math.ceil(top / 3)))
    return ReliabilityChart(x, y, [(_power(k), z(k)) for k in powers], bars)


def _power(exponent: int) -> str:
    """Return a power of ten as people write it in little space."""
    thousands, rest = divmod(exponent, 3)
    return f"{10**rest}{('', 'k', 'M', 'G', 'T')[thousands]}"
