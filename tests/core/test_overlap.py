"""Overlap: the four sums, their addition, masks, labels, memory layouts and bad input."""

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from reference import tolerance

from dice_semimetric import Overlap, overlap, region_overlap

FIELDS = ("pred", "target", "difference", "product")


def pair(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple:
    """Return soft arrays with ties and exact zeros and ones."""
    x, y = np.round(rng.random((2, *shape)) * 8) / 8
    return x.astype(dtype), y.astype(dtype)


def assert_overlap(backend: Backend, result: Overlap, expected: np.ndarray, dtype: str) -> None:
    for field, value in zip(FIELDS, np.moveaxis(expected, -1, 0), strict=True):
        got = getattr(result, field)
        assert got.dtype == backend.sums
        assert got.shape == value.shape
        np.testing.assert_allclose(got, value, **tolerance(dtype))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (1, 2), ()])
def test_sums_over_any_axes(backend: Backend, rng: np.random.Generator, dtype: str, axis) -> None:
    x, y = pair(rng, (3, 4, 5), dtype)
    axes = tuple(range(3)) if axis is None else np.atleast_1d(np.array(axis, int)) % 3
    kept = [a for a in range(3) if a not in axes]
    expected = np.empty([x.shape[a] for a in kept] + [4])
    for index in np.ndindex(*expected.shape[:-1]):
        place = [slice(None)] * 3
        for a, i in zip(kept, index, strict=True):
            place[a] = i
        expected[index] = reference.sums(x[tuple(place)], y[tuple(place)])
    assert_overlap(backend, backend.run(overlap, x, y, axis=axis), expected, dtype)


@in_float32
def test_mask_hides_even_nan(backend: Backend, rng: np.random.Generator, dtype: str) -> None:
    x, y = pair(rng, (2, 30), dtype)
    mask = rng.random((2, 30)) < 0.5
    x[~mask] = np.nan
    y[~mask] = 7
    expected = np.array(reference.sums(x[mask], y[mask]))
    assert_overlap(backend, backend.run(overlap, x, y, mask=mask), expected, dtype)


@in_float32
@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_region_sums(backend: Backend, rng, dtype, activation, hard, masked) -> None:
    shape = (2, 3, 5, 4)
    logits = rng.normal(size=shape)
    prob = {
        None: reference.softmax(logits),
        "softmax": reference.softmax(logits),
        "sigmoid": 1 / (1 + np.exp(-logits)),
    }[activation]
    pred = (prob if activation is None else logits).astype(dtype)
    label = rng.integers(0, 3, (2, 5, 4))
    soft = reference.softmax(rng.normal(size=shape))
    mask = rng.random((2, 5, 4)) < 0.6 if masked else np.ones((2, 5, 4), bool)
    expected = np.empty((2, 3, 4))
    target = reference.one_hot(label, 3) if hard else soft
    for b, c in np.ndindex(2, 3):
        expected[b, c] = reference.sums(prob[b, c][mask[b]], target[b, c][mask[b]])
    result = backend.run(
        region_overlap,
        pred,
        label if hard else soft.astype(dtype),
        activation=activation,
        mask=mask if masked else None,
    )
    assert_overlap(backend, result, expected, dtype)


@in_float32
def test_ignored_pixels_count_for_nothing(backend: Backend, rng, dtype) -> None:
    pred = reference.softmax(rng.normal(size=(2, 3, 20))).astype(dtype)
    label = rng.integers(0, 4, (2, 20))
    label[label == 3] = -100
    kept = label >= 0
    result = backend.run(region_overlap, pred, label, ignore_index=-100)
    one_hot = reference.one_hot(label, 3)
    expected = np.empty((2, 3, 4))
    for b, c in np.ndindex(2, 3):
        expected[b, c] = reference.sums(pred[b, c][kept[b]], one_hot[b, c][kept[b]])
    assert_overlap(backend, result, expected, dtype)


