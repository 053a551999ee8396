"""The bins that JAX sums while it traces, against the generic reduction and counting by hand."""

import numpy as np
import pytest
from binned import by_hand, problem
from reference import tolerance

import dice_semimetric as ds
from dice_semimetric._lib.bin_sums import bin_sums, image_bin_sums
from dice_semimetric._lib.seam import Pixels

jax = pytest.importorskip("jax")
jnp = jax.numpy

from dice_semimetric_jax import kernels


def bins(*arrays, **options):
    """Return the sums of the bins without their edges."""
    found = ds.calibration_bins(*arrays, **options)
    return found.count, found.confidence, found.correct


CASES = [("binary", 1), ("top_label", 1), ("top_label", 4), ("classwise", 1), ("classwise", 4)]


@pytest.mark.parametrize(("kind", "classes"), CASES)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("n_bins", [1, 2, 70])
def test_any_number_of_bins(rng, dtype, kind, classes, soft, n_bins) -> None:
    prob, label, ignored = problem(rng, kind, dtype, classes, soft)
    kept = rng.random((2, 5, 6)) < 0.6
    (prob if kind == "binary" else np.moveaxis(prob, 1, -1))[~kept] = np.nan

    def masked(prob, label, mask):
        options = {"kind": kind, "n_bins": n_bins, "ignore_index": ignored}
        return bins(prob, label, mask=mask, **options)

    found = jax.jit(masked)(*map(jnp.asarray, (prob, label, kept)))
    kept &= True if soft else label != ignored
    edges = (np.arange(n_bins + 1) / n_bins).astype(dtype)
    expected = by_hand(np.nan_to_num(prob), label, kept, edges, kind)
    np.testing.assert_array_equal(found[0], expected[0])
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, **tolerance(dtype))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_the_statistic_passes_a_jitted_function(rng, strategy) -> None:
    prob, label = rng.random(50).astype("float32"), rng.random(50) < 0.5

    def found(x, y):
        return ds.calibration_bins(x, y, kind="binary", strategy=strategy)

    given = jnp.asarray(prob), jnp.asarray(label)
    traced, eager = jax.jit(found)(*given), found(*given)
    for name in ("count", "confidence", "correct", "edges"):
        one, other = getattr(traced, name), getattr(eager, name)
        assert isinstance(one, jax.Array)
        assert isinstance(other, jax.Array)
        np.testing.assert_allclose(one, other, rtol=1e-6)
    error = jax.jit(lambda bins: (bins + bins).error())(eager)
    np.testing.assert_allclose(error, eager.error(), rtol=1e-6)


def test_edges_of_each_class_that_are_traced_too(rng) -> None:
    prob, label, _ = problem(rng, "classwise", "float64", 3, True)
    edges = np.sort(rng.random((3, 5)), axis=1)
    edges[1, 2] = edges[1, 1]  # an empty bin
    found = jax.jit(lambda x, y, e: bins(x, y, kind="classwise", edges=e))(
        *map(jnp.asarray, (prob, label, edges))
    )
    for c in range(3):
        kept = np.ones((2, 5, 6), bool)
        expected = by_hand(prob[:, c], label[:, c], kept, edges[c], "binary")
        np.testing.assert_array_equal(found[0][c], expected[0])
        np.testing.assert_allclose(found[1][c], expected[1], rtol=1e-12)


