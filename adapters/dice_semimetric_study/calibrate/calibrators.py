"""Calibrators of foreground maps: what is drawn of held-out cases, fit and maps.

The kernel is fitted to pixels above a floor, and changes only those: the choice looks at the
prediction alone, so it leaves E[y | p] what it is, and a few keys in the background could not show
how rare its marks are. The temperature is fitted to all pixels and changes them all: one number
cannot suit a part of them without being wrong for it, since what it suits is their likelihood.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import KernelCalibrator, TemperatureScaling, value_checks

from ..choices import FLOOR, KEYS, Calibration

Target = Literal["mean", "majority"]

#: A temperature is one number: more pixels hardly change it.
MOST_PIXELS = 1_000_000
#: float32 has 1.0 for every probability nearer to 1.
_TOP = 1 - 2.0**-24


@dataclass(frozen=True)
class Fitting:
    """What is fitted, and how: to the raters' mean, or to their majority, which is bolder.

    Without a bandwidth the kernel takes the one with the best likelihood of its keys. Which pixels
    are drawn depends on the seed and on the cases' names alone.
    """

    method: Calibration
    target: Target = "mean"
    bandwidth: float | None = None
    keys: int = KEYS
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """Pixels drawn evenly, without replacement, from cases that need not be in memory together.

    Each pixel has a random rank and the lowest ranks win, so samples of cases add up to a sample
    of them all, in whatever order. ``size`` is the most that are kept of the ``seen``.
    """

    rank: NDArray[Any]
    prob: NDArray[Any]
    target: NDArray[Any]
    size: int
    seen: int

    def first(self, number: int) -> "Sample":
        """Return no more than a number of the pixels, those of the lowest ranks."""
        kept = slice(number)
        return replace(self, rank=self.rank[kept], prob=self.prob[kept], target=self.target[kept])

    def __add__(self, other: "Sample") -> "Sample":
        """Return the sample of both."""
        both = ((self.rank, other.rank), (self.prob, other.prob), (self.target, other.target))
        rank, prob, target = (np.concatenate(pair) for pair in both)
        kept = np.argsort(rank, kind="stable")[: self.size]
        seen = self.seen + other.seen
        return Sample(rank[kept], prob[kept], target[kept], self.size, seen)


def draw(
    prob: NDArray[Any], target: NDArray[Any], *, above: float, size: int, rng: np.random.Generator
) -> Sample:
    """Return a sample of the pixels of a case with probabilities above the floor."""
    open_ = np.flatnonzero(prob.ravel() > above)
    rank = rng.random(open_.size)
    kept = np.argsort(rank, kind="stable")[:size]
    chosen = open_[kept]
    drawn = target.ravel()[chosen].astype(np.float32)
    return Sample(rank[kept], prob.ravel()[chosen], drawn, size, open_.size)


class MapCalibrator:
    """Calibrate a foreground map, by E[y | p] or by one temperature of the logits."""

    def __init__(self, method: Calibration, *, bandwidth: float | None = None) -> None:
        self.method = method
        self.bandwidth = bandwidth

    def fit(self, sample: Sample) -> "MapCalibrator":
        """Learn from a sample of held-out cases."""
        prob, target = sample.prob[:, None], sample.target[:, None]
        self.parameters: dict[str, float | int] = {"pixels": sample.seen, "drawn": prob.size}
        if self.method == "temperature":
            scaling = TemperatureScaling().fit(_logit(prob), target)
            self._fitted: TemperatureScaling | KernelCalibrator = scaling
            self.parameters["temperature"] = scaling.temperature_
        else:
            kernel = KernelCalibrator(
                bandwidth=self.bandwidth, n_keys=prob.size, sampling="proportional"
            )
            kernel.fit(prob, target)
            self._fitted = kernel
            self.parameters["bandwidth"] = kernel.bandwidth_
        return self

    def predict(self, prob: NDArray[Any]) -> NDArray[np.float32]:
        """Return the map with every probability above the floor calibrated, in float32."""
        new = prob.astype(np.float32)
        changed = new > FLOOR[self.method]
        given = new[changed][:, None]
        with value_checks("never"):  # the reader has checked the map
            seen = _logit(given) if self.method == "temperature" else given
            made = self._fitted.predict_proba(seen)
        new[changed] = np.clip(made[:, 0], 0, 1)
        return new


def _logit(prob: NDArray[Any]) -> NDArray[np.float64]:
    p = np.minimum(prob.astype(np.float64), _TOP)
    return np.log(p) - np.log1p(-p)
