"""CUDA kernels reach what lies beyond 2^32 bytes: memory that nobody writes is free."""

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from dice_semimetric._lib.seam import Pixels

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from emulation import Emulated

FAR = (1 << 32) + (1 << 20)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """More than 2^32 zeros, which take no memory until they are written."""
    device = Emulated()
    monkeypatch.setattr(kernels, "device", lambda: device)
    try:
        return np.zeros(FAR, np.uint8)
    except MemoryError:
        pytest.skip("the system does not promise memory that is not there")


OPTIONS: Any = {"dtype": np.dtype("f4"), "checked": False}


def test_a_row_far_from_the_first(far: np.ndarray) -> None:
    rows = as_strided(far, (2, 4096), (FAR - 4096, 1))
    rows[1] = 1
    sums = kernels.overlap_sums(Pixels(rows, rows, axis=(1,), **OPTIONS))
    np.testing.assert_array_equal(sums[0], [0, 4096])
    counts = kernels.rater_counts(rows)
    np.testing.assert_array_equal(counts, np.ones(4096))


def test_neighbours_far_from_each_other(far: np.ndarray) -> None:
    step = FAR // 300
    column = far[::step][:300]
    column[[0, 200, 299]] = 1
    assert 299 * step > 1 << 31
    sums = kernels.overlap_sums(Pixels(column, column, axis=(0,), **OPTIONS))
    assert float(sums[3]) == 3
    wide = as_strided(far, (200, 2), (step, 100 * step))
    counts = kernels.threshold_sums(Pixels(wide, wide, axis=(0,), **OPTIONS), (0.5,))
    np.testing.assert_array_equal(counts[0], [[1, 2]])
