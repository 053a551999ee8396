"""The exponentials and logarithms of the kernels against NumPy's in float64."""

import numpy as np
import pytest

pytest.importorskip("numba")

from dice_semimetric_numba import arithmetic
from numba import njit


def relative(function, values):
    """Return the largest relative error of a function of the kernels."""
    out = np.empty_like(values)
    _mapped(function)(values, out)
    exact = getattr(np, function)(values.astype(np.float64))
    return np.max(np.abs(out - exact) / np.maximum(np.abs(exact), np.finfo(np.float64).tiny))


def _mapped(name):
    one = getattr(arithmetic, name)

    @njit
    def kernel(x, out):
        for i in range(x.size):
            out[i] = one(x[i])

    return kernel


CASES = {
    "exp": -np.geomspace(1e-9, 86.9, 50_001),
    "log": np.geomspace(1.0001, 1e6, 50_001),
    "log1p": np.concatenate([np.geomspace(1e-30, 1, 50_001), np.linspace(0.3, 0.5, 1001)]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "error"), [(np.float32, 3e-7), (np.float64, 4e-15)])
def test_to_the_last_digits(name, dtype, error) -> None:
    assert relative(name, CASES[name].astype(dtype)) < error


@pytest.mark.parametrize("name", CASES)
def test_nan_stays(name) -> None:
    out = np.zeros(1, np.float32)
    _mapped(name)(np.full(1, np.nan, np.float32), out)
    assert np.isnan(out).all()
