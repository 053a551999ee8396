"""Predict the cases of a split and score them: Dice, BDice and ECE."""

from typing import Any

import numpy as np
import torch
from torch import nn

from dice_semimetric import (
    CalibrationBins,
    binarized_dice,
    calibration_bins,
    dice_score,
    majority_vote,
    uniform_average,
)

from .cases import Case
from .data import window

CERTAIN = 0.01  # below it, and without a rater's mark, a pixel is plain background


def predict(model: nn.Module, case: Case, crop: int) -> np.ndarray:
    """Return the foreground probability (H, W), 0 outside the window that the network sees."""
    place = window(case.image.shape[1:], crop)
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        image = torch.tensor(case.image[(slice(None), *place)], device=device)
        inside = torch.sigmoid(model(image[None]))[0, 0]
    prob = np.zeros(case.image.shape[1:], np.float32)
    prob[place] = inside.cpu().numpy()
    return prob


def score_case(prob: np.ndarray, raters: np.ndarray) -> tuple[dict[str, float], CalibrationBins]:
    """Return the scores of one prediction against its raters, and its calibration bins.

    Dice is that of prob >= 0.5 against the strict majority, BDice that over the thresholds 0.1 to
    0.9 against the raters' mean. ECE compares prob with the raters' mean where prob > 0.01 or a
    rater marked the pixel: plain background would hide any error.
    """
    mean = uniform_average(raters, dtype=np.float32)
    bins = calibration_bins(prob, mean, kind="binary", mask=(prob > CERTAIN) | (mean > 0))
    scores = {
        "dice": float(dice_score(prob >= 0.5, majority_vote(raters))),
        "bdice": float(binarized_dice(prob, mean)),
        "ece": float(bins.error()),
    }
    return scores, bins


def score_cases(
    probs: list[np.ndarray], cases: list[Case]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return one row of scores for each case, and the scores of the split.

    The split's Dice, BDice and ECE are means over the cases; ``ece_pooled`` is the ECE of the bins
    that all cases share.
    """
    scored = [score_case(p, c.raters) for p, c in zip(probs, cases, strict=True)]
    rows = [{"case": c.name, **s} for c, (s, _) in zip(cases, scored, strict=True)]
    summary = {name: float(np.nanmean([s[name] for s, _ in scored])) for name in scored[0][0]}
    pooled: CalibrationBins = sum(bins for _, bins in scored)  # type: ignore[assignment]
    return rows, summary | {"ece_pooled": float(pooled.error())}
