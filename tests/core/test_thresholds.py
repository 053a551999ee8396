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
