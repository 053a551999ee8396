"""Means over cases and how far they would vary with other patients: the bootstrap by patient."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..choices import CONFIDENCE, RESAMPLES

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """How patients are drawn.

    Attributes
    ----------
    resamples : int
        How often.
    confidence : float
        The share of the resamples that an interval holds; it leaves out as many below as above.
    seed : int
        Of the generator.
    """

    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError where no interval could come of it."""
        if self.resamples < 1 or not 0 < self.confidence < 1:
            raise ValueError(
                "resamples must be at least 1 and confidence above 0 and below 1, "
                f"got {self.resamples} and {self.confidence}"
            )

    def drawn(self, patients: int) -> Numbers:
        """Return how often each resample has each patient: (resamples, patients), read-only."""
        return _drawn(patients, self.resamples, self.seed)

    def interval(self, values: Numbers) -> Numbers:
        """Return the percentile interval over the first axis, NaN left out: (2, ...)."""
        tail = (1 - self.confidence) / 2
        found = np.full((2, *values.shape[1:]), np.nan)
        some = ~np.isnan(values).all(axis=0)
        found[:, some] = np.nanquantile(values[:, some], [tail, 1 - tail], axis=0)
        return found

    def described(self) -> dict[str, Any]:
        """Return the settings and the method in words, for a summary."""
        method = "percentiles of the mean over resamples of the patients, each with all its cases"
        return asdict(self) | {"method": method}


@lru_cache(maxsize=2)  # the tasks of a study have the same patients
def _drawn(patients: int, resamples: int, seed: int) -> Numbers:
    drawn = np.random.default_rng(seed).integers(patients, size=(resamples, patients))
    drawn += patients * np.arange(resamples)[:, None]  # each resample counts in a row of its own
    found = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
    found.flags.writeable = False
    return found


def by_patient(values: Numbers, patients: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Return two arrays (P, K): the sums and the counts of each patient's known values.

    ``values`` (N, K) has one row per case, of the patient named in ``patients``, and NaN where
    nothing is known. Patients are sorted by name.
    """
    place = {name: i for i, name in enumerate(sorted(set(patients)))}
    index = [place[name] for name in patients]
    sums, known = np.zeros((2, len(place), values.shape[1]))
    np.add.at(sums, index, np.nan_to_num(values))
    np.add.at(known, index, ~np.isnan(values))
    return sums, known


def mean_intervals(values: Numbers, patients: Sequence[str], bootstrap: Bootstrap) -> Numbers:
    """Return the intervals of the means over cases.

    ``values`` (N, K) has one row per case, of the patient named in ``patients``, and NaN where
    nothing is known. Patients are drawn with replacement, as many as there are, with all their
    cases; each case drawn weighs the same. The result (2, K) has low and high, NaN where fewer than
    two patients have a value.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study.results.bootstrap import Bootstrap, mean_intervals
    >>> values = np.array([[0.9], [0.7], [0.5], [0.7]])
    >>> mean_intervals(values, ["ann", "ann", "bob", "eve"], Bootstrap()).round(2).tolist()
    [[0.5], [0.8]]
    """
    sums, known = by_patient(values, patients)
    drawn = bootstrap.drawn(len(sums))
    with np.errstate(invalid="ignore"):
        means = (drawn @ sums) / (drawn @ known)
    found = bootstrap.interval(means)
    found[:, (known > 0).sum(axis=0) < 2] = np.nan
    return found


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, NaN if there is none."""
    known = [float(v) for v in values if not math.isnan(v)]
    return float(np.mean(known)) if known else math.nan


def means_with_intervals(
    values: Numbers, patients: Sequence[str], bootstrap: Bootstrap
) -> tuple[list[float | None], list[list[float] | None]]:
    """Return the mean over cases of each column and its interval, None where they are not known."""
    means = [mean_of_known(column) for column in values.T]
    ends = np.full((len(means), 2), np.nan)
    if len(values):
        ends = mean_intervals(values, patients, bootstrap).T
    intervals = [None if np.isnan(pair).any() else pair.tolist() for pair in ends]
    return [None if math.isnan(m) else m for m in means], intervals
