"""Every public function on awkward input that it takes: empty, constant, exact and tiny values."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import dice_semimetric as ds

Call = tuple[str, Callable[..., Any], tuple[np.ndarray, ...]]
SHAPE = (2, 3, 4)
LABELS = {
    "all background": np.zeros((2, 4), int),
    "no background": np.array([[1, 2, 1, 2], [2, 2, 2, 2]]),
    "all ignored": np.full((2, 4), 7),
}
RATERS = {
    "nothing marked": np.zeros((3, 2, 4), np.uint8),
    "all marked": np.ones((3, 2, 4), np.uint8),
    "one rater": np.array([[[0, 1, 1, 0], [0, 0, 0, 0]]], np.uint8),
    "disjoint": np.eye(4, dtype=np.uint8)[:, None].repeat(2, 1),
    "no pixels": np.zeros((3, 2, 0), np.uint8),
}


def scores_of_raters(raters: Any) -> Any:
    found = ds.rater_agreement(raters)
    return found.dice(), found.dice_to_majority(), found.cohen_kappa(), found.fleiss_kappa()


def kernel(prob: Any, label: Any) -> Any:
    return ds.KernelCalibrator(bandwidth=1e-2, n_keys=8).fit(prob, label).predict_proba(prob)


def temperature(logits: Any, label: Any) -> Any:
    return ds.TemperatureScaling().fit(logits, label).predict_proba(logits)


def vector(logits: Any, label: Any) -> Any:
    return ds.VectorScaling().fit(logits, label).predict_proba(logits)


def loss_of_overlap(pred: Any, target: Any, *mask: Any) -> Any:
    o = ds.overlap(pred, target, axis=-1, mask=mask[0] if mask else None)
    return ds.overlap_loss(o, form="jml2", log=True)


def masked(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return the function with the mask, where there is one, as the third argument."""

    def call(pred: Any, target: Any, *mask: Any) -> Any:
        return function(pred, target, mask=mask[0] if mask else None, **options)

    return call


def draws() -> np.random.Generator:
    return np.random.default_rng(0)


TVERSKY = {"alpha": 0.3, "beta": 0.0}
OF_PAIRS: dict[str, Callable[..., Any]] = {
    **{name: masked(getattr(ds, name)) for name in ("dml1", "dml2", "jml1", "jml2", "sdl", "sjl")},
    "ctl": masked(ds.ctl, **TVERSKY, axis=(0, 2)),
    "stl": masked(ds.stl, **TVERSKY, axis=(0, 2)),
    "cftl": masked(ds.cftl, **TVERSKY, gamma=1.3, smooth=1e-5),
    "overlap": masked(ds.overlap, axis=-1),
    "overlap_loss": loss_of_overlap,
    "dice_score": masked(ds.dice_score, axis=-1),
    "jaccard_score": masked(ds.jaccard_score, axis=(0, 2), empty=0.0),
    "binarized_dice": masked(ds.binarized_dice, axis=-1),
    "threshold_counts": masked(ds.threshold_counts),
    "calibration_loss": masked(ds.calibration_loss, activation="sigmoid"),
    "pairwise_loss": lambda x, y, *_: ds.pairwise_loss(x[0], y[0]),
    "generalized_energy_distance": lambda x, y, *_: ds.generalized_energy_distance(x, y),
    "crps": lambda x, y, *_: ds.crps(x[0], y),
    "crps of a normal distribution": lambda x, y, *_: ds.crps(x[0], y, distribution="normal"),
    "region_overlap": masked(ds.region_overlap, activation="sigmoid"),
    "region_loss": masked(ds.region_loss, per="class", classes="present", gamma=0.7),
    "region_loss of logits": masked(ds.region_loss, activation="softmax", form="jml2", log=True),
    "region_score": masked(ds.region_score, per="image", score="bdice"),
}
OF_PROBABILITIES: dict[str, Callable[..., Any]] = {
    "calibrate_teacher": lambda p, y: ds.calibrate_teacher(
        p, y, bandwidth=1e-3, n_keys=5, rng=draws(), where="all"
    ),
    "expected_calibration_error": partial(ds.expected_calibration_error, norm="l2"),
    "expected_calibration_error of classes": partial(
        ds.expected_calibration_error, kind="classwise", norm="l2"
    ),
    "proper_score": ds.proper_score,
    "brier_score": partial(ds.brier_score, per="image"),
    "log_loss": ds.log_loss,
    "calibration_bins": partial(ds.calibration_bins, strategy="quantile"),
    "reliability_curve": partial(ds.reliability_curve, n_bins=1),
    "kernel_regression": lambda p, y: ds.kernel_regression(
        p[..., 0], p[..., 1], y[:, 1], bandwidth=1e-3
    ),
    "kernel_calibration_error": lambda p, y: ds.kernel_calibration_error(
        p[..., 0], y[:, 0], bandwidth=0.02, p=2
    ),
    "select_bandwidth": lambda p, y: ds.select_bandwidth(p[0].T, bandwidths=(1e-4, 1e-2)),
    "KernelCalibrator": kernel,
}
OF_LABELS: dict[str, Callable[..., Any]] = {
    "one_hot": partial(ds.one_hot, num_classes=3, ignore_index=7),
    "smooth_labels": partial(ds.smooth_labels, num_classes=3, epsilon=0.1, ignore_index=7),
    "smooth_boundary": partial(ds.smooth_boundary, num_classes=3, epsilon=0.1, ignore_index=7),
    "label_boundary": partial(ds.label_boundary, ignore_index=7),
    "sample_keys": lambda y: ds.sample_keys(y, 3, ignore_index=7, rng=draws()),
}
OF_RATERS: dict[str, Callable[..., Any]] = {
    "dice_weighted_average": partial(ds.dice_weighted_average, per="image", return_weights=True),
    "disagreement": ds.disagreement,
    "majority_vote": ds.majority_vote,
    "rater_agreement": scores_of_raters,
    "random_rater": lambda raters: ds.random_rater(raters, rng=draws()),
    "staple": partial(ds.staple, max_iter=20, return_performance=True),
    "staple of classes": partial(
        ds.staple, num_classes=3, axis=0, max_iter=20, return_performance=True
    ),
    "staple of few": lambda raters: ds.staple(raters, present=raters != 1, max_iter=20),
    "uniform_average": ds.uniform_average,
}


