"""Any axes may be summed over, those between the classes and the pixels too."""

import itertools

import numpy as np
import pytest

from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums
from dice_semimetric.thresholds import threshold_sums

pytest.importorskip("numba")

from dice_semimetric_numba import kernels

AXES = [axis for n in range(1, 5) for axis in itertools.combinations(range(4), n)]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("small", [0, 1 << 14])
def test_axes_of_every_kind(monkeypatch, rng, axis, activation, small) -> None:
    monkeypatch.setattr(kernels, "SMALL", small)
    x = np.moveaxis(rng.dirichlet([1, 1, 1], (2, 6, 7)), -1, 1)
    for target in (rng.integers(0, 3, (2, 6, 7)), x[::-1].copy()):
        pixels = Pixels(x, target, axis=axis, dtype=x.dtype, activation=activation)
        for reduction, extra in ((overlap_sums, ()), (threshold_sums, ((0.1, 0.5),))):
            slow = reduction.__wrapped__(pixels, *extra)
            for one, other in zip(reduction(pixels, *extra), slow, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9)
