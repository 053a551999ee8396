"""Overlap, its losses and scores on maps, beside the formulas in NumPy, MONAI and torchmetrics."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from monai.losses import DiceLoss, TverskyLoss
from monai.metrics import compute_dice, compute_iou
from torchmetrics.functional.segmentation import dice_score as torchmetrics_dice

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, classes, confidences, cube, more_pair_inputs, named, pair, pair_inputs

TOPIC = "region"
THRESHOLDS = tuple(k / 10 for k in range(1, 10))
ALPHA, BETA, GAMMA = 0.3, 0.7, 1.5
PLAIN = "formula in NumPy"
NOTHING: dict[str, Any] = {"smooth_nr": 0, "smooth_dr": 0}


def plain_overlap(x: np.ndarray, y: np.ndarray) -> tuple[Any, ...]:
    """Sum after sum."""
    return x.sum(), y.sum(), np.abs(x - y).sum(), (x * y).sum()


def _tversky(intersection: float, x: float, y: float) -> float:
    wrong = ALPHA * (x - intersection) + BETA * (y - intersection)
    return wrong / (intersection + wrong)


def _of_sums(formula: Callable[..., float]) -> Callable[..., float]:
    return lambda x, y: formula(*plain_overlap(*(a.astype(np.float32, copy=False) for a in (x, y))))


FORMULAS: dict[str, Callable[..., float]] = {
    "dml1": lambda x, y, d, p: d / (x + y),
    "dml2": lambda x, y, d, p: 1 - 2 * p / (2 * p + d),
    "jml1": lambda x, y, d, p: 1 - (x + y - d) / (x + y + d),
    "jml2": lambda x, y, d, p: 1 - p / (p + d),
    "sdl": lambda x, y, d, p: 1 - 2 * p / (x + y),
    "sjl": lambda x, y, d, p: 1 - p / (x + y - p),
    "ctl": lambda x, y, d, p: _tversky((x + y - d) / 2, x, y),
    "stl": lambda x, y, d, p: _tversky(p, x, y),
    "cftl": lambda x, y, d, p: _tversky((x + y - d) / 2, x, y) ** (1 / GAMMA),
}
OPTIONS: dict[str, dict[str, float]] = {
    "ctl": {"alpha": ALPHA, "beta": BETA},
    "stl": {"alpha": ALPHA, "beta": BETA},
    "cftl": {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA},
}
MONAI: dict[str, Any] = {
    "dml1": DiceLoss(soft_label=True, **NOTHING),
    "jml1": DiceLoss(soft_label=True, jaccard=True, **NOTHING),
    "sdl": DiceLoss(**NOTHING),
    "sjl": DiceLoss(jaccard=True, **NOTHING),
    "ctl": TverskyLoss(soft_label=True, alpha=ALPHA, beta=BETA, **NOTHING),
    "stl": TverskyLoss(alpha=ALPHA, beta=BETA, **NOTHING),
}


def plain_counts(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Threshold after threshold, on boolean masks."""
    masks = [(x >= t, y >= t) for t in THRESHOLDS]
    return np.array([[a.sum(), b.sum(), (a & b).sum()] for a, b in masks], float).T


def plain_bdice(x: np.ndarray, y: np.ndarray) -> float:
    """The mean of the Dice at each threshold."""
    a, b, both = plain_counts(x, y)
    return float(np.mean(2 * both / (a + b)))


def plain_mask_dice(x: np.ndarray, y: np.ndarray) -> float:
    """Dice of boolean masks."""
    return 2 * np.sum(x & y) / (x.sum() + y.sum())


def plain_mask_jaccard(x: np.ndarray, y: np.ndarray) -> float:
    """Jaccard of boolean masks."""
    return np.sum(x & y) / np.sum(x | y)


def _counts(x: Any, y: Any) -> list[Any]:
    found = ds.threshold_counts(x, y)
    return [found.pred, found.target, found.both]


def _losses(sizes: Sizes) -> list[Comparison]:
    found = []
    for name, formula in FORMULAS.items():
        inputs = pair_inputs(sizes) + (more_pair_inputs(sizes) if name == "dml1" else [])
        loss = MONAI.get(name)
        theirs = {"MONAI": lambda x, y, loss=loss: loss(x[None, None], y[None, None])}
        found += functions(
            TOPIC,
            name,
            partial(getattr(ds, name), **OPTIONS.get(name, {})),
            inputs,
            {PLAIN: _of_sums(formula)},
            torch_peers=theirs if loss else {},
        )
    return found


