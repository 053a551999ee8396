"""Nothing of the core gives a false alarm where JAX is told to look for faults."""

from collections.abc import Callable, Iterator
from typing import Any

import awkward
import numpy as np
import pytest
from backends import leaves

import dice_semimetric as ds

jax = pytest.importorskip("jax")
import jax.numpy as jnp

#: Of the kinds of pairs those that differ most: eager JAX takes its time.
PAIRS = {"nothing twice", "products that underflow", "an empty mask"}
LEFT_OUT = set(awkward.pairs(np.float32)) - PAIRS
CALLS = {
    name: (function, arrays)
    for name, function, arrays in awkward.calls(np.float32)
    if name.split(": ")[1] not in LEFT_OUT
}
#: Where the answer is NaN: bins that hold nothing.
NAN = ("reliability_curve",)
#: What draws or fits by values, which a jitted function has not.
EAGER = (
    "calibrate_teacher",
    "KernelCalibrator",
    "TemperatureScaling",
    "VectorScaling",
    "select_bandwidth",
)
SMOOTH = ("dml", "jml", "s", "c", "region_loss", "kernel_", "expected")  # by prefix: have gradients
#: One of each function is compiled: all of them would take minutes.
JITTED = {name.split(":")[0]: name for name in CALLS if not name.startswith((*EAGER, "sample"))}


@pytest.fixture(autouse=True)
def debug_modes() -> Iterator[None]:
    with jax.debug_nans(True), jax.numpy_rank_promotion("raise"):
        yield


def arrays_of(value: Any) -> list[Any]:
    """Return the arrays in a result, one after the other."""
    return [a for a in leaves(value) if hasattr(a, "shape")]


def total(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the sum of all floating results of a function."""

    def call(*arrays: Any) -> Any:
        found = [a for a in arrays_of(function(*arrays)) if jnp.issubdtype(a.dtype, jnp.floating)]
        return sum(jnp.sum(a) for a in found)

    return call


@pytest.mark.parametrize("name", EAGER)
def test_eager(name: str) -> None:
    full = next(full for full in CALLS if full.startswith(name))
    function, arrays = CALLS[full]
    function(*map(jnp.asarray, arrays))


def test_what_a_jitted_function_closes_over_is_not_checked() -> None:
    prob, label = jnp.full((2, 3, 4), 1 / 3), jnp.arange(8).reshape(2, 4) % 3
    losses = jax.jit(lambda weight: ds.region_loss(prob, label, weight=weight))
    np.testing.assert_allclose(losses(jnp.ones(3)), ds.region_loss(prob, label), rtol=1e-6)
    assert jax.jit(lambda: ds.dice_score(prob, prob))() == 1
    assert jax.jit(lambda x: ds.one_hot(label, 3) * x)(1.0).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="pred must lie in"):
        ds.dice_score(prob * 6, prob)


@pytest.mark.parametrize("per", ["batch", "image", "class"])
def test_class_weights_are_not_broadcast_silently(per: str) -> None:
    prob, label = jnp.full((2, 3, 4), 1 / 3), jnp.arange(8).reshape(2, 4) % 3
    some = {"per": per, "weight": [1.0, 2.0, 3.0], "classes": [0, 2]}
    expected = ds.region_loss(np.asarray(prob), np.asarray(label), **some)
    np.testing.assert_allclose(ds.region_loss(prob, label, **some), expected, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_no_warning_without_the_64_bit_switch() -> None:
    with jax.enable_x64(False):
        prob = jnp.asarray(np.random.default_rng(0).dirichlet([1.0] * 3, 8), "float32")
        label = jnp.arange(8) % 3
        image = prob.T[None], label[None]
        ds.calibrate_teacher(*image, bandwidth=0.1, n_keys=4, rng=0)
        ds.calibrate_teacher(image[0][:, :1], image[1] % 2, bandwidth=0.1, n_keys=4, rng=0)
        ds.kernel_calibration_error(prob, label, bandwidth=0.1, kind="top_label")
        ds.select_bandwidth(prob, label, bandwidths=(0.1,))
        ds.random_rater(image[1][None] == 1, rng=0, per="image")
        ds.TemperatureScaling().fit(jnp.log(image[0]), image[1], ignore_index=2)
        ds.KernelCalibrator(bandwidth=0.1).fit(*image)


@pytest.mark.parametrize("name", sorted(set(JITTED) - set(NAN)))
def test_jitted_with_its_gradient(name: str) -> None:
    function, arrays = CALLS[JITTED[name]]
    given = [jnp.asarray(a) for a in arrays]
    jax.jit(lambda *a: arrays_of(function(*a)))(*given)
    if name.startswith(SMOOTH) and given[0].dtype == jnp.float32:
        slope = jax.jit(jax.grad(total(function)))(*given)
        assert jnp.all(jnp.isfinite(slope))


@pytest.mark.parametrize("name", ["dml1", "jml2", "cftl", "region_loss", "region_loss of logits"])
def test_gradients_on_awkward_input(name: str) -> None:
    function = total(awkward.OF_PAIRS[name])
    slope = jax.jit(jax.grad(function))
    for arrays in awkward.pairs(np.float32).values():
        assert jnp.all(jnp.isfinite(slope(*map(jnp.asarray, arrays))))


def test_what_counts_nothing_is_nan_and_jax_reports_it() -> None:
    prob, label = jnp.full((1, 2, 3), 0.5), jnp.zeros((1, 3), int)
    with pytest.raises(FloatingPointError):
        ds.expected_calibration_error(prob, label, mask=jnp.zeros((1, 3), bool))
