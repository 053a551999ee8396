"""The JAX adapter: one pass over the pixels, pytrees, optax's calling style, bad input."""

import numpy as np
import pytest
from reference import tolerance

from dice_semimetric import (
    Overlap,
    ThresholdCounts,
    dml1,
    jml1,
    overlap,
    region_loss,
    region_overlap,
    threshold_counts,
)
from dice_semimetric._lib.seam import Pixels, adapters
from dice_semimetric.overlap import overlap_sums
from dice_semimetric.thresholds import threshold_sums

jax = pytest.importorskip("jax")
jnp = jax.numpy

ours = pytest.importorskip("dice_semimetric_jax")


def test_the_core_finds_the_kernels() -> None:
    assert adapters("jax") == (ours.kernels,)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1000,), (0,)),
        ((513, 3), (0,)),
        ((2, 3, 300, 7), (2, 3)),
        ((2, 3, 20, 30, 10), (2, 3, 4)),
        ((40, 2, 30), (0, 2)),
        ((3, 4), ()),
        ((0, 4), (0,)),
    ],
)
def test_sums_and_counts_are_those_of_plain_operations(rng, dtype, shape, axis) -> None:
    x, y = (jnp.asarray(np.round(rng.random(shape) * 10) / 10, dtype) for _ in range(2))
    mask = jnp.asarray(rng.random(shape) < 0.7)
    options = {"axis": axis, "dtype": x.dtype, "checked": True}
    for reduction, extra in ((overlap_sums, ()), (threshold_sums, ((0.1, 0.3, 1.0),))):
        own = getattr(ours.kernels, reduction.__name__)  # on a host NumPy's are asked first
        fast = own(Pixels(x, y, mask, **options), *extra)
        slow = reduction.__wrapped__(Pixels(x, y, mask, **options), *extra)
        for one, other in zip(fast, slow, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(one, other, **tolerance(dtype))


def test_statistics_pass_through_jit_and_vmap(rng) -> None:
    x, y = (jnp.asarray(rng.random((4, 30))) for _ in range(2))
    table = jax.jit(jax.vmap(overlap))(x, y)
    assert isinstance(table, Overlap)
    np.testing.assert_allclose(table.product, jnp.sum(x * y, axis=1))
    counts = jax.jit(lambda x, y: threshold_counts(x, y, thresholds=(0.25, 0.5), axis=1))(x, y)
    assert isinstance(counts, ThresholdCounts)
    assert counts.thresholds == (0.25, 0.5)
    pooled = jax.vmap(lambda o: jax.lax.psum(o, "case"), axis_name="case")(table)
    np.testing.assert_allclose(pooled.pred[0], jnp.sum(x))


def test_one_pass_and_no_copies(rng) -> None:
    x, y = (jnp.asarray(rng.random((2, 3, 16, 64, 64)).astype("float32")) for _ in range(2))
    compiled = jax.jit(jax.value_and_grad(region_loss)).lower(x, y).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.1 * x.nbytes


def channels_last(rng, shape=(2, 6, 5, 3), dtype="float64") -> tuple:
    return rng.normal(size=shape).astype(dtype), rng.integers(0, shape[-1], shape[:-1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"smooth": 1.0},
        {"alpha": 0.3, "beta": 0.7},
        {"reduction": "none"},
        {"reduction": "sum", "ignore_background": True},
        {"class_weights": (0.5, 1.0, 2.0)},
        {"axis": (0, 1, 2)},
        {"axis": 1},
    ],
)
def test_optax_gives_the_same_on_hard_labels(rng, options) -> None:
    optax = pytest.importorskip("optax")
    if "class_weights" in options:
        options = options | {"class_weights": jnp.asarray(options["class_weights"])}
    z, label = channels_last(rng)
    hot = jax.nn.one_hot(label, 3, dtype="float64")
    expected = optax.losses.dice_loss(jnp.asarray(z), hot, **({"smooth": 1e-12} | options))
    for target in (hot, hot.astype("int32"), jnp.asarray(label)):
        got = ours.dice_semimetric_loss(jnp.asarray(z), target, **options)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-10)


def test_optax_of_one_class(rng) -> None:
    optax = pytest.importorskip("optax")
    z = jnp.asarray(rng.normal(size=(2, 7, 1)))
    y = jnp.asarray(rng.integers(0, 2, (2, 7, 1)).astype(float))
    expected = optax.losses.dice_loss(z, y, smooth=1.0)
    for pair in ((z, y), (z, y[..., 0]), (z[..., 0], y), (z, y[..., 0].astype(int))):
        got = ours.dice_semimetric_loss(*pair, smooth=1.0)
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_soft_labels_are_the_minimum_here_and_not_in_optax(rng) -> None:
    optax = pytest.importorskip("optax")
    z = jnp.asarray(rng.normal(size=(2, 9, 3)))
    soft = jax.nn.softmax(z)
    np.testing.assert_allclose(ours.dice_semimetric_loss(z, soft), 0, atol=1e-15)
    np.testing.assert_allclose(ours.jaccard_metric_loss(z, soft), 0, atol=1e-15)
    assert float(optax.losses.dice_loss(z, soft).min()) > 0.2


