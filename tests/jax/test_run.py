"""Public functions of eager arrays on the host, which NumPy computes whole."""

import numpy as np
import pytest

import dice_semimetric as ds

jax = pytest.importorskip("jax")
import jax.numpy as jnp
from dice_semimetric_jax import kernels


@pytest.fixture
def pair(rng):
    """Return a prediction and a soft target."""
    return rng.random((3, 40), dtype=np.float32), rng.random((3, 40), dtype=np.float32)


@pytest.fixture
def runs(monkeypatch):
    """Return the functions that ran whole."""
    found, run = [], kernels.run

    def spy(function, args, kwargs):
        result = run(function, args, kwargs)
        if result is not NotImplemented:
            found.append(function.__name__)
        return result

    monkeypatch.setattr(kernels, "run", spy)
    return found


def test_results_are_those_of_numpy(pair, runs) -> None:
    x, y = map(jnp.asarray, pair)
    found = ds.dml1(pred=x, target=y, axis=1)
    assert runs == ["dml1"]
    assert isinstance(found, jax.Array)
    assert found.devices() == x.devices()
    np.testing.assert_array_equal(found, ds.dml1(*pair, axis=1))


def test_statistics_hold_arrays_and_are_taken(pair, runs) -> None:
    table = ds.overlap(*map(jnp.asarray, pair), axis=1)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(table))
    loss = ds.overlap_loss(table, form="jml2")
    assert runs == ["overlap", "overlap_loss"]
    np.testing.assert_allclose(loss, ds.jml2(*pair, axis=1), rtol=1e-6)


def test_options_hold_arrays_and_dtypes(rng, runs) -> None:
    prob, label = rng.random((2, 3, 20), dtype=np.float32), rng.integers(0, 3, (2, 20))
    weight = np.array([1.0, 0.0, 2.0], np.float32)
    given = jnp.asarray(prob), jnp.asarray(label)
    found = ds.region_loss(*given, weight=jnp.asarray(weight))
    np.testing.assert_allclose(found, ds.region_loss(prob, label, weight=weight), rtol=1e-6)
    soft = ds.one_hot(given[1], 3, dtype=jnp.float16)
    assert soft.dtype == jnp.float16
    assert runs == ["region_loss", "one_hot"]


@pytest.mark.parametrize("kind", ["traced", "half", "differentiated", "of two libraries"])
def test_what_is_left_to_jax(pair, runs, kind) -> None:
    x, y = map(jnp.asarray, pair)
    if kind == "traced":
        jax.jit(ds.dml1)(x, y)
        jax.jit(lambda: ds.dml1(2 * x, y))()
    elif kind == "half":
        assert ds.dml1(x.astype(jnp.bfloat16), y).dtype == jnp.float32
    elif kind == "differentiated":
        assert jax.grad(ds.dml1)(x, y).shape == x.shape
    else:
        with pytest.raises(TypeError, match="one array library"):
            ds.dml1(x, pair[1])
    assert "dml1" not in runs


def test_no_values_are_checked_inside_a_jitted_function(pair, runs) -> None:
    x, y = map(jnp.asarray, pair)
    wrong = x + 2
    assert np.isfinite(jax.jit(lambda: ds.dml1(wrong, y))())
    with pytest.raises(ValueError, match="pred must lie in"):
        ds.dml1(wrong, y)
    assert not runs


def test_errors_name_jax(rng) -> None:
    label = jnp.asarray(rng.integers(0, 3, (2, 20)))
    with pytest.raises(TypeError, match=r"write dtype=jax\.numpy\.float32"):
        ds.one_hot(label, 3, dtype="float32")


def test_what_is_not_lent_goes_its_own_way(rng) -> None:
    x, y = (jnp.asarray(rng.random((2, 3, 20), dtype=np.float32)) for _ in range(2))

    class Mine(ds.Overlap):
        pass

    table = ds.overlap(x, y, axis=2)
    same = Mine(table.pred, table.target, table.difference, table.product)
    np.testing.assert_allclose(
        ds.overlap_loss(same, form="dml1"), ds.overlap_loss(table, form="dml1")
    )
    some = ds.region_loss(x, y, classes=jnp.array([0, 2]))
    np.testing.assert_allclose(some, ds.region_loss(x, y, classes=[0, 2]), rtol=1e-6)
    with pytest.raises(ValueError, match="ArrayImpl"):
        ds.dice_score(x, y, empty=jnp.asarray(1.0))


def test_results_share_no_memory_and_are_committed_as_the_arrays_are(rng) -> None:
    raters = jnp.asarray(rng.integers(0, 2, (3, 64, 64)))
    pick = ds.random_rater(raters, rng=0)
    start = raters.unsafe_buffer_pointer()
    assert not start <= pick.unsafe_buffer_pointer() < start + raters.nbytes
    assert not pick.committed
    assert ds.random_rater(jax.device_put(raters, raters.device), rng=0).committed
