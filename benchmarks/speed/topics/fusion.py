"""Raters joined and compared, beside the formulas in NumPy and SimpleITK."""

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import SimpleITK as sitk

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, cube, marks, named

TOPIC = "fusion"
RATERS = 5
PLAIN = "formula in NumPy"


def plain_majority(raters: np.ndarray) -> np.ndarray:
    """More than half."""
    return raters.sum(axis=0) > RATERS / 2


def plain_mean(raters: np.ndarray) -> np.ndarray:
    """The mean of the masks."""
    return raters.mean(axis=0, dtype=np.float32)


def plain_weighted(raters: np.ndarray) -> np.ndarray:
    """The mean weighted by each one's Dice against the majority."""
    vote = plain_majority(raters)
    weights = np.array(
        [2 * np.sum((r == 1) & vote) / (r.sum() + vote.sum()) for r in raters], np.float32
    )
    return np.tensordot(weights / weights.sum(), raters.astype(np.float32), 1)


def plain_votes(raters: np.ndarray) -> np.ndarray:
    """The label with the most votes."""
    return np.stack([(raters == c).sum(axis=0) for c in range(4)]).argmax(axis=0)


def plain_pairs(raters: np.ndarray) -> np.ndarray:
    """The Dice of every two raters."""
    masks, found = raters.astype(bool), np.ones((len(raters),) * 2)
    for i, j in combinations(range(len(raters)), 2):
        a, b = masks[i], masks[j]
        found[i, j] = found[j, i] = 2 * np.sum(a & b) / (a.sum() + b.sum())
    return found


def _images(raters: np.ndarray) -> list[Any]:
    return [sitk.GetImageFromArray(r.astype(np.uint8)) for r in raters]


def sitk_staple(raters: np.ndarray) -> np.ndarray:
    """ITK's, on the foreground."""
    return sitk.GetArrayFromImage(sitk.STAPLE(_images(raters), 1.0))


def sitk_votes(raters: np.ndarray) -> np.ndarray:
    """ITK's majority, ties undecided."""
    return sitk.GetArrayFromImage(sitk.LabelVoting(_images(raters), 255))


def _pairs(raters: Any) -> Any:
    return ds.rater_agreement(raters).dice()


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    shape = cube(sizes.volume)
    tiny = Input(f"tiny 5 x {named(sizes.tiny, 2)}", lambda: marks(RATERS, sizes.tiny, sizes.tiny))
    bytes_, longs, booleans = (
        Input(f"5 x {named(sizes.volume)} {d}", lambda d=d: marks(RATERS, *shape, dtype=d))
        for d in ("uint8", "int64", "bool")
    )
    four = Input(
        f"5 x {named(sizes.volume)} uint8, 4 labels",
        lambda: marks(RATERS, *shape, dtype="uint8", top=4),
    )
    every = [tiny, bytes_, longs, booleans]
    some = [tiny, bytes_]
    return [
        *functions(TOPIC, "majority_vote", ds.majority_vote, every, {PLAIN: plain_majority}),
        *functions(
            TOPIC,
            "majority_vote, labels",
            partial(ds.majority_vote, num_classes=4),
            [four],
            {PLAIN: plain_votes, "SimpleITK": sitk_votes},
            differs=["SimpleITK"],
        ),
        *functions(TOPIC, "uniform_average", ds.uniform_average, some, {PLAIN: plain_mean}),
        *functions(
            TOPIC, "dice_weighted_average", ds.dice_weighted_average, some, {PLAIN: plain_weighted}
        ),
        *functions(TOPIC, "random_rater", partial(ds.random_rater, rng=0), some),
        *functions(
            TOPIC, "staple", ds.staple, some, {"SimpleITK": sitk_staple}, differs=["SimpleITK"]
        ),
        *functions(TOPIC, "disagreement", ds.disagreement, some),
        *functions(TOPIC, "rater_agreement", _pairs, every, {PLAIN: plain_pairs}),
    ]
