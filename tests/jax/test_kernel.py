"""The kernel's sums over keys that JAX takes while it traces, against the generic reduction."""

import numpy as np
import pytest
from scipy.special import softmax

import dice_semimetric as ds
from dice_semimetric.kernel import density

jax = pytest.importorskip("jax")
import jax.numpy as jnp
from dice_semimetric_jax import _kernel


def problem(rng, pixels, keys, classes=3, columns=2):
    """Return the arguments of `kernel_sums` in float64."""
    query = np.log(rng.dirichlet(np.ones(classes), pixels).T)
    key, bias = rng.random((keys, classes)) * 50, rng.standard_normal(keys)
    return [jnp.asarray(a) for a in (query, key, bias, rng.random((columns, keys)))]


@pytest.mark.parametrize("keys", [1, 5, 64, 70, 200])
@pytest.mark.parametrize("pixels", [1, 7, 64, 65, 200])
def test_blocks_and_tiles(rng, monkeypatch, pixels, keys) -> None:
    monkeypatch.setattr(_kernel, "TILE", 640)
    monkeypatch.setattr(_kernel, "KEYS", 64)
    query, key, bias, value = problem(rng, pixels, keys)
    mean, log_total = jax.jit(lambda *a: density.kernel_sums(*a, skip_self=False))(
        query, key, bias, value
    )
    exponent = np.asarray(key @ query + bias[:, None])
    np.testing.assert_allclose(mean, value @ softmax(exponent, axis=0), rtol=1e-12)
    np.testing.assert_allclose(log_total, np.logaddexp.reduce(exponent), rtol=1e-12)


@pytest.mark.parametrize("number", [2, 64, 65, 150])
def test_no_pixel_is_its_own_key(rng, monkeypatch, number) -> None:
    monkeypatch.setattr(_kernel, "TILE", 640)
    monkeypatch.setattr(_kernel, "KEYS", 64)
    query, key, bias, value = problem(rng, number, number)
    mean, log_total = jax.jit(lambda *a: density.kernel_sums(*a, skip_self=True))(
        query, key, bias, value
    )
    exponent = np.array(key @ query + bias[:, None])
    np.fill_diagonal(exponent, -np.inf)
    np.testing.assert_allclose(mean, value @ softmax(exponent, axis=0), rtol=1e-12)
    np.testing.assert_allclose(log_total, np.logaddexp.reduce(exponent), rtol=1e-12)


@pytest.mark.parametrize("argnum", range(4))
@pytest.mark.parametrize("skip_self", [False, True])
def test_derivative_is_that_of_plain_operations(rng, monkeypatch, argnum, skip_self) -> None:
    monkeypatch.setattr(_kernel, "TILE", 200)
    given = problem(rng, 30, 30)
    weight = jnp.asarray(rng.random((3, 30)))

    def weighed(sums):
        def total(*arrays):
            mean, log_total = sums(*arrays, skip_self=skip_self)
            return jnp.sum(weight[:2] * mean) + jnp.sum(weight[2] * log_total)

        return jax.jit(jax.grad(total, argnum))(*given)

    ours, plain = weighed(density.kernel_sums), weighed(density.kernel_sums.__wrapped__)
    np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-12)


def test_public_function_in_single_precision_with_vmap_and_gradient(rng) -> None:
    prob = rng.dirichlet(np.ones(3), (2, 40)).astype("float32")
    keys, label = rng.dirichlet(np.ones(3), 20).astype("float32"), rng.integers(0, 3, 20)
    with jax.enable_x64(False):
        given = jnp.asarray(prob), jnp.asarray(keys), jnp.asarray(label)

        def mean(p, k, y):
            return ds.kernel_regression(p, k, y, bandwidth=0.01)

        found = jax.jit(jax.vmap(mean, (0, None, None)))(*given)
        slope = jax.jit(jax.grad(lambda p: jnp.sum(mean(p, *given[1:])[:, 0])))(given[0][0])
    assert found.dtype == slope.dtype == jnp.float32
    assert np.all(np.isfinite(slope))
    for one, p in zip(found, prob, strict=True):
        expected = ds.kernel_regression(p.astype(float), keys.astype(float), label, bandwidth=0.01)
        np.testing.assert_allclose(one, expected, atol=1e-5)
