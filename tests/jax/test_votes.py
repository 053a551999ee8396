"""The counts of agreement while JAX traces, against NumPy's."""

import numpy as np
import pytest

import dice_semimetric as ds

jax = pytest.importorskip("jax")
import jax.numpy as jnp


@pytest.mark.parametrize("number", [1, 5, 17])
@pytest.mark.parametrize("shape", [(1,), (3, 200), (0, 4)])
@pytest.mark.parametrize(("kind", "masked"), [("bool", False), ("uint8", True), ("int64", True)])
def test_counts_are_those_of_numpy(rng, number, shape, kind, masked) -> None:
    raters = (rng.random((number, *shape)) < 0.6).astype(kind)
    mask = rng.random(shape[-1:]) < 0.5 if masked else None
    given = jnp.asarray(mask) if masked else None
    found = jax.jit(lambda r, m: ds.rater_agreement(r, mask=m))(jnp.asarray(raters), given)
    expected = ds.rater_agreement(raters, mask=None if mask is None else np.asarray(mask))
    for name in ("both", "majority", "votes"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_vmap(rng) -> None:
    raters = rng.random((2, 3, 50)) < 0.5
    found = jax.jit(jax.vmap(ds.rater_agreement))(jnp.asarray(raters))
    expected = [ds.rater_agreement(r).both for r in raters]
    np.testing.assert_array_equal(found.both, np.stack(expected))
