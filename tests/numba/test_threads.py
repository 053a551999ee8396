"""Compiled sums on several threads, in children and beside other work."""

import multiprocessing
import threading

import numpy as np
import pytest
from dice_semimetric_numba import fusion, sums
from host_pairs import pixels_of, values

from dice_semimetric._lib.threads import threads

SHAPE = 3, 4, 60, 61, 62
TENTHS = tuple(k / 10 for k in range(1, 10))
EDGES = np.arange(11, dtype=np.float32) / np.float32(10)


def results():
    rng = np.random.default_rng(0)
    x, y = (values(rng, SHAPE, np.float32) for _ in range(2))
    pixels = pixels_of(x, y, dtype=np.float32)
    every = pixels_of(x, y, axis=(0, 2, 3, 4), dtype=np.float32)
    marks = x > 0.5
    return [
        *sums.overlap_sums(pixels),
        *sums.overlap_sums(every),
        *sums.threshold_sums(every, TENTHS),
        *sums.bin_sums(every, EDGES, "top_label"),
        *fusion.vote_counts(marks, None),
        fusion.weighted_marks(marks, np.ones((3, 1, 1, 1, 1), np.float32)),
    ]


def test_the_bits_do_not_depend_on_the_number_of_threads():
    with threads(1):
        expected = results()
    for count in (2, 3):
        with threads(count):
            for one, other in zip(results(), expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_calls_from_several_threads_at_once():
    expected, found = results(), []
    workers = [threading.Thread(target=lambda: found.append(results())) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in found:
        for one, other in zip(result, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(found) == 3


def _child(_):
    with threads(2):
        return results()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_child_forked_after_the_first_use():
    expected = _child(None)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        (found,) = pool.map(_child, [None])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
