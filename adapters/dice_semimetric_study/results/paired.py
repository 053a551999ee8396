"""Two models on the same cases: the difference, its interval, a test and the effect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import Bootstrap, Numbers, by_patient, mean_intervals

#: Digits after the point at which two differences are one, so that rounding breaks no tie.
DIGITS = 12
_EXACT = (50, 13)  # patients up to which the signed-rank test is exact: without ties and with them
_BLOCK = 1 << 19  # numbers that stay in a cache, some three times faster than all at once


@dataclass(frozen=True)
class Paired:
    """How the scores of a first model differ from those of a second; NaN where not known."""

    cases: int  # with a score in both, and their patients
    patients: int
    mean_a: float  # over these cases
    mean_b: float
    difference: float  # the mean of first minus second, and its bootstrap interval by patient
    low: float
    high: float
    nonzero: int  # patients whose mean difference is not 0: all that the test uses
    p: float  # of Wilcoxon's signed-rank test
    effect: float  # the rank-biserial correlation of matched pairs, and its bootstrap interval
    effect_low: float
    effect_high: float


def compare_pair(a: Numbers, b: Numbers, patients: Sequence[str], bootstrap: Bootstrap) -> Paired:
    """Compare the scores of two models on the same cases.

    Each has one score per case, (N,), NaN where there is none; cases without a score in either
    are left out. The mean weighs cases alike; the test and the effect are of the patients' mean
    differences, since cases of one patient are not independent. What fewer than two patients
    cannot show is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study.results.bootstrap import Bootstrap
    >>> from dice_semimetric_study.results.paired import compare_pair
    >>> a, b = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.8, 0.6, 0.4, 0.7])
    >>> found = compare_pair(a, b, ["ann", "bob", "eve", "ida"], Bootstrap())
    >>> round(found.difference, 3), found.p, round(found.effect, 3)
    (0.125, 0.375, 0.7)
    """
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    owners = [name for name, some in zip(patients, known, strict=True) if some]
    count = len(set(owners))
    if not count:
        return Paired(0, 0, *(np.nan,) * 5, 0, *(np.nan,) * 4)
    sums, numbers = by_patient((a - b)[:, None], owners)
    means = (sums / numbers)[:, 0]
    low, high = mean_intervals((a - b)[:, None], owners, bootstrap)[:, 0]
    effects = np.full(2, np.nan)
    if count > 1:
        effects = bootstrap.interval(rank_biserial(means, bootstrap.drawn(count)))
    return Paired(
        cases=len(owners),
        patients=count,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float((a - b).mean()),
        low=float(low),
        high=float(high),
        nonzero=int(np.count_nonzero(np.round(means, DIGITS))),
        p=signed_rank(means),
        effect=float(rank_biserial(means, np.ones((1, count)))[0]),
        effect_low=float(effects[0]),
        effect_high=float(effects[1]),
    )


def signed_rank(differences: Numbers) -> float:
    """Return the two-sided p value of Wilcoxon's signed-rank test of one difference per patient.

    Zeros are left out, as Wilcoxon did. It is exact for up to 50 differences without ties and up
    to 13 with them, as in SciPy, whose own takes longer to import than many a study to score; it
    is by the normal distribution otherwise. It is 1 where all are 0, and NaN for fewer than two.
    """
    if differences.size < 2:
        return np.nan
    rounded = np.round(differences, DIGITS)
    nonzero = rounded[rounded != 0]
    if not nonzero.size:
        return 1.0
    number = nonzero.size
    _, place, tied = np.unique(np.abs(nonzero), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(tied) - tied + 1)[place]  # ranks, which may end in a half
    positive, whole = int(doubled[nonzero > 0].sum()), int(doubled.sum())
    if number <= _EXACT[bool((tied > 1).any())]:
        # how many of the choices of signs have each sum of positive ranks
        ways = np.zeros(whole + 1)
        ways[0] = 1
        for rank in doubled:
            ways[rank:] += ways[:-rank].copy()
        tail = ways[: min(positive, whole - positive) + 1].sum()
        return float(min(1.0, tail * 2.0 ** (1 - number)))
    variance = number * (number + 1) * (2 * number + 1) / 24 - (tied**3 - tied).sum() / 48
    return math.erfc(abs(positive - whole / 2) / 2 / math.sqrt(2 * variance))


def rank_biserial(differences: Numbers, times: Numbers) -> Numbers:
    """Return the rank-biserial correlation of matched pairs, in each of several resamples.

    Of one difference per patient, (P,), those that are not 0 are ranked by size, ties sharing
    their mean rank. The correlation is the share of the rank sum that is positive less the share
    that is negative [1]_: from -1 to 1, and 0 where all are 0. ``times`` (B, P) has how often each
    resample has each patient; the result is (B,).

    References
    ----------
    .. [1] D. S. Kerby, "The simple difference formula: an approach to teaching nonparametric
       correlation", Comprehensive Psychology 3, 2014.
    """
    rounded = np.round(differences, DIGITS)
    order = np.argsort(np.abs(rounded), kind="stable")
    order = order[rounded[order] != 0]
    if not order.size:
        return np.zeros(len(times))
    blocks = np.array_split(times, -(-times.size // _BLOCK))
    return np.concatenate([_rank_biserial(rounded[order], block[:, order]) for block in blocks])


def _rank_biserial(ordered: Numbers, times: Numbers) -> Numbers:
    """Return the correlation in some resamples, of differences that rise in size."""
    _, starts = np.unique(np.abs(ordered), return_index=True)
    tied = np.add.reduceat(times, starts, axis=1)
    signed = np.add.reduceat(times * np.sign(ordered), starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    total = (tied * ranks).sum(axis=1)
    return np.asarray((signed * ranks).sum(axis=1) / np.where(total > 0, total, 1))


def holm(p: Numbers) -> Numbers:
    """Return p values adjusted for being several, after Holm.

    Calling all below 0.05 significant errs in any of the family with a probability below 0.05.
    NaN is no test and counts for none.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study.results.paired import holm
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    adjusted = np.full(p.shape, np.nan)
    raised = p[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted
