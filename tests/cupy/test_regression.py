"""CuPy's kernel regression: the CUDA source, run on a processor, against the core's own."""

from typing import Any

import numpy as np
import pytest

from dice_semimetric import kernel_regression, value_checks
from dice_semimetric._lib import seam
from dice_semimetric.kernel.density import LOG_ZERO
from dice_semimetric.kernel.density import kernel_sums as accelerated

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from emulation import Emulated

generic = accelerated.__wrapped__


@pytest.fixture(params=[False, True], ids=["forward", "reverse"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU, its threads in either order."""
    found = Emulated(reverse=request.param)
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("pixels", "keys"), [(1, 1), (128, 64), (129, 65), (300, 7), (50, 200)])
def test_sums_over_keys(device: Emulated, rng: Any, dtype: str, pixels: int, keys: int) -> None:
    query, key = np.log(rng.random((3, pixels))), 500 * rng.random((keys, 3))
    query[1, ::5] = LOG_ZERO
    bias, value = 100 * rng.random(keys), rng.random((2, keys)).astype(dtype)
    got = kernels.kernel_sums(query, key, bias, value, skip_self=False)
    want = generic(query, key, bias, value.astype(float), skip_self=False)
    assert (got[0].dtype, got[1].dtype) == (np.dtype(dtype), np.dtype(float))
    rtol = 2e-6 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(got[0], want[0], rtol=rtol)
    np.testing.assert_allclose(got[1], want[1], rtol=rtol)


def test_a_pixel_is_no_key_of_its_own(device: Emulated, rng: Any) -> None:
    query = np.log(rng.random((2, 150)))
    key, bias = 30 * rng.random((150, 2)), rng.random(150)
    value = rng.random((3, 150))
    got = kernels.kernel_sums(query, key, bias, value, skip_self=True)
    want = generic(query, key, bias, value, skip_self=True)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_not_a_number_shows(device: Emulated, rng: Any) -> None:
    query, key = rng.random((2, 20)), rng.random((9, 2))
    query[0, 3] = np.nan
    mean, log_total = kernels.kernel_sums(
        query, key, rng.random(9), rng.random((1, 9)), skip_self=False
    )
    assert np.isnan(mean[0, 3])
    assert np.isnan(log_total[3])
    assert np.isfinite(np.delete(mean, 3, axis=1)).all()


def test_public_function(device: Emulated, rng: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prob = rng.dirichlet([0.5] * 3, 90).astype(np.float32)
    key, label = rng.dirichlet([0.5] * 3, 40).astype(np.float32), rng.integers(0, 3, 40)
    plain = kernel_regression(prob, key, label, bandwidth=1e-3)
    monkeypatch.setattr(seam, "adapters", lambda name: (kernels,))
    with value_checks("never"):
        got = kernel_regression(prob, key, label, bandwidth=1e-3)
    assert device.launches[-1][0].entry == "kernel_sums"
    np.testing.assert_allclose(got, plain, rtol=1e-5, atol=1e-6)


def test_what_is_left_to_the_core(device: Emulated, rng: Any) -> None:
    query, key, bias, value = (
        rng.random((2, 9)),
        rng.random((5, 2)),
        rng.random(5),
        rng.random((1, 5)),
    )
    wide = np.zeros((40, 5))
    for arrays in (
        (query[:, :0], key, bias, value),
        (query.astype("f4"), key, bias, value),
        (query, key, bias, wide),
    ):
        assert kernels.kernel_sums(*arrays, skip_self=False) is NotImplemented