def _scores(sizes: Sizes) -> list[Comparison]:
    every = pair_inputs(sizes) + more_pair_inputs(sizes)
    shape = cube(sizes.volume)
    masks = Input(
        f"{named(sizes.volume)} bool",
        lambda: tuple(a > 0.4 for a in pair(*shape)),
    )
    return [
        *functions(TOPIC, "overlap", ds.overlap, pair_inputs(sizes), {PLAIN: plain_overlap}),
        *_soft_scores(sizes),
        *functions(
            TOPIC,
            "dice_score",
            ds.dice_score,
            [masks],
            {PLAIN: plain_mask_dice},
            torch_peers={
                "MONAI": lambda x, y: compute_dice(x[None, None], y[None, None]),
                "torchmetrics": lambda x, y: torchmetrics_dice(
                    x[None, None], y[None, None], 1, average="macro", input_format="one-hot"
                ),
            },
        ),
        *functions(
            TOPIC,
            "jaccard_score",
            ds.jaccard_score,
            [masks],
            {PLAIN: plain_mask_jaccard},
            torch_peers={"MONAI": lambda x, y: compute_iou(x[None, None], y[None, None])},
        ),
        *functions(TOPIC, "binarized_dice", ds.binarized_dice, every, {PLAIN: plain_bdice}),
        *functions(
            TOPIC,
            "threshold_counts",
            _counts,
            pair_inputs(sizes),
            {PLAIN: lambda x, y: list(plain_counts(x, y))},
        ),
        *_masked(sizes),
    ]


def _soft_scores(sizes: Sizes) -> list[Comparison]:
    """Return Dice and Jaccard of soft maps: 1 minus the loss."""
    found = []
    for name, loss in (("dice_score", "dml1"), ("jaccard_score", "jml1")):
        formula, monai = _of_sums(FORMULAS[loss]), MONAI[loss]
        found += functions(
            TOPIC,
            name,
            getattr(ds, name),
            pair_inputs(sizes),
            {PLAIN: lambda x, y, f=formula: 1 - f(x, y)},
            torch_peers={"MONAI": lambda x, y, f=monai: 1 - f(x[None, None], y[None, None])},
        )
    return found


def _masked(sizes: Sizes) -> list[Comparison]:
    """The same where a mask says which pixels count."""
    given = Input(
        f"{named(sizes.volume)} masked",
        lambda: (*pair(*cube(sizes.volume)), confidences(*cube(sizes.volume))[1]),
    )
    ways = (
        (ds.dml1, _of_sums(FORMULAS["dml1"])),
        (ds.dice_score, lambda x, y: 1 - _of_sums(FORMULAS["dml1"])(x, y)),
        (ds.binarized_dice, plain_bdice),
    )
    found = []
    for function, formula in ways:
        found += functions(
            TOPIC,
            function.__name__,
            lambda x, y, mask, f=function: f(x, y, mask=mask),
            [given],
            {PLAIN: lambda x, y, mask, f=formula: f(x[mask], y[mask])},
        )
    return found


def _batches(sizes: Sizes) -> list[Comparison]:
    """Functions of a batch (B, C, *spatial) and integer labels."""
    side = sizes.volume // 2
    inputs = [
        Input(f"tiny (1, 2, {sizes.tiny}, {sizes.tiny})", lambda: classes(1, 2, *[sizes.tiny] * 2)),
        Input(f"(2, 4, {side}^3)", lambda: classes(2, 4, *cube(side))),
    ]
    soft = DiceLoss(to_onehot_y=True, softmax=True, batch=True, **NOTHING)
    hard = DiceLoss(to_onehot_y=True, **NOTHING)
    return [
        *functions(
            TOPIC,
            "region_loss, softmax",
            partial(ds.region_loss, activation="softmax"),
            inputs,
            {PLAIN: plain_region},
            torch_peers={"MONAI": lambda z, y: soft(z, y[:, None])},
        ),
        *functions(TOPIC, "region_overlap", ds.region_overlap, inputs),
        *functions(
            TOPIC,
            "region_score",
            ds.region_score,
            inputs,
            torch_peers={"MONAI": lambda p, y: 1 - hard(p, y[:, None])},
        ),
        *functions(TOPIC, "region_score, bdice", partial(ds.region_score, score="bdice"), inputs),
        *functions(
            TOPIC,
            "overlap_loss",
            _formula_alone,
            [Input("tiny 4 sums of 8 classes", lambda: _sums(8))],
        ),
    ]


def plain_region(z: np.ndarray, label: np.ndarray) -> float:
    """Softmax, one-hot labels and the formula of each class."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    x = e / e.sum(axis=1, keepdims=True)
    y = np.moveaxis(np.eye(z.shape[1], dtype=z.dtype)[label], -1, 1)
    axis = (0, *range(2, z.ndim))
    return float(np.mean(np.abs(x - y).sum(axis) / (x.sum(axis) + y.sum(axis))))


def _sums(count: int) -> tuple[np.ndarray, ...]:
    x, y = pair(count, 100)
    return x.sum(1), y.sum(1), np.abs(x - y).sum(1), (x * y).sum(1)


def _formula_alone(*sums: Any) -> Any:
    return ds.overlap_loss(ds.Overlap(*sums))


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    return [*_losses(sizes), *_scores(sizes), *_batches(sizes)]
