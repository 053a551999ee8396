"""The recipe's scores, and a calibration error whose pixels no prediction can choose."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from dice_semimetric import CalibrationBins, calibration_bins, uniform_average

from .cases import Case
from .evaluate import score_cases

REACH = 5  # pixels around the marks of any rater


def score(
    probs: list[np.ndarray], cases: list[Case]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return what `score_cases` returns, with ``ece_near`` besides.

    The recipe's ECE leaves out pixels with prob <= 0.01 that nobody marked, so a prediction that
    spreads a thin haze over the background dilutes its own error. ``ece_near`` is the same over
    all pixels within 5 of a mark.
    """
    rows, summary = score_cases(probs, cases)
    bins = [near_bins(prob, case) for prob, case in zip(probs, cases, strict=True)]
    for row, one in zip(rows, bins, strict=True):
        row["ece_near"] = float(one.error())
    summary["ece_near"] = float(np.nanmean([row["ece_near"] for row in rows]))
    pooled: CalibrationBins = sum(bins[1:], bins[0])
    return rows, summary | {"ece_near_pooled": float(pooled.error())}


def near_bins(prob: np.ndarray, case: Case) -> CalibrationBins:
    """Return the bins over the pixels within 5 of a mark, against the raters' mean."""
    mask = binary_dilation(case.raters.any(axis=0), iterations=REACH)
    mean = uniform_average(case.raters, dtype=np.float32)
    return calibration_bins(prob, mean, kind="binary", mask=mask)


def read_scores(path: Path) -> dict[str, np.ndarray]:
    """Return each score of a written table as an array over its cases."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(r[name]) for r in rows]) for name in rows[0] if name != "case"}
