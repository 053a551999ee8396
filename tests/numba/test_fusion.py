"""The compiled kernels over raters, against slow code."""

import tracemalloc

import numpy as np
import pytest
from dice_semimetric_numba import fusion
from host_pairs import FLOATS, INTEGERS, LAYOUTS, laid_out

SHAPE = 5, 2, 33, 31, 11


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [bool, *INTEGERS])
def test_counts_shares_and_the_most_frequent(dtype, layout, rng):
    labels = laid_out(rng.integers(0, 4, SHAPE).astype(dtype), layout)
    for c in (None,) if dtype is bool else (None, 0, 3):
        marks = labels != 0 if c is None else labels == c
        found = fusion.rater_counts(labels, c)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, marks.sum(axis=0))
        for kind in (np.float32, np.float64):
            for shape in ((5, 1, 1, 1, 1), (5, 2, 1, 1, 1)):
                shares = rng.random(shape).astype(kind)
                expected = sum(marks[r] * shares[r] for r in range(5))
                np.testing.assert_array_equal(fusion.weighted_marks(labels, shares, c), expected)
    found = fusion.strict_majority(labels)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, (labels != 0).sum(axis=0) > 2)
    if dtype is not bool:
        votes = np.stack([(labels == c).sum(axis=0) for c in range(4)])
        found = fusion.most_frequent(labels, 4)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, votes.argmax(axis=0))


@pytest.mark.parametrize("number", [1, 5, 8, 9, 12])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_patterns_of_votes(dtype, number, rng):
    raters = (rng.random((number, 40, 41, 7)) > 0.4).astype(dtype)
    codes, counts = fusion.vote_patterns(raters)
    expected = sum(raters[r].astype(int) << r for r in range(number))
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(counts, np.bincount(expected.ravel(), minlength=2**number))
    for mask in (None, rng.random((41, 1)) > 0.5, np.zeros((40, 41, 7), bool)):
        marks = raters.astype(bool) & (True if mask is None else mask)
        shown = np.broadcast_to(True if mask is None else mask, (40, 41, 7))
        votes = marks.sum(axis=0)
        both, majority, found = fusion.vote_counts(raters, mask)
        flat = marks.reshape(number, -1).astype(int)
        np.testing.assert_array_equal(both, flat @ flat.T)
        np.testing.assert_array_equal(majority, (marks & (votes > number // 2)).sum((1, 2, 3)))
        np.testing.assert_array_equal(found, np.bincount(votes[shown], minlength=number + 1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_joint_decisions_of_label_maps(dtype, layout, rng):
    for number, base in ((1, 7), (5, 3), (5, 9)):
        labels = laid_out(rng.integers(0, base, (number, *SHAPE[1:])).astype(dtype), layout)
        codes, counts = fusion.vote_patterns(labels, base)
        assert codes.dtype == (np.uint8 if base**number <= 256 else np.int32)
        expected = sum(labels[r].astype(int) * base**r for r in range(number))
        np.testing.assert_array_equal(codes, expected)
        np.testing.assert_array_equal(counts, np.bincount(expected.ravel(), minlength=base**number))
    assert fusion.vote_patterns(labels, 10) is NotImplemented  # more than a table holds


def test_a_label_that_is_no_class_is_taken_for_the_first(rng):
    labels = rng.integers(-400, 400, (3, 50, 60))
    codes, counts = fusion.vote_patterns(labels, 5)
    digits = np.where((labels >= 0) & (labels < 5), labels, 0)
    np.testing.assert_array_equal(codes, np.tensordot(5 ** np.arange(3), digits, 1))
    assert counts.sum() == 3000


def test_few_tables_of_patterns_are_held_at_a_time(rng):
    raters = np.broadcast_to((rng.random((16, 512)) > 0.5)[:, None], (16, 1 << 13, 512))
    fusion.vote_counts(raters[:, :64], None)
    tracemalloc.start()
    fusion.vote_counts(raters, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # 256 tables took 134 MB


def test_more_raters_than_a_byte_counts(rng):
    raters = rng.random((300, 200)) > 0.1
    found = fusion.rater_counts(raters)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, raters.sum(axis=0))
    assert fusion.vote_counts(raters, None) is NotImplemented


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_look_up(dtype, layout, rng):
    index = laid_out(rng.integers(0, 11, (2, 3, 40, 41, 7)).astype(np.uint8), layout)
    table = (np.arange(11) / 10).astype(dtype)
    found = fusion.look_up(index, table)
    assert found.dtype == table.dtype
    np.testing.assert_array_equal(found, table[index])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_ends_of_integers(dtype, layout, rng):
    info = np.iinfo(dtype)
    array = rng.integers(0, 100, (2, 3, 40, 41, 7)).astype(dtype)
    assert fusion.value_range(laid_out(array, layout)) == (array.min(), array.max())
    array[1, 2, 39, 40, 6], array[0, 0, 0, 0, 0] = info.min, info.max
    assert fusion.value_range(laid_out(array, layout)) == (info.min, info.max)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_are_spread_over_classes(dtype, layout, rng):
    labels = laid_out(rng.integers(0, 5, (2, 3, 40, 41, 7)).astype(dtype), layout)  # 4 is no class
    for classes, ignored, axis in ((4, None, 1), (4, 2, 0), (4, 300, 5), (1, 1, 1), (1, None, 2)):
        numbers = [1] if classes == 1 else range(classes)
        hot = np.stack([labels == c for c in numbers], axis)
        kept = np.expand_dims(labels != ignored, axis)
        for kind, pair in [
            (np.bool_, (0, 1)),
            (np.int64, (0, 1)),
            *((k, (0.1, 0.7)) for k in FLOATS),
        ]:
            off, on = values = np.array(pair).astype(kind)
            options = {"num_classes": classes, "axis": axis, "ignore_index": ignored}
            found = fusion.spread(labels, values, **options)
            assert found.dtype == kind
            np.testing.assert_array_equal(found, np.where(kept, np.where(hot, on, off), kind(0)))
