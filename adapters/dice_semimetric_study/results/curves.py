"""The numbers behind the diagrams: Dice against threshold over cases, and reliability."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import CalibrationBins

from .bootstrap import Numbers


@dataclass(frozen=True)
class Spread:
    """Quartiles, mean and number of the known values at each threshold, NaN where none is."""

    low: Numbers
    middle: Numbers
    high: Numbers
    mean: Numbers
    cases: NDArray[np.int_]


def spread_of(curves: Numbers) -> Spread:
    """Return the spread over cases of curves with one row per case."""
    known = [column[~np.isnan(column)] for column in curves.T]
    nothing = (np.nan,) * 4
    rows = [
        (*np.quantile(values, [0.25, 0.5, 0.75]), np.mean(values)) if values.size else nothing
        for values in known
    ]
    low, middle, high, mean = np.transpose(rows)
    return Spread(low, middle, high, mean, np.array([len(values) for values in known]))


@dataclass(frozen=True)
class Reliability:
    """Of each bin with pixels: edges, count, mean probability predicted and mean observed."""

    left: Numbers
    right: Numbers
    count: Numbers
    predicted: Numbers
    observed: Numbers


def reliability_of(bins: CalibrationBins) -> Reliability:
    """Return the points of a reliability diagram."""
    fields = (bins.edges, bins.count, bins.confidence, bins.correct)
    edges, count, confidence, correct = (np.asarray(f, float).ravel() for f in fields)
    some = count > 0
    means: tuple[Any, Any] = (confidence[some] / count[some], correct[some] / count[some])
    return Reliability(edges[:-1][some], edges[1:][some], count[some], *means)
