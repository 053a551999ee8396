"""Kernel regression against fifty digits, at every bandwidth of Table 8, on every library."""

import subprocess
import sys
import tracemalloc
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
import reference
from backends import Backend, in_float32

from dice_semimetric import kernel_regression

BANDWIDTHS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
ATOL = {"float64": 2e-10, "float32": 1e-5}  # the bounds promised are 1e-9 and 1e-3


def simplex(rng: np.random.Generator, n: int, num_classes: int, dtype: str) -> np.ndarray:
    """Return rows from uniform to nearly sure, down to 1e-12, and a few with exact zeros."""
    logits = rng.normal(size=(n, num_classes)) * rng.choice([1, 5, 15], size=(n, 1))
    rows = np.maximum(reference.softmax(logits), 1e-12)
    rows /= rows.sum(axis=1, keepdims=True)
    rows[0] = np.eye(num_classes)[0]
    rows[1] = 0
    rows[1, :2] = 0.5
    return rows.astype(dtype)


def one_hot(label: np.ndarray, num_classes: int) -> np.ndarray:
    return (label[:, None] == np.arange(num_classes)).astype(float)


@pytest.mark.parametrize("bandwidth", [5e-5, 1e-2])
def test_error_is_below_the_bound(
    backend: Backend, rng: np.random.Generator, dtype: str, bandwidth: float
) -> None:
    prob, keys = simplex(rng, 20, 3, dtype), simplex(rng, 25, 3, dtype)
    label = rng.integers(0, 3, 25)
    result = backend.run(kernel_regression, prob, keys, label, bandwidth=bandwidth)
    logs = reference.dirichlet(prob, keys, bandwidth)
    assert result.dtype == dtype
    np.testing.assert_allclose(
        result, reference.kernel_mean(logs, one_hot(label, 3)), rtol=0, atol=ATOL[dtype]
    )
    np.testing.assert_allclose(result.sum(axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_every_bandwidth_of_table_8(
    rng: np.random.Generator, dtype: str, bandwidth: float, num_classes: int
) -> None:
    prob, keys = (simplex(rng, n, num_classes, dtype) for n in (20, 30))
    label = rng.integers(0, num_classes, 30)
    logs = reference.dirichlet(prob, keys, bandwidth)
    expected = reference.kernel_mean(logs, one_hot(label, num_classes))
    results = [kernel_regression(prob, keys, label, bandwidth=bandwidth)]
    if find_spec("torch"):
        torch = import_module("torch")
        tensors = (torch.tensor(a) for a in (prob, keys, label))
        results.append(kernel_regression(*tensors, bandwidth=bandwidth).numpy())
    for result in results:
        np.testing.assert_allclose(result, expected, rtol=0, atol=ATOL[dtype])


@in_float32
@pytest.mark.parametrize("bandwidth", [5e-5, 1e-2])
def test_one_column_is_the_beta_kernel(
    backend: Backend, rng: np.random.Generator, dtype: str, bandwidth: float
) -> None:
    prob = np.concatenate([rng.random(10), [0, 1, 1e-12]])[:, None].astype(dtype)
    keys = np.concatenate([rng.random(12), [0, 1]])[:, None].astype(dtype)
    label = rng.integers(0, 2, 14)
    result = backend.run(kernel_regression, prob, keys, label, bandwidth=bandwidth)
    logs = reference.dirichlet(prob, keys, bandwidth)
    expected = reference.kernel_mean(logs, label[:, None].astype(float))
    np.testing.assert_allclose(result, expected, rtol=0, atol=ATOL[dtype])


@in_float32
def test_soft_key_labels(backend: Backend, rng: np.random.Generator, dtype: str) -> None:
    prob, keys = simplex(rng, 8, 3, dtype), simplex(rng, 9, 3, dtype)
    soft = rng.dirichlet([1, 1, 1], 9).astype(dtype)
    result = backend.run(kernel_regression, prob, keys, soft, bandwidth=1e-2)
    expected = reference.kernel_mean(reference.dirichlet(prob, keys, 1e-2), soft)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


def test_blocks_over_pixels_and_keys_join(backend: Backend, rng: np.random.Generator) -> None:
    prob, keys = rng.dirichlet([1, 1], 700), rng.dirichlet([1, 1], 5000)
    label = rng.integers(0, 2, 5000)
    result = backend.run(kernel_regression, prob, keys, label, bandwidth=1e-3)
    log_f, a = np.log(prob), keys / 1e-3
    from scipy.special import gammaln

    score = log_f @ a.T + gammaln(a.sum(axis=1) + 2) - gammaln(a + 1).sum(axis=1)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    expected = weight @ one_hot(label, 2) / weight.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)


def test_a_zero_drops_keys_with_mass_there_however_little(backend: Backend) -> None:
    prob = np.array([[0.0, 0.4, 0.6]])
    keys = np.array([[1e-15, 0.4, 0.6 - 1e-15], [0.0, 0.5, 0.5]])
    result = backend.run(kernel_regression, prob, keys, np.array([0, 1]), bandwidth=1e-2)
    np.testing.assert_allclose(result, [[0, 1, 0]], rtol=0, atol=1e-300)


def test_where_no_key_is_left_a_zero_counts_as_tiny(backend: Backend, dtype: str) -> None:
    prob = np.array([[0.0, 1.0]], dtype)
    keys = np.array([[0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], dtype)
    label = np.array([0, 1, 1])
    tiny = np.array([[np.finfo(dtype).smallest_normal, 1.0]], dtype)
    result, limit = (
        backend.run(kernel_regression, p, keys, label, bandwidth=100.0) for p in (prob, tiny)
    )
    np.testing.assert_allclose(result, limit, rtol=1e-6)
    assert 0.33 < result[0, 0] < 0.999


def test_keys_of_one_class_return_it(backend: Backend, rng: np.random.Generator) -> None:
    prob, keys = simplex(rng, 9, 3, "float32"), simplex(rng, 4, 3, "float32")
    result = backend.run(kernel_regression, prob, keys, np.full(4, 2), bandwidth=1e-3)
    np.testing.assert_array_equal(result, [[0, 0, 1]] * 9)


def test_half_precision_is_normalised_and_comes_back_in_float32(
    backend: Backend, rng: np.random.Generator
) -> None:
    prob, keys = (rng.dirichlet([1, 1, 1], n).astype("float16") for n in (7, 8))
    label = rng.integers(0, 3, 8)
    if "strict" in backend.name:
        pytest.skip("the standard has no half precision")
    wide = [a.astype(float) / a.astype(float).sum(axis=1, keepdims=True) for a in (prob, keys)]
    result = backend.run(kernel_regression, prob, keys, label, bandwidth=1e-3)
    assert result.dtype == "float32"
    logs = reference.dirichlet(*wide, 1e-3)
    np.testing.assert_allclose(
        result, reference.kernel_mean(logs, one_hot(label, 3)), rtol=0, atol=1e-6
    )


def test_no_pixels_give_no_rows(backend: Backend) -> None:
    result = backend.run(
        kernel_regression, np.empty((0, 2)), np.array([[0.5, 0.5]]), np.array([1]), bandwidth=0.1
    )
    assert result.shape == (0, 2)


def test_pairs_are_never_held(rng: np.random.Generator) -> None:
    prob, keys = (rng.dirichlet([1, 1, 1], n).astype("float32") for n in (1 << 16, 500))
    label = rng.integers(0, 3, 500)
    kernel_regression(prob, keys, label, bandwidth=1e-3)  # loads what is compiled
    tracemalloc.start()
    kernel_regression(prob, keys, label, bandwidth=1e-3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * prob.shape[0] * 500 * 4


def test_gradients_agree_between_torch_jax_and_differences(rng: np.random.Generator) -> None:
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    prob, keys = rng.dirichlet([2, 2, 2], 4), rng.dirichlet([2, 2, 2], 5)
    label = np.array([0, 1, 2, 0, 1])

    def value(p: object, k: object, y: object) -> object:
        return (kernel_regression(p, k, y, bandwidth=0.05) ** 2).sum()

    tensors = [torch.tensor(a, requires_grad=True) for a in (prob, keys)]
    value(*tensors, torch.tensor(label)).backward()
    gradients = jax.grad(value, argnums=(0, 1))(
        *(jax.numpy.asarray(a) for a in (prob, keys)), jax.numpy.asarray(label)
    )
    for tensor, gradient in zip(tensors, gradients, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-8, atol=1e-10)
    step = np.zeros_like(keys)
    step[1] = [1e-6, -1e-6, 0]
    slope = (value(prob, keys + step, label) - value(prob, keys - step, label)) / 2e-6
    derivative = float(tensors[1].grad[1] @ torch.tensor([1.0, -1, 0]).double())
    assert slope == pytest.approx(derivative, rel=1e-4)


def test_jax_keeps_the_bound_where_float64_is_off() -> None:
    pytest.importorskip("jax")
    script = """
import warnings; warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np
from dice_semimetric import kernel_regression
rng = np.random.default_rng(0)
p, k = (rng.dirichlet([0.3] * 3, n).astype("float32") for n in (50, 60))
y = rng.integers(0, 3, 60)
f = lambda a, b: kernel_regression(a, b, jnp.asarray(y), bandwidth=5e-5)
g = jax.grad(lambda a, b: (f(a, b) ** 2).sum(), (0, 1))
exact = kernel_regression(p.astype(float), k.astype(float), y, bandwidth=5e-5)
for call in (f, jax.jit(f)):
    got = call(jnp.asarray(p), jnp.asarray(k))
    assert got.dtype == jnp.float32 and abs(got - exact).max() < 1e-5, abs(got - exact).max()
for call in (g, jax.jit(g)):
    assert all(bool(jnp.isfinite(d).all()) for d in call(jnp.asarray(p), jnp.asarray(k)))
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=_without_x64())


def _without_x64() -> dict[str, str]:
    import os

    return {**os.environ, "JAX_ENABLE_X64": "0", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"bandwidth": 0.0}, ValueError, "bandwidth must be above 0, got 0"),
        ({"bandwidth": -1.0}, ValueError, "bandwidth"),
        ({"bandwidth": float("nan")}, ValueError, "bandwidth"),
        ({"bandwidth": "1"}, TypeError, "bandwidth must be a number"),
        ({"prob": np.array([[0.5, 0.6]])}, ValueError, "prob must sum to 1"),
        ({"prob": np.array([[np.nan, 0.5]])}, ValueError, "prob must lie in"),
        ({"prob": np.array([0.5, 0.5])}, ValueError, "shape"),
        ({"prob": np.array([[1, 0]])}, TypeError, "prob must be of a floating dtype"),
        ({"key_prob": np.array([[0.2, 0.3, 0.5]])}, ValueError, "as many columns"),
        ({"key_prob": np.empty((0, 2))}, ValueError, "at least one key"),
        ({"key_prob": np.array([[1.5, -0.5]] * 2)}, ValueError, "key_prob must lie in"),
        ({"key_label": np.array([0, 2])}, ValueError, "key_label must hold labels from 0 to 1"),
        ({"key_label": np.array([0])}, ValueError, "key_label must be integer labels of shape"),
        ({"key_label": np.array([[0.5, 0.6]] * 2)}, ValueError, "key_label must sum to 1"),
        ({"key_label": [0, 1]}, TypeError, "key_label must be an array"),
    ],
)
def test_bad_input(change: dict, error: type[Exception], words: str) -> None:
    given = {
        "prob": np.array([[0.5, 0.5]]),
        "key_prob": np.array([[0.5, 0.5], [0.1, 0.9]]),
        "key_label": np.array([0, 1]),
        "bandwidth": 0.1,
    } | change
    with pytest.raises(error, match=words):
        kernel_regression(
            given["prob"], given["key_prob"], given["key_label"], bandwidth=given["bandwidth"]
        )
