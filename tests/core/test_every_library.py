"""One call of every public function on every array library, in every mode and on every device.

`make support` runs this file to record which of them ran; the numbers are asked about elsewhere.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import support
from backends import BACKENDS, UNSUPPORTED, Backend, numbers

import dice_semimetric as ds

RNG = np.random.default_rng(20230918)
X, Y = (np.round(RNG.random((2, 2, 3, 6, 5)) * 8) / 8).astype("float32")
KEPT = RNG.random(X.shape) < 0.8
PIXELS = RNG.random((2, 6, 5)) < 0.8
PROB = np.moveaxis(RNG.dirichlet([1.0] * 3, (2, 6, 5)), -1, 1).astype("float32")
LOGITS = RNG.normal(size=X.shape).astype("float32")
LABEL = (LOGITS + RNG.gumbel(size=X.shape)).argmax(axis=1)  # drawn, so that a temperature fits
PARTLY = np.where(RNG.random(LABEL.shape) < 0.1, 7, LABEL)
ROWS, KEYS = (RNG.dirichlet([1.0] * 3, n).astype("float32") for n in (8, 9))
KEY_LABEL = RNG.integers(0, 3, 9)
MARKS = (RNG.random((5, 4, 6)) < 0.5).astype("uint8")
MAPS = RNG.integers(0, 3, (4, 2, 6)).astype("int32")
DRAWN = np.array([0, 7, 11])


def quantile_bins(prob: Any, label: Any) -> Any:
    return ds.calibration_bins(prob, label, strategy="quantile")


def teacher_of_keys(prob: Any, label: Any, *keys: Any) -> Any:
    return ds.calibrate_teacher(prob, label, bandwidth=1e-2, keys=keys)


def teacher(prob: Any, label: Any) -> Any:
    rng = np.random.default_rng(0)
    return ds.calibrate_teacher(prob, label, bandwidth=1e-2, n_keys=9, rng=rng)


def drawn(label: Any) -> Any:
    return ds.sample_keys(label, 10, rng=np.random.default_rng(3), ignore_index=7)


def chosen(rows: Any) -> Any:
    """Return the bandwidth as an array of the library; alone it is a number."""
    return rows[:1, :1] * 0 + ds.select_bandwidth(rows, bandwidths=(1e-4, 1e-2))


def kernel(prob: Any, label: Any) -> Any:
    return ds.KernelCalibrator(bandwidth=1e-2, n_keys=50).fit(prob, label).predict_proba(prob)


def temperature(logits: Any, label: Any) -> Any:
    fitted = ds.TemperatureScaling().fit(logits, label, ignore_index=7)
    return fitted.predict_proba(logits)


def vector(logits: Any, label: Any) -> Any:
    fitted = ds.VectorScaling().fit(logits, label, ignore_index=7)
    return fitted.predict_proba(logits)


def one_rater(raters: Any) -> Any:
    return ds.random_rater(raters, rng=np.random.default_rng(1), per="image")


def scores_of_raters(raters: Any) -> Any:
    found = ds.rater_agreement(raters)
    return found, found.dice(), found.dice_to_majority(), found.cohen_kappa(), found.fleiss_kappa()


def crps_of_both(value: Any, samples: Any) -> Any:
    return ds.crps(value, samples), ds.crps(value, samples, distribution="normal")


def loss_of_overlap(x: Any, y: Any) -> Any:
    return ds.overlap_loss(ds.overlap(x, y, axis=-1), form="jml2", smooth=0.5)


PAIR, MASKED = (X, Y), {"axis": (0, 2), "mask": KEPT}
TVERSKY = {"alpha": 0.3, "beta": 0.6} | MASKED
SOFTMAX = {"activation": "softmax", "ignore_index": 7, "mask": PIXELS}

# name -> the function where it is not the public one of that name, arguments, options
CALLS: dict[str, tuple[Callable[..., Any] | None, tuple[Any, ...], dict[str, Any]]] = {
    "binarized_dice": (None, PAIR, MASKED),
    "calibrate_teacher": (teacher, (PROB, LABEL), {}),
    "calibrate_teacher(keys=...)": (teacher_of_keys, (PROB, LABEL, DRAWN, DRAWN), {}),
    "calibration_bins": (None, (PROB, PARTLY), {"ignore_index": 7, "mask": PIXELS}),
    'calibration_bins(strategy="quantile")': (quantile_bins, (PROB, LABEL), {}),
    "brier_score": (None, (PROB, PARTLY), {"ignore_index": 7, "mask": PIXELS, "per": "image"}),
    "calibration_loss": (None, (LOGITS, PARTLY), SOFTMAX | {"per": "image"}),
    "cftl": (None, PAIR, TVERSKY | {"gamma": 1.5}),
    "crps": (crps_of_both, (X[0, 0], Y[0]), {}),
    "ctl": (None, PAIR, TVERSKY),
    "dice_score": (None, PAIR, MASKED),
    "dice_weighted_average": (None, (MAPS,), {"num_classes": 3, "return_weights": True}),
    "disagreement": (None, (MARKS,), {}),
    "dml1": (None, PAIR, MASKED),
    "dml2": (None, PAIR, MASKED),
    "expected_calibration_error": (None, (PROB, LABEL), {"kind": "classwise", "mask": PIXELS}),
    "generalized_energy_distance": (
        None,
        (X > 0.5, Y[:, :2] > 0.5),
        {"batch_axes": 1, "mask": PIXELS, "return_parts": True},
    ),
    "jaccard_score": (None, PAIR, MASKED),
    "jml1": (None, PAIR, MASKED),
    "jml2": (None, PAIR, MASKED),
    "KernelCalibrator": (kernel, (PROB, LABEL), {}),
    "kernel_calibration_error": (None, (ROWS, KEY_LABEL[:8]), {"bandwidth": 0.05}),
    "kernel_regression": (None, (ROWS, KEYS, KEY_LABEL), {"bandwidth": 1e-2}),
    "label_boundary": (None, (PARTLY,), {"ignore_index": 7}),
    "log_loss": (None, (LOGITS, PARTLY), SOFTMAX),
    "majority_vote": (None, (MAPS,), {"num_classes": 3}),
    "one_hot": (None, (PARTLY,), {"num_classes": 3, "ignore_index": 7}),
    "overlap": (None, PAIR, MASKED),
    "overlap_loss": (loss_of_overlap, PAIR, {}),
    "pairwise_loss": (None, (X[0], Y[0, :2]), {"mask": KEPT[0, 0]}),
    "proper_score": (None, (X, Y), {"kind": "binary", "score": "log"}),
    "random_rater": (one_rater, (MAPS,), {}),
    "rater_agreement": (scores_of_raters, (MARKS,), {}),
    "region_loss": (None, (LOGITS, PARTLY), SOFTMAX | {"weight": np.array([1.0, 2.0, 0.5])}),
    "region_overlap": (None, (LOGITS, PARTLY), SOFTMAX),
    "region_score": (None, (LOGITS, PARTLY), SOFTMAX | {"score": "bdice", "classes": "present"}),
    "reliability_curve": (None, (PROB, LABEL), {"mask": PIXELS}),
    "sample_keys": (drawn, (PARTLY,), {}),
    "sdl": (None, PAIR, MASKED),
    "select_bandwidth": (chosen, (ROWS,), {}),
    "sjl": (None, PAIR, MASKED),
    "smooth_boundary": (None, (PARTLY,), {"num_classes": 3, "epsilon": 0.1, "ignore_index": 7}),
    "smooth_labels": (None, (PARTLY,), {"num_classes": 3, "epsilon": 0.1, "ignore_index": 7}),
    "staple": (None, (MAPS,), {"num_classes": 3, "max_iter": 20, "return_performance": True}),
    "stl": (None, PAIR, TVERSKY),
    "TemperatureScaling": (temperature, (LOGITS, PARTLY), {}),
    "VectorScaling": (vector, (LOGITS, PARTLY), {}),
    "threshold_counts": (None, PAIR, MASKED),
    "uniform_average": (None, (MAPS,), {"num_classes": 3}),
}
NEAR = {"TemperatureScaling": 1e-3, "VectorScaling": 1e-3}  # a minimum in float32 is this flat
NUMPY = BACKENDS[0]


def named(name: str) -> Callable[..., Any]:
    """Return what is called, under the name that the record and `UNSUPPORTED` use."""
    function = CALLS[name][0]
    if function is None:
        return getattr(ds, name)

    def call(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    call.__name__ = name
    return call


@pytest.mark.parametrize("name", sorted(CALLS))
def test_it_runs_and_agrees_with_numpy(every_backend: Backend, name: str) -> None:
    _, args, options = CALLS[name]
    got = numbers(every_backend.run(named(name), *args, **options))
    expected = numbers(NUMPY.run(named(name), *args, **options))
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        assert one.dtype.kind == other.dtype.kind
        np.testing.assert_allclose(one, other, rtol=NEAR.get(name, 1e-5), atol=1e-6)
    every_backend.record(name, "yes")


def test_every_public_function_is_called() -> None:
    public = {
        name
        for name in ds.__all__
        if inspect.isfunction(getattr(ds, name)) or hasattr(getattr(ds, name), "fit")
    }
    assert public - {"value_checks"} == {name for name in CALLS if "(" not in name}
    assert {function for function, _ in UNSUPPORTED} <= set(CALLS)
    assert set(support.functions()) == set(CALLS)
