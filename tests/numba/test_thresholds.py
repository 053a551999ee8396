"""The compiled counts at thresholds, against slow code."""

import numpy as np
import pytest
from dice_semimetric_numba.operands import is_floating
from dice_semimetric_numba.sums import threshold_sums
from host_pairs import (
    FLOATS,
    INTEGERS,
    LAYOUTS,
    SHAPE,
    beyond,
    laid_out,
    pixels_of,
    probabilities,
    values,
)

TENTHS = tuple(k / 10 for k in range(1, 10))


def check(pixels, thresholds):
    def rounded(dtype, own):
        given = np.array(thresholds, dtype if own and is_floating(dtype) else pixels.dtype)
        return given.astype(pixels.dtype).astype(float)

    x, y = probabilities(pixels)
    levels = zip(
        rounded(pixels.pred.dtype, pixels.activation is None),
        rounded(pixels.target.dtype, True),
        strict=True,
    )
    expected = []
    for t, u in levels:
        above, other = x >= t, y >= u
        expected.append([f.sum(axis=pixels.axis) for f in (above, other, above & other)])
    found = threshold_sums(pixels, thresholds)
    assert found is not NotImplemented
    np.testing.assert_array_equal(np.stack(found), np.moveaxis(np.array(expected), 0, 1))


@pytest.mark.parametrize("thresholds", [TENTHS, (0.5,), (0.75, 0.25, 0.5, 1.0)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype(dtype, thresholds, rng):
    sums = np.float64 if dtype == np.float64 else np.float32
    for target in (*FLOATS, *INTEGERS, bool):
        wide = np.float64 if target == np.float64 else sums
        x, y = (values(rng, SHAPE, d) for d in (dtype, target))
        near = np.array(thresholds).astype(dtype)  # many values on a threshold
        x = np.where(rng.random(SHAPE) < 0.3, rng.choice(near, SHAPE), x).astype(dtype)
        check(pixels_of(x, y, dtype=wide), thresholds)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [(0, 1, 2, 3, 4), (2, 3, 4), (1, 3)])
def test_layouts_axes_and_masks(axis, layout, rng):
    x, y = (laid_out(values(rng, SHAPE, np.float32), layout) for _ in range(2))
    for mask in (None, rng.random((2, 1, 40, 41, 7)) > 0.5):
        check(pixels_of(x, y, mask, axis=axis, dtype=np.float32), TENTHS)


@pytest.mark.parametrize("classes", [1, 3])
def test_labels_with_one_that_is_ignored(classes, rng):
    shape = 2, classes, 60, 61, 3
    x = values(rng, shape, np.float32)
    label = rng.choice([0, 1, max(classes, 2) - 1, 255], (2, 60, 61, 3)).astype(np.uint8)
    check(pixels_of(x, label, dtype=np.float32, ignore_index=255), TENTHS)


@pytest.mark.parametrize("thresholds", [TENTHS, (0.75, 1.0)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_beyond_zero_and_one_is_taken_off(dtype, thresholds, rng):
    x, clipped = beyond(rng, SHAPE, dtype)
    sums = np.float64 if dtype == np.float64 else np.float32
    expected = threshold_sums(pixels_of(clipped, clipped, dtype=sums), thresholds)
    found = threshold_sums(pixels_of(x, x, dtype=sums), thresholds)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01, np.inf, -np.inf])
def test_bad_values_are_left_to_the_blocks_and_harmless_unchecked(bad, rng):
    x, y = (values(rng, SHAPE, np.float32) for _ in range(2))
    x[1, 2, 39, 40, 6] = bad
    assert threshold_sums(pixels_of(x, y, dtype=np.float32), TENTHS) is NotImplemented
    check(pixels_of(x, y, dtype=np.float32, checked=False), TENTHS)


@pytest.mark.parametrize("n", [16, 63, 64, 65, 255, 256, 257, 4096, 4097])
@pytest.mark.parametrize("thresholds", [TENTHS, (0.0, 0.3, 0.3)])
def test_rows_of_any_length(thresholds, n, rng):
    for dtype in (np.float32, np.float64):
        x, y = values(rng, (2, n), dtype), values(rng, (2, n), dtype)
        check(pixels_of(x, y, axis=(1,), dtype=dtype), thresholds)
        x[1, -1] = np.nan
        pixels = pixels_of(x, y, axis=(1,), dtype=dtype)
        assert threshold_sums(pixels, thresholds) is NotImplemented