@pytest.mark.parametrize(("kind", "classes"), CASES)
@pytest.mark.parametrize("soft", [False, True])
def test_derivative_is_that_of_plain_operations(rng, kind, classes, soft) -> None:
    prob, label, ignored = problem(rng, kind, "float64", classes, soft)
    weights = jnp.asarray(rng.random((2, max(classes, 2) if kind == "classwise" else 1, 10)))
    edges, label = jnp.arange(11) / 10, jnp.asarray(label)
    mask = jnp.asarray(rng.random((2, 5, 6)) < 0.6)

    def weighed(sums, prob, label):
        kept = mask if kind == "binary" else mask[:, None]
        options = {"axis": (0, 1, 2), "dtype": prob.dtype, "ignore_index": ignored}
        _, confidence, correct = sums(Pixels(prob, label, kept, **options), edges, kind)
        return jnp.sum(weights[0] * confidence) + jnp.sum(weights[1] * correct)

    for argnums in [(1,), (1, 2)][: 1 + soft]:
        ours, plain = (
            jax.jit(jax.grad(weighed, argnums), static_argnums=0)(f, jnp.asarray(prob), label)
            for f in (bin_sums, bin_sums.__wrapped__)
        )
        for one, other in zip(ours, plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_vmap(rng) -> None:
    prob, label, _ = problem(rng, "top_label", "float64", 3, True)
    prob, label = (jnp.asarray(np.stack([a, a[::-1] ** 2])) for a in (prob, label))
    found = jax.jit(jax.vmap(ds.expected_calibration_error))(prob, label)
    expected = [
        float(ds.expected_calibration_error(p, y)) for p, y in zip(prob, label, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision(rng, half) -> None:
    prob = jnp.asarray(rng.random((1, 3, 700))).astype(half)
    label = jnp.asarray(rng.integers(0, 3, (1, 700)))
    found = jax.jit(ds.expected_calibration_error)(prob, label)
    wide = ds.calibration_bins(
        prob.astype("float32"), label, edges=ds.calibration_bins(prob, label).edges
    )
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, wide.error(), rtol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1e-7, 0.7])
@pytest.mark.parametrize("n_bins", [10, 64])
def test_equal_confidences_keep_six_digits_in_float32(value, n_bins) -> None:
    """Whose rounding errors all point one way; their size does not depend on how many there are."""
    prob = jnp.full((2**21 + 5,), value, "float32")
    with jax.enable_x64(False):
        sums = jax.jit(lambda p: bins(p, p > 0.5, kind="binary", n_bins=n_bins))(prob)
    assert sums[1].dtype == "float32"
    assert int(sums[0].sum()) == prob.size
    expected = float(np.float32(value)) * prob.size
    np.testing.assert_allclose(float(sums[1].sum()), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0,), (), (1,), (2, 0, 3)])
def test_few_pixels_or_none(shape) -> None:
    prob = jnp.full(shape, 0.25)
    sums = jax.jit(lambda p: bins(p, p > 0.5, kind="binary", n_bins=2))(prob)
    np.testing.assert_array_equal(sums[0], [prob.size, 0])
    np.testing.assert_array_equal(sums[1], [0.25 * prob.size, 0])


IMAGES = [
    pytest.param((2, 3, 5, 6), True, "pixel", 7, id="labels"),
    pytest.param((2, 3, 5, 6), True, None, None, id="labels, no mask"),
    pytest.param((3, 1, 30), True, None, 0, id="one class"),
    pytest.param((2, 3, 5, 6), False, "class", None, id="soft, a mask of each class"),
    pytest.param((2, 3, 0), False, None, None, id="no pixels"),
    pytest.param((0, 3, 4), True, None, None, id="no images"),
]


@pytest.mark.parametrize("n_bins", [1, 10, 70])
@pytest.mark.parametrize(("shape", "labels", "mask", "ignored"), IMAGES)
def test_bins_of_each_image(rng, shape, labels, mask, ignored, n_bins) -> None:
    """Sums, gradient and forward derivative are those of plain operations."""
    prob, edges = rng.random(shape), jnp.arange(n_bins + 1) / n_bins
    label = rng.random(shape)
    if labels:
        label = rng.integers(0, max(shape[1], 2), (shape[0], *shape[2:]))
        label[:, :2] = 7 if ignored == 7 else label[:, :2]
    kept = None
    if mask is not None:
        kept = rng.random((shape[0], shape[1] if mask == "class" else 1, *shape[2:])) < 0.6
        prob[~np.broadcast_to(kept, shape)] = np.nan
    weights = jnp.asarray(rng.random((2, *shape[:2], n_bins)))
    moves = jnp.asarray(rng.random(shape))

    def sums(reduction, prob):
        given = jnp.asarray(label), None if kept is None else jnp.asarray(kept)
        axis = tuple(range(2, len(shape)))
        options = {"axis": axis, "dtype": prob.dtype, "ignore_index": ignored}
        return reduction(Pixels(prob, *given, **options), edges)

    def weighed(reduction, prob):
        _, confidence, correct = sums(reduction, prob)
        return jnp.sum(weights[0] * confidence) + jnp.sum(weights[1] * correct)

    ours, plain = kernels.image_bin_sums, image_bin_sums.__wrapped__
    for way in (
        lambda f: jax.jit(lambda p: sums(f, p))(prob),
        lambda f: [jax.jit(jax.grad(lambda p: weighed(f, p)))(prob)],
        lambda f: jax.jit(lambda p: jax.jvp(lambda q: sums(f, q)[1:], (p,), (moves,)))(prob)[1],
    ):
        for one, other in zip(way(ours), way(plain), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_large_batch_is_no_longer_program() -> None:
    """Nothing is written out for each image."""

    def length(images: int) -> int:
        label = jnp.zeros((images, 20), int)
        loss = jax.grad(lambda p: ds.calibration_loss(p, label))
        return len(jax.jit(loss).lower(jnp.full((images, 3, 20), 1 / 3)).as_text().splitlines())

    assert length(40) == length(2)