@in_float32
def test_one_class_takes_a_foreground_mask(backend: Backend, rng, dtype) -> None:
    pred = rng.random((2, 1, 9)).astype(dtype)
    label = rng.integers(0, 2, (2, 9))
    result = backend.run(region_overlap, pred, label)
    np.testing.assert_allclose(
        result.product, (pred[:, 0] * label).sum(-1)[:, None], **tolerance(dtype)
    )


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool"])
def test_hard_masks_of_any_dtype(backend: Backend, rng, kind) -> None:
    x = rng.random((4, 6)).astype("float32")
    y = rng.integers(0, 2, (4, 6)).astype(kind)
    result = backend.run(overlap, x, y)
    np.testing.assert_allclose(result.product, (x * y).sum(), rtol=1e-6)
    assert result.product.dtype == backend.sums
    both = backend.run(overlap, y, y)
    assert both.difference == 0
    assert both.target == y.sum()


@in_float32
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4), (1,), (1, 1)])
def test_zero_size_and_one_pixel(backend: Backend, dtype, shape) -> None:
    x = np.ones(shape, dtype)
    result = backend.run(overlap, x, x)
    assert result.pred == x.size
    assert result.difference == 0


def test_half_precision_is_summed_in_float32(backend: Backend, rng) -> None:
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    x = rng.random(1_000_000).astype("float16")
    y = np.ones_like(x)
    result = backend.run(overlap, x, y)
    assert result.pred.dtype == backend.sums
    assert result.target == 1_000_000
    np.testing.assert_allclose(result.pred, x.astype(float).sum(), rtol=1e-5)


@pytest.mark.parametrize("module", ["torch", "jax.numpy"])
def test_bfloat16_is_summed_in_float32(module: str) -> None:
    xp = pytest.importorskip(module)
    x = xp.full((1_000_000,), 0.5, dtype=xp.bfloat16)
    result = overlap(x, xp.ones_like(x))
    assert result.pred.dtype in (xp.float32, xp.float64)
    assert float(result.pred) == 500_000
    assert float(result.target) == 1_000_000


@pytest.mark.parametrize("module", ["numpy", "torch", "jax.numpy"])
def test_float32_sums_of_many_pixels_keep_six_digits(module: str) -> None:
    xp = pytest.importorskip(module)
    count = 100_000_000
    pattern = np.array([0.1, 0.7, 0.3, 0.9, 0.2, 0.55, 0.05, 1.0], "float32")
    x = xp.asarray(np.tile(pattern, count // 8))
    result = overlap(x, x)
    expected = pattern.astype(float).sum() * (count // 8)
    np.testing.assert_allclose(float(result.pred), expected, rtol=1e-6)
    assert float(result.difference) == 0


@in_float32
def test_overlaps_add_up(backend: Backend, rng, dtype) -> None:
    x, y = pair(rng, (4, 3, 8), dtype)

    def streamed(x, y):
        return sum(overlap(x[i, ...], y[i, ...], axis=1) for i in range(4))

    def pooled(x, y):
        return overlap(x, y, axis=2).sum(axis=0)

    whole = backend.run(overlap, x, y, axis=(0, 2))
    for way in (streamed, pooled):
        result = backend.run(way, x, y)
        for field in FIELDS:
            np.testing.assert_allclose(
                getattr(result, field), getattr(whole, field), **tolerance(dtype)
            )


def test_overlaps_of_two_shapes_do_not_add() -> None:
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"one shape, got \(2,\) and \(3,\)"):
        overlap(x, x, axis=1) + overlap(x, x, axis=0)
    with pytest.raises(TypeError):
        overlap(x, x) + 1.0


@in_float32
def test_take_selects_classes(backend: Backend, rng, dtype) -> None:
    x, y = pair(rng, (2, 4, 6), dtype)

    def taken(x, y):
        return overlap(x, y, axis=2).take((3, 1))

    result = backend.run(taken, x, y)
    np.testing.assert_allclose(result.pred, x.sum(2)[:, [3, 1]], **tolerance(dtype))
