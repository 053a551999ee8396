"""A valid call of every public function, constructor and method of the core."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from backends import frozen, numbers

import dice_semimetric as ds

X = frozen(np.full((2, 3, 4), 0.25))
PROB = frozen(np.full((2, 2, 4), 0.5))
LABEL = frozen(np.array([[0, 1, 0, 1], [1, 0, 1, 1]]))
MARKS = frozen(np.array([[[0, 1, 1]], [[1, 1, 0]], [[0, 1, 0]]]))
ROWS, CLASS = frozen(np.array([[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]])), frozen(np.arange(3) % 2)
PAIR, BATCH = {"pred": X, "target": X}, {"pred": PROB, "target": LABEL}
CALIBRATION = {"prob": PROB, "label": LABEL}
TVERSKY = PAIR | {"alpha": 0.5, "beta": 0.5}
COUNTS, BINS = ds.threshold_counts(X, X, axis=0), ds.calibration_bins(PROB, LABEL)
SCORE = ds.proper_score(PROB, LABEL)
AGREEMENT, OVERLAP = ds.rater_agreement(MARKS), ds.overlap(X, X, axis=2)
KERNEL = ds.KernelCalibrator().fit(PROB, LABEL)
SCALING = ds.TemperatureScaling().fit(PROB, LABEL)
VECTOR = ds.VectorScaling().fit(PROB, LABEL)


def checking(mode: Any = "host") -> None:
    with ds.value_checks(mode):
        pass


def fit_of(calibrator: Any, result: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method fit of a calibrator, but of a copy, with what that has learned."""

    @functools.wraps(calibrator.fit)
    def fit(**options: Any) -> Any:
        return result(copy.copy(calibrator).fit(**options), options)

    return fit


# a valid call of every public function, constructor with options, and method
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    **{
        n: (getattr(ds, n), PAIR) for n in ["dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "overlap"]
    },
    "pairwise_loss": (ds.pairwise_loss, PAIR | {"form": "ctl"}),
    **{n: (getattr(ds, n), PAIR) for n in ("dice_score", "jaccard_score")},
    **{n: (getattr(ds, n), PAIR) for n in ("binarized_dice", "threshold_counts")},
    **{n: (getattr(ds, n), TVERSKY) for n in ("ctl", "stl")},
    "cftl": (ds.cftl, TVERSKY | {"gamma": 1.0}),
    **{n: (getattr(ds, n), BATCH) for n in ("region_loss", "region_overlap", "calibration_loss")},
    "region_score": (ds.region_score, BATCH | {"score": "bdice"}),
    "overlap_loss": (ds.overlap_loss, {"o": OVERLAP, "form": "ctl"}),
    "calibration_bins": (ds.calibration_bins, CALIBRATION),
    "expected_calibration_error": (ds.expected_calibration_error, CALIBRATION),
    "reliability_curve": (ds.reliability_curve, CALIBRATION),
    "proper_score": (ds.proper_score, CALIBRATION),
    **{n: (getattr(ds, n), CALIBRATION) for n in ("brier_score", "log_loss")},
    "crps": (ds.crps, {"value": X[0], "samples": X}),
    "generalized_energy_distance": (
        ds.generalized_energy_distance,
        {"samples": LABEL, "raters": 1 - LABEL, "num_classes": 2},
    ),
    "calibrate_teacher": (ds.calibrate_teacher, CALIBRATION),
    "kernel_calibration_error": (
        ds.kernel_calibration_error,
        {"prob": ROWS, "label": CLASS, "bandwidth": 0.1},
    ),
    "kernel_regression": (
        ds.kernel_regression,
        {"prob": ROWS, "key_prob": ROWS, "key_label": CLASS, "bandwidth": 0.1},
    ),
    "select_bandwidth": (ds.select_bandwidth, {"prob": ROWS, "label": CLASS}),
    "sample_keys": (ds.sample_keys, {"label": LABEL, "n_keys": 2}),
    **{n: (getattr(ds, n), {"raters": MARKS}) for n in ("majority_vote", "random_rater")},
    **{n: (getattr(ds, n), {"raters": MARKS}) for n in ("disagreement", "rater_agreement")},
    "staple": (ds.staple, {"raters": MARKS, "num_classes": 2}),
    "uniform_average": (ds.uniform_average, {"raters": MARKS, "num_classes": 2}),
    "dice_weighted_average": (ds.dice_weighted_average, {"raters": MARKS, "num_classes": 2}),
    "label_boundary": (ds.label_boundary, {"label": LABEL}),
    "one_hot": (ds.one_hot, {"label": LABEL, "num_classes": 2}),
    "smooth_labels": (ds.smooth_labels, {"label": LABEL, "num_classes": 2, "epsilon": 0.1}),
    "smooth_boundary": (ds.smooth_boundary, {"label": LABEL, "num_classes": 2, "epsilon": 0.1}),
    "value_checks": (checking, {}),
    "KernelCalibrator": (ds.KernelCalibrator, {}),
    "KernelCalibrator.fit": (
        fit_of(KERNEL, lambda k, given: k.predict_proba(given["prob"])),
        CALIBRATION,
    ),
    "KernelCalibrator.predict_proba": (KERNEL.predict_proba, {"prob": PROB}),
    "TemperatureScaling": (ds.TemperatureScaling, {}),
    "TemperatureScaling.fit": (
        fit_of(SCALING, lambda s, _: s.temperature_),
        {"logits": PROB, "label": LABEL},
    ),
    "TemperatureScaling.predict_proba": (SCALING.predict_proba, {"logits": PROB}),
    "VectorScaling": (ds.VectorScaling, {}),
    "VectorScaling.fit": (
        fit_of(VECTOR, lambda s, _: s.scale_),
        {"logits": PROB, "label": LABEL},
    ),
    "VectorScaling.predict_proba": (VECTOR.predict_proba, {"logits": PROB}),
    "Overlap.sum": (OVERLAP.sum, {}),
    "Overlap.take": (OVERLAP.take, {"indices": (0,)}),
    "ThresholdCounts.take": (COUNTS.take, {"indices": (0,)}),
    **{f"ThresholdCounts.{n}": (getattr(COUNTS, n), {}) for n in ("dice", "jaccard", "sum")},
    "ThresholdCounts.binarized_dice": (COUNTS.binarized_dice, {}),
    **{f"Agreement.{n}": (getattr(AGREEMENT, n), {}) for n in ("dice", "jaccard", "cohen_kappa")},
    **{f"Agreement.{n}": (getattr(AGREEMENT, n), {}) for n in ("dice_to_majority", "fleiss_kappa")},
    "Agreement.copies": (AGREEMENT.copies, {}),
    "CalibrationBins.error": (BINS.error, {}),
    "CalibrationBins.decompose": (BINS.decompose, {}),
    "ProperScore.mean": (SCORE.mean, {}),
    "CalibrationBins.frequency": (BINS.frequency, {}),
    "CalibrationBins.mean_confidence": (BINS.mean_confidence, {}),
}

#: The options that are arrays, and what the valid calls leave out.
ARRAYS: dict[str, Any] = {"edges": np.array([0.0, 0.5, 1.0]), "weight": np.array([1.0, 2.0])}


def parameters(call: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(call).parameters if name != "self"]


def plain(value: Any) -> str:
    """Return the numbers of a result as text, which NaN equals."""
    if isinstance(value, ds.KernelCalibrator):
        return plain(value.fit(PROB, LABEL).predict_proba(PROB))
    return str([array.tolist() for array in numbers(value)])
