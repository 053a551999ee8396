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
    "brier_near": "Brier near",
    "ece_near_pooled": "ECE near, pooled",
    "ece_seen_pooled": "ECE seen, pooled",
}
LOWER_IS_BETTER = tuple(name for name in NAMES if name.startswith(("ece", "brier")))
REACH = 5  # pixels around the marks of any rater
CERTAIN = 0.01  # below it, and without a rater's mark, a pixel is plain background


def score_samples(
    probs: Iterable[np.ndarray], cases: Iterable[Case]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return a row of scores for each case, in the order of their first samples, and for all.

    Dice is that of prob > 0.5 against the strict majority, BDice that over the thresholds 0.1 to
    0.9 against the raters' mean. All ECE have ten bins of the foreground probability: ``ece`` is
    over all pixels against the majority; ``ece_near`` over the pixels within 5 of a mark, and
    ``ece_seen`` over those with a probability above 0.01 or a mark, both against the mean. A
    prediction that spreads a thin haze over the background dilutes ``ece_seen``, since it chooses
    the pixels, and cannot dilute ``ece_near``, over whose pixels ``brier_near`` is the mean square
    difference from the mean. Slices of one case add up: the statistics behind the scores do. The
    scores of all cases are means over them, and for the last two, as ``_pooled``, the error of the
    bins that all cases share.
    """
    slices: dict[str, list[dict[str, Any]]] = {}
    for prob, case in zip(probs, cases, strict=True):
        slices.setdefault(case.name, []).append(_statistics(prob, case))
    sums = {name: _add(parts) for name, parts in slices.items()}
    rows = [{"case": case, **{n: _score(n, s) for n, s in of.items()}} for case, of in sums.items()]
    whole = _add(list(sums.values()))
    summary = {name: float(np.nanmean([row[name] for row in rows])) for name in whole}
    return rows, summary | {f"{n}_pooled": _score(n, whole[n]) for n in ("ece_near", "ece_seen")}


def _statistics(prob: np.ndarray, case: Case) -> dict[str, Any]:
    """Return what each score of a prediction (H, W) is made of; it adds up over slices."""
    majority = majority_vote(case.raters).astype(np.float32)
    mean = uniform_average(case.raters, dtype=np.float32)
    near = binary_dilation(case.raters.any(axis=0), iterations=REACH)
    seen = (prob > CERTAIN) | (mean > 0)
    return {
        "dice": threshold_counts((prob > 0.5).astype(np.float32), majority, thresholds=[0.5]),
        "bdice": threshold_counts(prob, mean),
        "ece": calibration_bins(prob, majority, kind="binary"),
        "ece_near": calibration_bins(prob, mean, kind="binary", mask=near),
        "ece_seen": calibration_bins(prob, mean, kind="binary", mask=seen),
        "brier_near": np.array([np.square(prob - mean, dtype=float)[near].sum(), near.sum()]),
    }


def _add(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum((f[name] for f in found[1:]), found[0][name]) for name in found[0]}


def _score(name: str, found: Any) -> float:
    if name == "brier_near":
        total, count = found
        return float(total / count) if count else float("nan")
    # The mean over the one threshold of "dice" is its Dice score.
    return float(found.error() if name.startswith("ece") else found.binarized_dice())
