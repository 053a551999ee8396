"""Calibrators of foreground maps: what is drawn of held-out cases, fit and maps.

The kernel is fitted to pixels above a floor, and changes only those: the choice looks at the
prediction alone, so it leaves E[y | p] what it is, and a few keys in the background could not show
how rare its marks are. The temperature is fitted to all pixels and changes them all: one number
cannot suit a part of them without being wrong for it, since what it suits is their likelihood. So
are the scale and the bias of vector scaling, which is Platt's for the one class of such a map.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import KernelCalibrator, TemperatureScaling, VectorScaling, value_checks

from ..choices import FLOOR, KEYS, Calibration

Target = Literal["mean", "majority"]
Fitted = KernelCalibrator | TemperatureScaling | VectorScaling
KINDS: dict[Calibration, type[Fitted]] = {
    "kernel": KernelCalibrator,
    "temperature": TemperatureScaling,
    "vector": VectorScaling,
}

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


@dataclass(frozen=True)
class MapCalibrator:
    """Calibrate a foreground map, by E[y | p] or by its logits.

    Attributes
    ----------
    fitted : KernelCalibrator, TemperatureScaling or VectorScaling
        Of the one class that a foreground map is.
    floor : float
        The probability up to which none is changed.
    counts : dict
        How many pixels there were to fit to, and how many were drawn, as far as that is known.
    """

    fitted: Fitted
    floor: float
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def method(self) -> Calibration:
        """Return what it is called on the command line."""
        return next(name for name, kind in KINDS.items() if isinstance(self.fitted, kind))

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what was fitted, and to how many pixels."""
        if isinstance(self.fitted, KernelCalibrator):
            found = {"bandwidth": self.fitted.bandwidth_}
        elif isinstance(self.fitted, TemperatureScaling):
            found = {"temperature": self.fitted.temperature_}
        else:
            found = {"scale": float(self.fitted.scale_[0]), "bias": float(self.fitted.bias_[0])}
        return {"method": self.method} | self.counts | found

    def predict(self, prob: NDArray[Any]) -> NDArray[np.float32]:
        """Return the map with every probability above the floor calibrated, in float32."""
        new = prob.astype(np.float32)
        changed = new > self.floor
        given = new[changed][:, None]
        with value_checks("never"):  # the reader has checked the map
            seen = given if isinstance(self.fitted, KernelCalibrator) else _logit(given)
            made = self.fitted.predict_proba(seen)
        new[changed] = np.clip(made[:, 0], 0, 1)
        return new


def fit_map(sample: Sample, fitting: Fitting) -> MapCalibrator:
    """Return a calibrator that is fitted to a sample of held-out cases."""
    prob, target = sample.prob[:, None], sample.target[:, None]
    fitted: Fitted
    if fitting.method == "kernel":
        fitted = KernelCalibrator(
            bandwidth=fitting.bandwidth, n_keys=prob.size, sampling="proportional"
        ).fit(prob, target)
    else:
        fitted = KINDS[fitting.method]().fit(_logit(prob), target)
    counts = {"pixels": sample.seen, "drawn": prob.size}
    return MapCalibrator(fitted, FLOOR[fitting.method], counts)


def _logit(prob: NDArray[Any]) -> NDArray[np.float64]:
    p = np.minimum(prob.astype(np.float64), _TOP)
    return np.log(p) - np.log1p(-p)
