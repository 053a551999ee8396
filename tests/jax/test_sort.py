"""The sort of floating values as integers, against the library's own."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy
from dice_semimetric_jax.kernels import ascending


def test_order_is_that_of_numpy(rng, dtype) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    special = [0.0, 1.0, 0.5, 2.0, -1.0, -3.5, tiny, -tiny, np.inf, -np.inf, np.nan, -np.nan]
    values = rng.permuted(np.concatenate([special, rng.normal(size=50)])).astype(dtype)
    found = jax.jit(ascending)(jnp.asarray(values))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.sort(values))
    assert ascending(jnp.zeros(0, dtype)).shape == (0,)


def test_derivative_and_vmap(rng) -> None:
    values = jnp.asarray(rng.normal(size=(3, 7)))
    weights = jnp.arange(7.0)
    ours = jax.vmap(jax.grad(lambda v: jnp.sum(weights * ascending(v))))(values)
    np.testing.assert_array_equal(ours, np.argsort(np.argsort(values, axis=1), axis=1))