def calls(dtype: Any) -> Iterator[Call]:
    """Yield what is called and on what, the function with it, and its arrays, in that dtype."""
    for kind, arrays in pairs(dtype).items():
        yield from ((f"{name}: {kind}", call, arrays) for name, call in OF_PAIRS.items())
    for kind, prob in probabilities(dtype).items():
        for given in ("all background", "no background"):
            arrays = prob, LABELS[given]
            for name, call in OF_PROBABILITIES.items():
                yield f"{name}: {kind}, {given}", call, arrays
    for kind, logits in logits_of(dtype).items():
        arrays = logits, LABELS["no background"]
        yield f"TemperatureScaling: {kind}", temperature, arrays
        yield f"VectorScaling: {kind}", vector, arrays
        yield f"region_loss: {kind}", partial(ds.region_loss, activation="softmax"), arrays
        yield f"region_score: {kind}", partial(ds.region_score, activation="sigmoid"), arrays
    for kind, label in LABELS.items():
        yield from ((f"{name}: {kind}", call, (label,)) for name, call in OF_LABELS.items())
    for kind, raters in RATERS.items():
        yield from ((f"{name}: {kind}", call, (raters,)) for name, call in OF_RATERS.items())


def pairs(dtype: Any) -> dict[str, tuple[np.ndarray, ...]]:
    """Return predictions and targets, some with a mask."""
    info = np.finfo(dtype)
    zero, one, tiny, small, half, least_below_one = (
        np.full(SHAPE, value, dtype)
        for value in (0, 1, info.smallest_subnormal, info.smallest_normal, 0.5, 1 - info.epsneg)
    )
    mixed = (np.arange(zero.size).reshape(SHAPE) % 3 / 2).astype(dtype)
    return {
        "nothing twice": (zero, zero),
        "everything twice": (one, one),
        "nothing and everything": (zero, one),
        "subnormal": (tiny, zero),
        "subnormal twice": (tiny, tiny),
        "subnormal and mixed": (tiny, mixed),
        "products that underflow": (small, small),
        "halves": (half, mixed),
        "nearly everything": (least_below_one, one),
        "an empty mask": (mixed, one, np.zeros(SHAPE, bool)),
        "a mask of one pixel": (mixed, half, np.eye(3, 4, dtype=bool)[None] & (mixed == 1)),
    }


def probabilities(dtype: Any) -> dict[str, np.ndarray]:
    """Return probabilities of three classes, (2, 3, 4)."""
    sure = np.zeros(SHAPE, dtype)
    sure[:, 0] = 1
    subnormal = sure.copy()
    subnormal[:, 1] = np.finfo(dtype).smallest_subnormal
    tie = np.zeros(SHAPE, dtype)
    tie[:, :2] = 0.5
    return {
        "sure": sure,
        "subnormal": subnormal,
        "a tie": tie,
        "thirds": np.full(SHAPE, 1 / 3, dtype),
    }


def logits_of(dtype: Any) -> dict[str, np.ndarray]:
    """Return logits of three classes, (2, 3, 4)."""
    sign = np.array([-1, 1, -1], dtype)[None, :, None] + np.zeros(SHAPE, dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    return {"zeros": 0 * sign, "far apart": 1e4 * sign, "subnormal": tiny * sign}
