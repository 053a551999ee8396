"""What vector code is asked for, against slow code."""

import numpy as np
import pytest
from dice_semimetric_numba.vectors import WIDTH, ones, place_of, reaching, wide, write_steps
from numba import njit


@njit(fastmath=True)  # not kept on disk, where code cannot be read back
def total(values):
    wide()
    found = np.float32(0)
    for i in range(values.size):
        found += values[i]
    return found


def test_a_loop_in_wide_vectors_gives_the_same():
    assert total(np.arange(1000, dtype=np.float32)) == 499500
    (code,) = total.inspect_llvm().values()
    assert '"prefer-vector-width"="512"' in code


@njit
def count(values, level):
    return ones(reaching(place_of(values), level))


@njit
def steps_of(values, scale, out):
    return ones(write_steps(place_of(values), scale, place_of(out)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_reach_a_level(dtype, rng):
    values = rng.choice([0, 0.25, 0.5, 1, np.nan], WIDTH).astype(dtype)
    for level in (0, 0.25, 0.5, 1, 2):
        assert count(values, dtype(level)) == (values >= level).sum()
    levels = rng.integers(0, 256, WIDTH).astype(np.uint8)
    for level in (0, 1, 127, 128, 255):
        assert count(levels, np.uint8(level)) == (levels >= level).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_of_probabilities_and_how_many_are_none(dtype, rng):
    values = rng.random(WIDTH).astype(dtype)
    special = [0, -0.0, 1, 0.5, -0.01, 1.01, np.inf, -np.inf, np.nan]
    values[: len(special)] = special
    out = np.empty(WIDTH, np.uint8)
    assert steps_of(values, dtype(10), out) == 5
    inside = np.clip(np.nan_to_num(values, nan=0), 0, 1)
    np.testing.assert_array_equal(out, (inside * dtype(10)).astype(int))
