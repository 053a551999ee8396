"""Threshold counts: any axes, thresholds in any dtype and number, addition."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from hypothesis import given
from hypothesis import strategies as st

import dice_semimetric as ds
from dice_semimetric.thresholds import THRESHOLDS

COUNTS = ("pred", "target", "both")
LEVELS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]) | st.floats(0, 1)


def pair(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple:
    """Return soft arrays with many values that lie on a threshold."""
    x, y = np.round(rng.random((2, *shape)) * 10) / 10
    return x.astype(dtype), y.astype(dtype)


@in_float32
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (1, 2), ()])
def test_counts_over_any_axes(backend: Backend, rng, dtype, axis) -> None:
    x, y = pair(rng, (3, 4, 5), dtype)
    mask = rng.random((3, 4, 5)) < 0.7
    x[~mask] = np.nan
    result = backend.run(ds.threshold_counts, x, y, axis=axis, mask=mask)
    expected = reference.threshold_counts(x, y, mask, THRESHOLDS, axis)
    for field, value in zip(COUNTS, expected, strict=True):
        got = getattr(result, field)
        assert got.dtype.kind == "i"
        assert got.shape == value.shape
        np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("pair_of", [("float32", "float64"), ("float64", "float32")])
def test_thresholds_are_rounded_to_each_array(backend: Backend, pair_of) -> None:
    x, y = (np.array(THRESHOLDS).astype(d) for d in pair_of)
    counts = backend.run(ds.threshold_counts, x, y)
    np.testing.assert_array_equal(counts.pred, range(9, 0, -1))
    np.testing.assert_array_equal(counts.target, range(9, 0, -1))
    assert float(backend.run(ds.binarized_dice, x, y)) == 1


LADDERS = [None, (0.5,), (0.9, 0.15, 1.0), *(np.arange(1, n) / n for n in (3, 11, 12, 15, 16))]


@pytest.mark.parametrize("thresholds", LADDERS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_large_volumes_in_any_memory_order(rng, thresholds, dtype) -> None:
    levels = np.array(THRESHOLDS if thresholds is None else thresholds).astype(dtype)
    zero, one = levels.dtype.type(0), levels.dtype.type(1)
    around = [levels, np.nextafter(levels, zero), np.nextafter(levels, one), [zero, one]]
    x, y = rng.choice(np.concatenate(around), (2, 2, 110, 100, 51))
    mask = rng.random((110, 100, 51)) < 0.9
    for a, b, m in ((x, y, None), (np.asfortranarray(x), y, None), (x[:, ::-1], y[:, ::-1], mask)):
        for axis in (None, (1, 2, 3)):
            got = ds.threshold_counts(a, b, thresholds=thresholds, axis=axis, mask=m)
            kept = np.ones(a.shape, bool) if m is None else np.broadcast_to(m, a.shape)
            for k, t in enumerate(levels):
                for field, flags in (
                    ("pred", (a >= t) & kept),
                    ("target", (b >= t) & kept),
                    ("both", (a >= t) & (b >= t) & kept),
                ):
                    count = np.count_nonzero(flags, axis=axis)
                    np.testing.assert_array_equal(getattr(got, field)[k], count)


@pytest.mark.parametrize("size", [300, 800_000])
def test_hard_targets_reach_every_threshold_or_none(rng, size) -> None:
    x = rng.random((2, 2, size))
    label, mask = rng.integers(0, 2, (2, size)), rng.random((2, 1, size)) < 0.9
    hard = np.stack([label == 0, label == 1], axis=1)
    expected = ds.threshold_counts(x, hard.astype(float), axis=2, mask=mask)
    found = [
        ds.threshold_counts(x, hard, axis=2, mask=mask),
        ds.threshold_counts(x, hard.astype(np.uint8), axis=2, mask=mask),
    ]
    for got in found:
        for name in ("pred", "target", "both"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    options = {"mask": mask[:, 0], "score": "bdice", "reduction": "none", "per": "image"}
    score = ds.region_score(x, label, **options)
    np.testing.assert_allclose(score, expected.binarized_dice(), rtol=1e-12)


def test_unchecked_values_are_compared_as_they_are() -> None:
    x = np.tile(np.array([np.nan, -np.inf, -3, 0.5, 26.0, np.inf], np.float32), 200_000)
    with ds.value_checks("never"):
        counts = ds.threshold_counts(x, x)
    np.testing.assert_array_equal(counts.both, [600_000] * 5 + [400_000] * 4)


def test_half_precision_counts_beyond_its_range(backend: Backend) -> None:
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    x = np.ones(70_000, np.float16)
    counts = backend.run(ds.threshold_counts, x, x)
    assert int(counts.both[0]) == 70_000
    score = backend.run(ds.binarized_dice, x, x)
    assert score.dtype == "float32"
    assert float(score) == 1


@given(hnp.arrays(float, (2, 24), elements=LEVELS), hnp.arrays(float, (2, 24), elements=LEVELS))
def test_counts_add_up_and_bdice_is_the_mean_of_hard_dice(x, y) -> None:
    whole = ds.threshold_counts(x, y)
    parts = [ds.threshold_counts(a, b) for a, b in zip(x, y, strict=True)]
    for field in COUNTS:
        np.testing.assert_array_equal(getattr(sum(parts), field), getattr(whole, field))
    hard = [ds.dice_score(x >= t, y >= t) for t in THRESHOLDS]
    score = ds.binarized_dice(x, y)
    assert float(score) == pytest.approx(np.mean(hard), abs=1e-12)
    assert score == ds.binarized_dice(y, x)
    assert 0 <= score <= 1
    np.testing.assert_allclose(
        sum(parts).jaccard(), [ds.jaccard_score(x >= t, y >= t) for t in THRESHOLDS], atol=1e-12
    )


def test_counts_of_two_kinds_do_not_add() -> None:
    x = np.ones(3)
    with pytest.raises(ValueError, match="same thresholds"):
        ds.threshold_counts(x, x) + ds.threshold_counts(x, x, thresholds=(0.5,))
    with pytest.raises(ValueError, match="one shape"):
        ds.threshold_counts(x, x) + ds.threshold_counts(x, x, axis=())
    with pytest.raises(TypeError):
        ds.threshold_counts(x, x) + ds.overlap(x, x)
