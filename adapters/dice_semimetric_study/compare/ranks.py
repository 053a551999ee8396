"""Which model comes first, by each score, and whether it would with other patients."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..results.bootstrap import Bootstrap, Numbers, by_patient, mean_intervals
from ..results.paired import DIGITS
from ..results.registry import Better

Ties = Literal["average", "min", "max"]


@dataclass(frozen=True)
class Ranking:
    """The M models ranked by the mean of one score over the cases that all of them have.

    ``chance`` is the share of resamples in which a model (axis 0) has each rank from 1 on (axis
    1); those that share ranks have equal parts of each.
    """

    cases: int  # with this score in every model, and their patients
    patients: int
    mean: Numbers  # (M,)
    interval: Numbers  # (2, M), of the means, by patient
    rank: Numbers  # (M,): 1 is best; models with one mean share their mean rank
    same: Numbers  # (M,): the share of resamples in which the model has this very rank
    chance: Numbers  # (M, M)


def rank_models(
    values: Numbers, patients: tuple[str, ...], bootstrap: Bootstrap, *, better: Better = "higher"
) -> Ranking:
    """Rank M models by one score of N cases, (M, N), NaN where there is none.

    ``better`` tells which values are better. NaN stands for what fewer than two patients cannot
    show.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study.results.bootstrap import Bootstrap
    >>> from dice_semimetric_study.compare.ranks import rank_models
    >>> dice = np.array([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.5, 0.9, 0.5]])
    >>> found = rank_models(dice, ("ann", "bob", "eve"), Bootstrap())
    >>> found.rank.tolist(), found.chance.round(2).tolist()
    ([1.0, 2.0, 3.0], [[0.91, 0.09, 0.0], [0.0, 0.69, 0.31], [0.09, 0.22, 0.69]])
    """
    known = ~np.any(np.isnan(values), axis=0)
    owners = [name for name, some in zip(patients, known, strict=True) if some]
    scores, count = values[:, known].T, len(set(owners))
    models = len(values)
    same, chance = np.full(models, np.nan), np.full((models, models), np.nan)
    if not count:
        return Ranking(0, 0, same, np.full((2, models), np.nan), same, same, chance)
    mean = scores.mean(axis=0)
    rank = _ranks(mean, better)
    if count > 1:
        sums, numbers = by_patient(scores, owners)
        drawn = bootstrap.drawn(count)
        means = (drawn @ sums) / (drawn @ numbers)
        same = np.mean(_ranks(means, better) == rank, axis=0)
        chance = _chances(means, better)
    interval = mean_intervals(scores, owners, bootstrap)
    return Ranking(len(owners), count, mean, interval, rank, same, chance)


def _ranks(means: Numbers, better: Better, method: Ties = "average") -> Numbers:
    """Return ranks along the last axis, 1 for the best."""
    oriented = {"higher": -means, "lower": means, "nearer 0": np.abs(means)}[better]
    from scipy.stats import rankdata  # slow to import

    return np.asarray(rankdata(np.round(oriented, DIGITS), method=method, axis=-1), np.float64)


def _chances(means: Numbers, better: Better) -> Numbers:
    """Return how often each model (axis 0) has each rank (axis 1), from its means (B, M)."""
    first = _ranks(means, better, method="min")[..., None]
    last = _ranks(means, better, method="max")[..., None]
    places = np.arange(1, means.shape[-1] + 1)
    held = (first <= places) & (places <= last)
    return np.asarray((held / (last - first + 1)).mean(axis=0))


def agreement(ranks: Numbers, others: Numbers) -> float:
    """Return Kendall's tau-b of two rankings (M,): 1 if they are one, -1 if reversed.

    It is NaN where either has all models in one place, or is not known.
    """
    if np.isnan(ranks).any() or np.isnan(others).any() or 0 in (np.ptp(ranks), np.ptp(others)):
        return np.nan
    from scipy.stats import kendalltau  # slow to import

    return float(kendalltau(ranks, others, variant="b").statistic)
