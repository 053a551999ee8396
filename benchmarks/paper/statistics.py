"""Paired comparison of two methods on the same cases."""

from typing import Any

import numpy as np
from scipy.stats import wilcoxon

RESAMPLES = 10_000


def paired_test(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Compare two scores of each case, with the patient as the unit.

    Cases of one patient are not independent, so differences are averaged within the patient.

    Parameters
    ----------
    first, second : numpy.ndarray
        One score a case, each the mean over seeds.
    groups : numpy.ndarray
        The number of each case's patient, from 0 on.

    Returns
    -------
    dict
        The mean difference over patients, its 95 % interval from a bootstrap of patients, the
        two-sided p-value of Wilcoxon's signed-rank test, and the shares of patients with a
        difference above and below 0.
    """
    size = np.bincount(groups)
    difference = np.bincount(groups, weights=first - second) / size
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.quantile(difference[drawn].mean(axis=1), [0.025, 0.975])
    same = bool(np.all(difference == 0))
    return {
        "mean": float(difference.mean()),
        "interval": [float(low), float(high)],
        "p": 1.0 if same else float(wilcoxon(difference).pvalue),
        "above_zero": float(np.mean(difference > 0)),
        "below_zero": float(np.mean(difference < 0)),
        "patients": len(difference),
    }
