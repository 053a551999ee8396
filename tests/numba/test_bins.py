"""The compiled sums over bins, against slow code in float64."""

import numpy as np
import pytest
from dice_semimetric_numba.operands import is_floating
from dice_semimetric_numba.sums import bin_sums
from host_pairs import FLOATS, INTEGERS, LAYOUTS, beyond, laid_out, pixels_of, values

SPATIAL = 2, 40, 41, 7
AXES = 0, 2, 3, 4


def edges_of(n, dtype=np.float32):
    return np.arange(n + 1, dtype=dtype) / np.dtype(dtype).type(n)


def expected_sums(prob, label, kept, edges, kind, dtype):
    """Return the sums; ``kept`` has the shape of one class."""
    x = prob.astype(dtype)
    soft = is_floating(label.dtype)
    if kind == "binary":
        pairs = [(x, label.astype(float) if soft else label == 1)]
    else:
        x = np.concatenate([1 - x, x], axis=1) if x.shape[1] == 1 else x
        if soft:
            y = label.astype(dtype)
            y = np.concatenate([1 - y, y], axis=1) if y.shape[1] == 1 else y
        else:
            y = np.stack([label == c for c in range(x.shape[1])], axis=1)
        pairs = [(x[:, c], y[:, c]) for c in range(x.shape[1])]
        if kind == "top_label":
            best = np.where(kept[:, None], x, 0).argmax(axis=1)[:, None]
            top = (np.take_along_axis(a, best, axis=1)[:, 0] for a in (x, y))
            pairs = [tuple(top)]
    n_bins = edges.shape[-1] - 1
    found = np.zeros((3, len(pairs), n_bins))
    for row, (confidence, correct) in enumerate(pairs):
        inner = np.broadcast_to(edges, (len(pairs), n_bins + 1))[row, 1:-1]
        place = np.searchsorted(inner, confidence[kept], side="right")
        for k in range(n_bins):
            one = confidence[kept][place == k].astype(float), correct[kept][place == k]
            found[:, row, k] = len(one[0]), one[0].sum(), one[1].sum(dtype=float)
    return found if kind == "classwise" else found[:, 0]


def check(
    prob, label, kind, *, edges=None, mask=None, ignore_index=None, dtype=np.float32, axis=AXES
):
    binary = kind == "binary"
    edges = edges_of(10, dtype) if edges is None else edges
    kept = np.ones(prob.shape if binary else (prob.shape[0], *prob.shape[2:]), bool)
    if mask is not None:
        kept &= mask
    if ignore_index is not None:
        kept &= label != ignore_index
    pixels = pixels_of(
        prob,
        label,
        mask if binary or mask is None else mask[:, None],
        axis=tuple(range(prob.ndim)) if binary else axis,
        dtype=dtype,
        ignore_index=ignore_index,
    )
    found = bin_sums(pixels, edges, kind)
    assert found is not NotImplemented
    expected = expected_sums(prob, label, kept, edges, kind, dtype)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(np.stack(found[1:]), expected[1:], 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
def test_hard_labels(kind, layout, rng):
    for dtype in FLOATS:
        for target in (*INTEGERS, bool) if kind == "binary" else INTEGERS:
            prob = laid_out(values(rng, (2, 3, 40, 41, 7), dtype), layout)
            label = rng.integers(0, 3, SPATIAL).astype(target)
            label = values(rng, prob.shape, target) if kind == "binary" else label
            lying = "fortran" if layout == "channels last" and kind != "binary" else layout
            wide = np.float64 if dtype == np.float64 else np.float32
            check(prob, laid_out(label, lying), kind, dtype=wide)


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
def test_soft_labels_masks_and_ignored_ones(kind, classes, rng):
    prob = values(rng, (2, classes, 40, 41, 7), np.float32)
    mask = rng.random(prob.shape if kind == "binary" else SPATIAL) > 0.4
    for dtype in FLOATS:
        wide = np.float64 if dtype == np.float64 else np.float32
        check(prob, values(rng, prob.shape, dtype), kind, mask=mask, dtype=wide)
    shape = prob.shape if kind == "binary" else SPATIAL
    most = 2 if kind == "binary" else max(classes, 2)
    for dtype in (np.int8, np.int64):
        label = rng.integers(-1, most, shape).astype(dtype)
        check(prob, label, kind, ignore_index=-1)
        check(prob, label, kind, ignore_index=-1, mask=mask)
        shown = mask if kind == "binary" else mask[:, None]
        check(np.where(shown, prob, np.nan), label, kind, ignore_index=-1, mask=mask)


@pytest.mark.parametrize("n_bins", [1, 2, 15, 100])
def test_any_number_of_bins_and_edges_of_each_class(n_bins, rng):
    prob, label = values(rng, (2, 3, 40, 41, 7), np.float32), rng.integers(0, 3, SPATIAL)
    check(prob, label, "top_label", edges=edges_of(n_bins))
    edges = np.sort(rng.random((3, n_bins + 1)).astype(np.float32), axis=1)
    prob = np.where(rng.random(prob.shape) < 0.3, edges[:, 0][:, None, None, None], prob)
    check(prob, label, "classwise", edges=edges)


def test_of_equal_classes_the_first_is_on_top(rng):
    prob = np.full((2, 3, 40, 41, 7), 0.25, np.float32)
    prob[:, 1:] = 0.375
    check(prob, rng.integers(0, 3, SPATIAL), "top_label")


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_beyond_zero_and_one_is_taken_off(dtype, kind, classes, rng):
    prob, clipped = beyond(rng, (2, classes, 40, 41, 7), dtype)
    wide = np.float64 if dtype == np.float64 else np.float32
    hard = rng.integers(0, 2, prob.shape if kind == "binary" else SPATIAL)
    axis = tuple(range(5)) if kind == "binary" else AXES
    for given, meant in (((prob, hard), (clipped, hard)), ((prob, prob), (clipped, clipped))):
        found, expected = (
            bin_sums(pixels_of(*pair, axis=axis, dtype=wide), edges_of(10, wide), kind)
            for pair in (given, meant)
        )
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
@pytest.mark.parametrize("n", [17, 3999, 4001])
def test_odd_numbers_of_pixels_in_few_bins_and_many(kind, n, rng):
    shape = (n,) if kind == "binary" else (1, 3, n)
    prob, soft = (values(rng, shape, np.float32) for _ in range(2))
    label = rng.integers(0, 2 if kind == "binary" else 3, n if kind == "binary" else (1, n))
    mask = rng.random(label.shape) > 0.5
    axis = (0,) if kind == "binary" else (0, 2)
    for n_bins in (1, 10, 15, 16):
        for target in (label, soft):
            check(prob, target, kind, edges=edges_of(n_bins), mask=mask, axis=axis)


@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01])
def test_bad_values_are_left_to_the_blocks(kind, bad, rng):
    prob, soft = (values(rng, (2, 3, 40, 41, 7), np.float32) for _ in range(2))
    axis = tuple(range(5)) if kind == "binary" else AXES
    for array in (prob, soft):
        kept = array[1, 2, 39, 40, 6]
        array[1, 2, 39, 40, 6] = bad
        pixels = pixels_of(prob, soft, axis=axis, dtype=np.float32)
        assert bin_sums(pixels, edges_of(10), kind) is NotImplemented
        array[1, 2, 39, 40, 6] = kept
    label = rng.integers(0, 2, prob.shape if kind == "binary" else SPATIAL)
    label.reshape(-1)[-1] = 3
    pixels = pixels_of(prob, label, axis=axis, dtype=np.float32)
    assert bin_sums(pixels, edges_of(10), kind) is NotImplemented
