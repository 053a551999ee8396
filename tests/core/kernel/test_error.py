"""The leave-one-out error and the bandwidth of the largest likelihood."""

import numpy as np
import pytest
import reference
from backends import Backend

from dice_semimetric import (
    kernel_calibration_error,
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

    def chosen(prob: object, *label: object) -> object:
        """Return the bandwidth as an array of the library; alone it is a number."""
        return prob[:1, 0] * 0 + select_bandwidth(prob, *label, bandwidths=candidates)

    chosen.__name__ = "select_bandwidth"
    assert backend.run(chosen, prob) == candidates[int(np.argmax(density))]
    assert backend.run(chosen, prob, label) == candidates[int(np.argmax(predictive))]


def test_bandwidth_is_found_where_every_likelihood_is_negative() -> None:
    prob = np.array([[0.01, 0.99], [0.5, 0.5], [0.99, 0.01]])
    logs = np.array(reference.dirichlet(prob, prob, 1e-3)).astype(float)
    np.fill_diagonal(logs, -np.inf)
    assert (np.logaddexp.reduce(logs, axis=1) < 0).all()
    assert select_bandwidth(prob, bandwidths=(1e-4, 1e-3)) == 1e-3


def test_bandwidth_of_a_foreground_is_that_of_both_classes(backend: Backend) -> None:
    """A single column stands for the foreground: what it explains of the background counts."""
    foreground = np.random.default_rng(5).random(12)
    label = np.r_[np.ones(3, int), np.zeros(9, int)]
    both = np.stack([1 - foreground, foreground], axis=1)
    candidates = (1e-3, 1e-2, 0.1, 1.0)

    def chosen(prob: object, label: object) -> object:
        return prob[:1, 0] * 0 + select_bandwidth(prob, label, bandwidths=candidates)

    chosen.__name__ = "select_bandwidth"
    best = candidates[np.argmax([log_likelihood(both, label, h)[0] for h in candidates])]
    of_foreground = [log_likelihood(both, label, h)[1] for h in candidates]
    assert best != candidates[np.argmax(of_foreground)]
    for prob in (foreground[:, None], both):
        assert backend.run(chosen, prob, label) == best


def log_likelihood(prob: np.ndarray, label: np.ndarray, h: float) -> tuple[float, float]:
    """Return that of all labels, and the part of the foreground, each row left out in turn."""
    kernels = reference.dirichlet(prob, prob, h)
    mean = reference.kernel_mean(kernels, np.eye(2)[label], skip_self=True)
    logs = np.log(np.maximum(mean[np.arange(len(label)), label], 2.3e-16))
    return logs.sum(), logs[label == 1].sum()
