"""The post-hoc calibrators: the regression on its keys, unseen cases, bad input."""

import numpy as np
import pytest
import reference
from backends import Backend, in_float32

from dice_semimetric import (
    KernelCalibrator,
    TemperatureScaling,
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
