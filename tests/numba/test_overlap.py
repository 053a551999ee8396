"""The compiled sums of overlaps, against slow code in float64."""

import numpy as np
import pytest
from dice_semimetric_numba.sums import overlap_sums
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

from dice_semimetric import expected_calibration_error, region_loss, value_checks

SUMS = {np.float32: 1e-5, np.float64: 1e-12}


def check(pixels):
    x, y = probabilities(pixels)
    expected = [t.sum(axis=pixels.axis) for t in (x, y, np.abs(x - y), x * y)]
    found = overlap_sums(pixels)
    assert found is not NotImplemented
    np.testing.assert_allclose(np.stack(found), np.stack(expected), SUMS[pixels.dtype.type])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_values_of_every_dtype_and_layout(dtype, layout, rng):
    for target in (*FLOATS, *INTEGERS, bool):
        x, y = (laid_out(values(rng, SHAPE, d), layout) for d in (dtype, target))
        check(pixels_of(x, y))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
def test_labels_of_every_dtype(activation, layout, rng):
    for dtype in INTEGERS:
        z = values(rng, SHAPE, np.float32) if activation is None else rng.normal(size=SHAPE) * 5
        label = rng.integers(0, 4, (2, 40, 41, 7)).astype(dtype)
        lying = "fortran" if layout == "channels last" else layout
        options = {"activation": activation, "ignore_index": 3}
        check(pixels_of(laid_out(z, layout), laid_out(label, lying), **options))


@pytest.mark.parametrize("axis", [(0, 1, 2, 3, 4), (0, 2), (1, 3, 4), (4,), (2, 3, 4)])
@pytest.mark.parametrize("sums", [np.float32, np.float64])
def test_axes_and_masks_that_broadcast(axis, sums, rng):
    x, y = (values(rng, SHAPE, np.float32) for _ in range(2))
    for mask in (None, rng.random((2, 1, 40, 41, 7)) > 0.5, rng.random((41, 1)) > 0.5):
        pixels = pixels_of(x, y, mask, axis=axis, dtype=sums)
        if np.prod([SHAPE[a] for a in axis]) >= 16:
            check(pixels)


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
def test_what_is_masked_has_no_influence(activation, rng):
    x, y = (values(rng, SHAPE, np.float32) for _ in range(2))
    mask = rng.random((2, 1, 40, 41, 7)) > 0.3
    expected = overlap_sums(pixels_of(x, y, mask, activation=activation))
    x, y = np.where(mask, x, np.nan), np.where(mask, y, -np.inf)
    found = overlap_sums(pixels_of(x, y, mask, activation=activation))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("layout", ["plain", "channels last", "every second"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_beyond_zero_and_one_is_taken_off(dtype, layout, rng):
    x, clipped = beyond(rng, SHAPE, dtype)
    y, mask = values(rng, SHAPE, np.float32), rng.random((2, 1, 40, 41, 7)) > 0.3
    wide = np.float64 if dtype == np.float64 else np.float32
    for given, meant in (((x, y), (clipped, y)), ((y, x), (y, clipped)), ((x, x), (clipped,) * 2)):
        for kept in (None, mask):
            shown = [a if kept is None else np.where(kept, a, a.dtype.type(np.nan)) for a in given]
            found, expected = (
                overlap_sums(pixels_of(*(laid_out(a, layout) for a in pair), kept, dtype=wide))
                for pair in (shown, meant)
            )
            np.testing.assert_array_equal(found, expected)
    unchecked = overlap_sums(pixels_of(x, x, checked=False))
    np.testing.assert_allclose(unchecked[0], x.astype(float).sum((2, 3, 4)), 1e-12)


@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01, np.inf])
def test_a_value_that_is_no_probability_is_left_to_the_blocks(bad, rng):
    for side in range(2):
        pair = [values(rng, SHAPE, np.float32) for _ in range(2)]
        pair[side][1, 2, 39, 40, 6] = bad
        assert overlap_sums(pixels_of(*pair)) is NotImplemented
        assert overlap_sums(pixels_of(*pair, checked=False)) is not NotImplemented


@pytest.mark.parametrize("bad", [-1, 3, 255])
def test_a_label_that_is_no_class_is_left_to_the_blocks(bad, rng):
    label = rng.integers(0, 3, (2, 40, 41, 7))
    label[1, 39, 40, 6] = bad
    pixels = pixels_of(values(rng, SHAPE, np.float32), label)
    assert overlap_sums(pixels) is NotImplemented


def test_more_elements_than_an_int32_counts():
    x = np.broadcast_to(np.float32(0.5), (1 << 16, (1 << 15) + 3))  # 2^31 and some, in 4 bytes
    pixels = pixels_of(x, np.broadcast_to(True, x.shape), axis=(0, 1), dtype=np.float32)
    found = overlap_sums(pixels)
    assert [float(f) for f in found] == [x.size / 2, x.size, x.size / 2, x.size / 2]


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("side", [0, -1])
def test_an_infinite_logit_is_an_error_whatever_the_classes(rng, classes, value, side) -> None:
    logits = rng.normal(size=(1, classes, 8, 8)).astype("float32")
    logits[0, side, 3, 3] = value
    labels = rng.integers(0, 2, (1, 8, 8))
    if classes == 1 and value == np.inf:
        return  # a sigmoid of 1
    activation = "sigmoid" if classes == 1 else "softmax"
    with pytest.raises(ValueError, match="pred must hold finite logits"):
        region_loss(logits, labels, activation=activation)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1])
def test_the_largest_labels_are_ignored_too(rng, number) -> None:
    x = rng.dirichlet([1, 1, 1], (2, 9)).transpose(0, 2, 1)
    labels = rng.integers(0, 3, (2, 9)).astype(np.uint64)
    labels[:, 4:] = number
    with value_checks("never"):
        got = region_loss(x, labels, ignore_index=number)
        binned = expected_calibration_error(x, labels, ignore_index=number)
    np.testing.assert_allclose(got, region_loss(x[..., :4], labels[:, :4]))
    kept = expected_calibration_error(x[..., :4].copy(), labels[:, :4])
    np.testing.assert_allclose(binned, kept)
