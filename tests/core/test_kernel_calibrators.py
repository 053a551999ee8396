"""The leave-one-out error and bandwidth, and the two post-hoc calibrators."""

import numpy as np
import pytest
import reference
from backends import Backend
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from dice_semimetric import (
    KernelCalibrator,
    TemperatureScaling,
    expected_calibration_error,
    kernel_calibration_error,
    kernel_regression,
    select_bandwidth,
)


def sample(rng: np.random.Generator, n: int, num_classes: int, dtype: str) -> tuple:
    """Return probabilities with some exact ones, and labels."""
    prob = rng.dirichlet([0.7] * num_classes, n)
    prob[:4] = np.eye(num_classes)[[0, 0, 1, 1]]
    return prob.astype(dtype), rng.integers(0, num_classes, n)


def expected_error(prob: np.ndarray, label: np.ndarray, h: float, p: int, kind: str) -> float:
    """Return the published definitions, one after the other."""
    num_classes = prob.shape[1]
    one_hot = (label[:, None] == np.arange(num_classes)).astype(float)
    if kind == "canonical":
        return reference.kernel_error(prob, one_hot, h, p)
    if kind == "classwise":
        columns = range(num_classes)
        return sum(reference.kernel_error(prob[:, [c]], one_hot[:, [c]], h, p) for c in columns)
    right = (prob.argmax(axis=1) == label)[:, None].astype(float)
    return reference.kernel_error(prob.max(axis=1)[:, None], right, h, p)


@pytest.mark.parametrize(
    ("kind", "p"), [("canonical", 1), ("canonical", 2), ("classwise", 1), ("top_label", 2)]
)
def test_error_is_the_published_one(
    backend: Backend, rng: np.random.Generator, dtype: str, p: int, kind: str
) -> None:
    prob, label = sample(rng, 14, 3, dtype)
    result = backend.run(kernel_calibration_error, prob, label, bandwidth=0.02, p=p, kind=kind)
    assert result.dtype == dtype
    tolerance = {"rtol": 1e-9} if dtype == "float64" else {"rtol": 1e-5}
    np.testing.assert_allclose(result, expected_error(prob, label, 0.02, p, kind), **tolerance)


def test_one_column_counts_twice(rng: np.random.Generator) -> None:
    prob, label = rng.random((15, 1)), rng.integers(0, 2, 15)
    expected = 2 * reference.kernel_error(prob, label[:, None].astype(float), 0.02, 1)
    for kind in ("canonical", "classwise", "top_label"):
        result = kernel_calibration_error(prob, label, bandwidth=0.02, kind=kind)
        assert result == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["canonical", "classwise", "top_label"])
def test_error_is_differentiable_in_torch_and_jax(rng: np.random.Generator, kind: str) -> None:
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    logits, label = rng.normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])

    def error(z: np.ndarray) -> float:
        return float(
            kernel_calibration_error(reference.softmax(z), label, bandwidth=0.05, kind=kind)
        )

    z = torch.tensor(logits, requires_grad=True)
    kernel_calibration_error(
        torch.softmax(z, 1), torch.tensor(label), bandwidth=0.05, kind=kind
    ).backward()
    gradient = jax.grad(
        lambda v: kernel_calibration_error(
            jax.nn.softmax(v, axis=1), jax.numpy.asarray(label), bandwidth=0.05, kind=kind
        )
    )(jax.numpy.asarray(logits))
    np.testing.assert_allclose(z.grad.numpy(), gradient, rtol=1e-8, atol=1e-12)
    for place in ((0, 0), (3, 2)):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        slope = (error(logits + step) - error(logits - step)) / 2e-5
        assert slope == pytest.approx(float(z.grad[place]), rel=1e-4, abs=1e-8)


def test_gradient_at_zeros_and_ones_is_finite() -> None:
    torch = pytest.importorskip("torch")
    prob = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.3, 0.7], [0.6, 0.4]], requires_grad=True)
    kernel_calibration_error(prob, torch.tensor([0, 1, 1, 0]), bandwidth=1e-2).backward()
    assert torch.isfinite(prob.grad).all()
    assert prob.grad.abs().max() < 1e4


def test_a_calibrated_sample_has_less_error(rng: np.random.Generator) -> None:
    prob = rng.dirichlet([1, 1], 1500)
    label = (rng.random(1500) < prob[:, 1]).astype(int)
    calibrated = kernel_calibration_error(prob, label, bandwidth=1e-2)
    sharp = prob**3 / (prob**3).sum(axis=1, keepdims=True)
    assert calibrated < 0.5 * kernel_calibration_error(sharp, label, bandwidth=1e-2)


