"""The paper's scores of a case, whose slices are pooled: Dice, BDice and ECE."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from dice_semimetric import (
    calibration_bins,
    majority_vote,
    threshold_counts,
    uniform_average,
)

from .cases import Case
from .distill_scores import near_bins

SCORES = ("dice", "bdice", "ece", "ece_near")


def score_samples(probs: Iterable[np.ndarray], cases: Iterable[Case]) -> list[dict[str, Any]]:
    """Return one row of scores for each case, in the order of their first samples.

    Dice is that of prob >= 0.5 against the strict majority, BDice that over the thresholds 0.1 to
    0.9 against the raters' mean, ECE (10 bins of the foreground probability) against the majority
    over all pixels. ``ece_near`` is against the mean, over the pixels within 5 of a mark. Slices of
    one case add up: the statistics behind the scores do.
    """
    sums: dict[str, tuple[Any, ...]] = {}
    for prob, case in zip(probs, cases, strict=True):
        found = statistics(prob, case)
        before = sums.get(case.name)
        sums[case.name] = (
            found if before is None else tuple(a + b for a, b in zip(before, found, strict=True))
        )
    return [{"case": name, **scores(*found)} for name, found in sums.items()]


def statistics(prob: np.ndarray, case: Case) -> tuple[Any, ...]:
    """Return what the scores of a prediction (H, W) are made of; the parts add up over slices."""
    majority = majority_vote(case.raters).astype(np.float32)
    mean = uniform_average(case.raters, dtype=np.float32)
    return (
        threshold_counts(prob, majority, thresholds=[0.5]),
        threshold_counts(prob, mean),
        calibration_bins(prob, majority, kind="binary"),
        near_bins(prob, case),
    )


def scores(at_half: Any, at_all: Any, everywhere: Any, near: Any) -> dict[str, float]:
    """Return the scores of one case."""
    return {
        "dice": float(at_half.dice()[0]),
        "bdice": float(at_all.binarized_dice()),
        "ece": float(everywhere.error()),
        "ece_near": float(near.error()),
    }
