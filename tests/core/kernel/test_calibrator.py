"""The post-hoc calibrators: the regression on its keys, unseen cases, bad input."""

import inspect

import numpy as np
import pytest
import reference
from backends import Backend, in_float32

from dice_semimetric import (
    KernelCalibrator,
    TemperatureScaling,
    calibrate_teacher,
    expected_calibration_error,
    kernel_calibration_error,
    kernel_regression,
    select_bandwidth,
)


@in_float32
def test_kernel_calibrator_is_the_regression_on_its_keys(
    backend: Backend, rng: np.random.Generator, dtype: str
) -> None:
    prob = rng.dirichlet([1, 1, 1], (2, 5, 4)).transpose(0, 3, 1, 2).astype(dtype)
    label = rng.integers(0, 3, (2, 5, 4))

    def fit_and_predict(prob: object, label: object) -> object:
        return KernelCalibrator(bandwidth=1e-2, n_keys=1000).fit(prob, label).predict_proba(prob)

    fit_and_predict.__name__ = "KernelCalibrator"
    rows = prob.transpose(0, 2, 3, 1).reshape(-1, 3)
    expected = kernel_regression(rows, rows, label.ravel(), bandwidth=1e-2)
    result = backend.run(fit_and_predict, prob, label)
    assert result.dtype == dtype
    got = result.transpose(0, 2, 3, 1).reshape(-1, 3)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_calibrators_lower_the_error_on_unseen_cases(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(4000, 3)) * 2
    prob = reference.softmax(logits / 3)
    label = (rng.random((4000, 1)) > prob.cumsum(axis=1)).sum(axis=1)
    sharp, fit, test = reference.softmax(logits), slice(0, 2000), slice(2000, None)
    kernel = KernelCalibrator(bandwidth=None, n_keys=1000).fit(sharp[fit], label[fit])
    scaling = TemperatureScaling().fit(logits[fit], label[fit])
    assert scaling.temperature_ == pytest.approx(3, rel=0.15)
    before = expected_calibration_error(sharp[test], label[test])
    for after in (kernel.predict_proba(sharp[test]), scaling.predict_proba(logits[test])):
        assert expected_calibration_error(after, label[test]) < 0.5 * before


@pytest.mark.parametrize("calibrator", [KernelCalibrator(), TemperatureScaling()])
def test_before_fit(calibrator: object) -> None:
    with pytest.raises(RuntimeError, match=f"{type(calibrator).__name__} must be fitted first"):
        calibrator.predict_proba(np.array([[0.5, 0.5]]))


def test_bad_input(rng: np.random.Generator) -> None:
    prob, label = np.full((4, 2), 0.5), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match="at least two rows"):
        kernel_calibration_error(prob[:1], label[:1], bandwidth=0.1)
    with pytest.raises(ValueError, match="p must be from 1 to 2, got 3"):
        kernel_calibration_error(prob, label, bandwidth=0.1, p=3)
    with pytest.raises(ValueError, match="label must hold labels from 0 to 1"):
        kernel_calibration_error(prob, label + 1, bandwidth=0.1)
    with pytest.raises(ValueError, match="at least one candidate"):
        select_bandwidth(prob, bandwidths=())
    with pytest.raises(ValueError, match="bandwidth"):
        KernelCalibrator(bandwidth=-1)
    with pytest.raises(ValueError, match="2 classes along axis 1"):
        KernelCalibrator().fit(prob, label).predict_proba(np.full((4, 4), 0.25))
    with pytest.raises(ValueError, match="logits must be finite"):
        TemperatureScaling().fit(prob * np.nan, label)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        TemperatureScaling().fit(prob, label * 0 + 9, ignore_index=9)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        KernelCalibrator().fit(prob, label * 0 + 9, ignore_index=9)


def test_balanced_keys_calibrate_for_the_distribution_that_is_given() -> None:
    """A class of 1 in 50 keeps its frequency, though half of the keys are of it."""
    rng = np.random.default_rng(4)
    prob, label = np.full((5000, 2), 0.5), (np.arange(5000) % 50 == 0).astype(int)
    for sampling in ("balanced", "proportional"):
        kernel = KernelCalibrator(bandwidth=0.1, n_keys=1000, sampling=sampling, rng=rng)
        found = kernel.fit(prob, label).predict_proba(prob[:1])
        np.testing.assert_allclose(found.sum(), 1, rtol=1e-12)
        tolerance = 1e-12 if sampling == "balanced" else 0.5
        np.testing.assert_allclose(found[0, 1], 0.02, rtol=tolerance)


def test_the_defaults_are_those_of_the_teacher() -> None:
    for option in ("bandwidth", "n_keys", "sampling"):
        defaults = [
            inspect.signature(call).parameters[option].default
            for call in (KernelCalibrator, calibrate_teacher)
        ]
        assert defaults[0] == defaults[1]


def test_an_integer_draws_the_same_keys_at_every_fit() -> None:
    rng = np.random.default_rng(0)
    prob = rng.dirichlet([1.0, 1.0], 500)
    label = rng.integers(0, 2, 500)
    kernel = KernelCalibrator(n_keys=20, rng=3)
    first, second = (kernel.fit(prob, label).predict_proba(prob) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (
        KernelCalibrator(n_keys=20, rng=None).fit(prob, label).predict_proba(prob) != first
    ).any()
