"""The scores of a prediction: of each case, its slices pooled, and of all cases together."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from dice_semimetric import calibration_bins, majority_vote, threshold_counts, uniform_average

from .cases import Case

#: The scores of a case, and those of all cases together, as reports name them.
NAMES = {
    "dice": "Dice",
    "bdice": "BDice",
    "ece": "ECE",
    "ece_near": "ECE near",
    "ece_seen": "ECE seen",
    "ece_near_pooled": "ECE near, pooled",
    "ece_seen_pooled": "ECE seen, pooled",
}
LOWER_IS_BETTER = tuple(name for name in NAMES if name.startswith("ece"))
REACH = 5  # pixels around the marks of any rater
CERTAIN = 0.01  # below it, and without a rater's mark, a pixel is plain background


def score_samples(
    probs: Iterable[np.ndarray], cases: Iterable[Case]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return a row of scores for each case, in the order of their first samples, and for all.

    Dice is that of prob >= 0.5 against the strict majority, BDice that over the thresholds 0.1 to
    0.9 against the raters' mean. All ECE have ten bins of the foreground probability: ``ece`` is
    over all pixels against the majority; ``ece_near`` over the pixels within 5 of a mark, and
    ``ece_seen`` over those with a probability above 0.01 or a mark, both against the mean. A
    prediction that spreads a thin haze over the background dilutes ``ece_seen``, since it chooses
    the pixels, and cannot dilute ``ece_near``. Slices of one case add up: the statistics behind the
    scores do. The scores of all cases are means over them, and for the last two, as ``_pooled``,
    the error of the bins that all cases share.
    """
    sums: dict[str, tuple[Any, ...]] = {}
    for prob, case in zip(probs, cases, strict=True):
        found = _statistics(prob, case)
        before = sums.get(case.name)
        sums[case.name] = found if before is None else _add(before, found)
    rows = [{"case": name, **_scores(*found)} for name, found in sums.items()]
    summary = {
        name: float(np.nanmean([row[name] for row in rows])) for name in rows[0] if name != "case"
    }
    *_, near, seen = (sum(parts[1:], parts[0]) for parts in zip(*sums.values(), strict=True))
    summary |= {"ece_near_pooled": float(near.error()), "ece_seen_pooled": float(seen.error())}
    return rows, summary


def _statistics(prob: np.ndarray, case: Case) -> tuple[Any, ...]:
    """Return what the scores of a prediction (H, W) are made of; the parts add up over slices."""
    majority = majority_vote(case.raters).astype(np.float32)
    mean = uniform_average(case.raters, dtype=np.float32)
    near = binary_dilation(case.raters.any(axis=0), iterations=REACH)
    seen = (prob > CERTAIN) | (mean > 0)
    return (
        threshold_counts(prob, majority, thresholds=[0.5]),
        threshold_counts(prob, mean),
        calibration_bins(prob, majority, kind="binary"),
        calibration_bins(prob, mean, kind="binary", mask=near),
        calibration_bins(prob, mean, kind="binary", mask=seen),
    )


def _add(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _scores(at_half: Any, at_all: Any, everywhere: Any, near: Any, seen: Any) -> dict[str, float]:
    return {
        "dice": float(at_half.dice()[0]),
        "bdice": float(at_all.binarized_dice()),
        "ece": float(everywhere.error()),
        "ece_near": float(near.error()),
        "ece_seen": float(seen.error()),
    }