def test_optax_style_is_the_cores_losses(rng, dtype) -> None:
    x, y = (jnp.asarray(rng.random((2, 6, 5, 3)).astype(dtype)) for _ in range(2))
    where = jnp.asarray(rng.random((2, 6, 5)) < 0.7)
    options = {"apply_softmax": False, "reduction": "none", "where": where}
    for loss, core in ((ours.dice_semimetric_loss, dml1), (ours.jaccard_metric_loss, jml1)):
        expected = core(x, y, axis=(1, 2), mask=where[..., None])
        np.testing.assert_allclose(loss(x, y, **options), expected, **tolerance(dtype))
        jitted = jax.jit(lambda x, y, loss=loss: loss(x, y, **options))(x, y)
        np.testing.assert_allclose(jitted, expected, **tolerance(dtype))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"targets": jnp.zeros((2, 6, 4))}, ValueError, r"predictions must have.*\(2, 6, 3\), and"),
        ({"targets": jnp.zeros((2, 6))}, ValueError, r"an integer dtype, got .*\(2, 6\) in float"),
        ({"targets": np.zeros((2, 6, 3))}, TypeError, "one array library, got predictions: jax"),
        ({"targets": jnp.full((2, 6), 3)}, ValueError, "labels from 0 to 2, got values from 3"),
        ({"axis": -1}, ValueError, "axis must not name the class axis"),
        ({"axis": 3}, ValueError, "axis must be from -3 to 2"),
        ({"reduction": "avg"}, ValueError, "reduction must be one of"),
        ({"class_weights": jnp.ones(2)}, ValueError, "each of the 3 classes"),
        ({"where": jnp.ones((2, 6))}, TypeError, "mask must be of dtype bool"),
        ({"alpha": -1.0}, ValueError, "alpha must be at least 0"),
        ({"predictions": jnp.zeros((3,)), "targets": jnp.zeros((3,))}, ValueError, "batch"),
    ],
)
def test_bad_input_in_optax_style(change, error, message) -> None:
    given = {"predictions": jnp.zeros((2, 6, 3)), "targets": jnp.zeros((2, 6, 3))} | change
    with pytest.raises(error, match=message):
        ours.dice_semimetric_loss(given.pop("predictions"), given.pop("targets"), **given)


def test_region_loss_without_a_device_axis_is_the_cores(rng) -> None:
    z, y = (jnp.asarray(rng.normal(size=(2, 3, 8))) for _ in range(2))
    y = jax.nn.softmax(y, axis=1)
    options = {"activation": "softmax", "form": "jml2", "per": "class", "weight": [1.0, 2.0, 3.0]}
    np.testing.assert_array_equal(ours.region_loss(z, y, **options), region_loss(z, y, **options))
    with pytest.raises(TypeError, match="smoth"):
        ours.region_loss(y, y, smoth=1.0)
    with pytest.raises(ValueError, match="per must be one of"):
        ours.region_loss(z, y, per="pixel")


def test_values_are_checked_in_one_pass(rng) -> None:
    x = jnp.asarray(rng.random((2, 3, 40)))
    with pytest.raises(ValueError, match=r"pred must lie in \[0, 1\], got values from .* to 2"):
        overlap(x.at[1, 2, 3].set(2.0), x)
    with pytest.raises(ValueError, match=r"target must lie in \[0, 1\], got NaN"):
        region_overlap(x, x.at[1, 2, 3].set(jnp.nan))
    hidden = jnp.ones((2, 40), bool).at[1, 3].set(False)
    region_overlap(x, x.at[1, 2, 3].set(jnp.nan), mask=hidden)


@pytest.mark.parametrize("size", [1e-10, 1e-20, 1e-36])
def test_the_gradient_of_a_faint_prediction(size) -> None:
    """Against an empty target the loss is 1 however much there is of it, so its gradient is 0."""
    faint = jnp.full((8,), size, jnp.float32)
    for function in (dml1, jml1):
        np.testing.assert_array_equal(jax.grad(function)(faint, jnp.zeros_like(faint)), 0)
    both = jax.grad(lambda x: dml1(x, faint * jnp.arange(8) / 4))(faint)
    exact = jax.grad(lambda x: dml1(x, jnp.arange(8) / 4 * 1.0))(jnp.ones(8))
    np.testing.assert_allclose(both * size, exact, rtol=1e-4)