def test_bandwidth_has_the_largest_likelihood(backend: Backend, rng: np.random.Generator) -> None:
    if not backend.eager:
        pytest.skip("the choice depends on values")
    prob, label = rng.dirichlet([0.7] * 2, 12), rng.integers(0, 2, 12)
    candidates = (1e-4, 1e-2, 1.0)
    density, predictive = [], []
    for h in candidates:
        logs = np.array(reference.dirichlet(prob, prob, h)).astype(float)
        np.fill_diagonal(logs, -np.inf)
        density.append(np.logaddexp.reduce(logs, axis=1).sum())
        mean = reference.kernel_mean(
            reference.dirichlet(prob, prob, h), np.eye(2)[label], skip_self=True
        )
        predictive.append(np.log(np.maximum(mean[np.arange(12), label], 2.3e-16)).sum())
    got = backend.native(select_bandwidth, prob, bandwidths=candidates)
    assert got == candidates[int(np.argmax(density))]
    got = backend.native(select_bandwidth, prob, label, bandwidths=candidates)
    assert got == candidates[int(np.argmax(predictive))]


def test_bandwidth_is_found_where_every_likelihood_is_negative() -> None:
    prob = np.array([[0.01, 0.99], [0.5, 0.5], [0.99, 0.01]])
    logs = np.array(reference.dirichlet(prob, prob, 1e-3)).astype(float)
    np.fill_diagonal(logs, -np.inf)
    assert (np.logaddexp.reduce(logs, axis=1) < 0).all()
    assert select_bandwidth(prob, bandwidths=(1e-4, 1e-3)) == 1e-3


def test_kernel_calibrator_is_the_regression_on_its_keys(
    backend: Backend, rng: np.random.Generator, dtype: str
) -> None:
    if not backend.eager:
        pytest.skip("keys depend on values")
    prob = rng.dirichlet([1, 1, 1], (2, 5, 4)).transpose(0, 3, 1, 2).astype(dtype)
    label = rng.integers(0, 3, (2, 5, 4))

    def fit_and_predict(prob: object, label: object) -> object:
        return KernelCalibrator(bandwidth=1e-2, n_keys=1000).fit(prob, label).predict_proba(prob)

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


def test_temperature_minimises_the_likelihood(
    backend: Backend, rng: np.random.Generator, dtype: str
) -> None:
    if not backend.eager:
        pytest.skip("the fit depends on values")
    logits = (rng.normal(size=(3, 4, 10)) * 5).astype(dtype)
    draws = rng.random((3, 1, 10))
    label = (draws > reference.softmax(logits / 3).cumsum(axis=1)).sum(axis=1).clip(0, 3)
    label[0, :5] = 9

    def fitted(z: object, y: object) -> float:
        return TemperatureScaling().fit(z, y, ignore_index=9).temperature_

    kept = label != 9
    z, y = logits.transpose(0, 2, 1)[kept].astype(float), label[kept]
    best = minimize_scalar(
        lambda t: -log_softmax(z / np.exp(t), axis=1)[np.arange(y.size), y].sum(),
        bounds=(-4.6, 4.6),
        method="bounded",
    )
    with backend.flags():
        assert backend.native(fitted, logits, label) == pytest.approx(np.exp(best.x), rel=1e-3)


def test_binary_logits_are_of_the_sigmoid(rng: np.random.Generator) -> None:
    logits, label = rng.normal(size=(500, 1)) * 4, rng.integers(0, 2, 500)
    two = np.concatenate([np.zeros_like(logits), logits], axis=1)
    one, both = (TemperatureScaling().fit(z, label) for z in (logits, two))
    assert one.temperature_ == pytest.approx(both.temperature_, rel=1e-6)
    np.testing.assert_allclose(one.predict_proba(logits)[:, 0], both.predict_proba(two)[:, 1])


@pytest.mark.parametrize("calibrator", [KernelCalibrator(), TemperatureScaling()])
def test_before_fit(calibrator: object) -> None:
    with pytest.raises(RuntimeError, match=f"{type(calibrator).__name__} must be fitted first"):
        calibrator.predict_proba(np.array([[0.5, 0.5]]))


def test_bad_input(rng: np.random.Generator) -> None:
    prob, label = np.full((4, 2), 0.5), np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match="at least two rows"):
        kernel_calibration_error(prob[:1], label[:1], bandwidth=0.1)
    with pytest.raises(ValueError, match="p must be one of 1, 2"):
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
