"""CuPy's bfloat16: read by the kernels as it is, and never summed in."""

from typing import Any

import array_api_compat as compat
import numpy as np
import pytest

from dice_semimetric import (
    calibration_bins,
    overlap,
    region_overlap,
    threshold_counts,
    value_checks,
)
from dice_semimetric._lib import namespace as _namespace
from dice_semimetric._lib import seam

pytest.importorskip("dice_semimetric_cupy._device")
pytest.importorskip("ml_dtypes")

import ml_dtypes
from dice_semimetric_cupy import kernels
from emulation import Emulated, awkward

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
OTHERS = [BFLOAT16, *(np.dtype(n) for n in ("float16", "float32", "float64", "bool", "uint8"))]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU; the core takes NumPy's namespace for CuPy's."""
    found = Emulated()
    monkeypatch.setattr(kernels, "device", lambda: found)
    monkeypatch.setattr(seam, "adapters", lambda name: (kernels,))
    monkeypatch.setattr(compat, "is_numpy_namespace", lambda xp: False)
    monkeypatch.setattr(compat, "is_cupy_namespace", lambda xp: True)
    return found


def fields(statistic: Any) -> list[np.ndarray]:
    return [v for v in vars(statistic).values() if isinstance(v, np.ndarray | np.generic)]


def draw(rng: Any, shape: Any, dtype: np.dtype) -> np.ndarray:
    return awkward(rng, shape, dtype) if dtype.kind in "bu" else awkward(rng, shape).astype(dtype)


def assert_close(got: Any, want: Any) -> None:
    assert len(fields(got)) == len(fields(want)) > 0
    for one, other in zip(fields(got), fields(want), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_pairs_are_those_of_the_same_numbers_in_float32(
    device: Emulated, rng: Any, other: np.dtype
) -> None:
    x, y = draw(rng, (3, 1030), BFLOAT16), draw(rng, (3, 1030), other)
    wide = y.astype(np.float32) if other in (BFLOAT16, np.float16) else y
    with value_checks("never"):
        for one, two in ((x, y), (y, x)):
            assert overlap(one, two).product.dtype == np.float64
        assert_close(overlap(x, y, axis=1), overlap(x.astype(np.float32), wide, axis=1))
        bins = calibration_bins(x, y, kind="binary")
        edges = bins.edges  # k / 10 in bfloat16
        want = calibration_bins(x.astype(np.float32), wide, kind="binary", edges=edges)
        assert_close(bins, want)
    assert {k.entry for k, _ in device.launches} == {"overlap_sums", "bin_sums"}


def test_thresholds_are_rounded_to_it(device: Emulated) -> None:
    """0.7 lies above bfloat16's 0.7, which shall reach it all the same."""
    levels = tuple(k / 10 for k in range(1, 10))
    x = np.tile(np.asarray(levels, BFLOAT16), 30)
    y = np.tile(np.float32(levels), 30)
    with value_checks("never"):
        got = threshold_counts(x, y, thresholds=levels)
    np.testing.assert_array_equal(got.both, [30 * (9 - k) for k in range(9)])
    np.testing.assert_array_equal(got.pred, got.target)


@pytest.mark.parametrize("soft", [False, True])
def test_logits(device: Emulated, rng: Any, soft: bool) -> None:
    logits = rng.normal(0, 4, (2, 3, 13, 17)).astype(BFLOAT16)
    target = rng.random(logits.shape).astype(BFLOAT16) if soft else rng.integers(0, 3, (2, 13, 17))
    wide = target.astype(np.float32) if soft else target
    with value_checks("never"):
        got = region_overlap(logits, target, activation="softmax")
        want = region_overlap(logits.astype(np.float32), wide, activation="softmax")
        assert_close(got, want)
        for kind in ("top_label", "classwise"):
            prob = rng.random((2, 3, 13, 17)).astype(BFLOAT16)
            bins = calibration_bins(prob, target, kind=kind)
            options: Any = {"kind": kind, "edges": bins.edges}
            assert_close(bins, calibration_bins(prob.astype(np.float32), wide, **options))


def test_every_number_is_read_as_it_is(device: Emulated) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(BFLOAT16)
    x = x[np.isfinite(x.astype(np.float32)) & (np.abs(x.astype(np.float32)) <= 1)]
    zero = np.zeros_like(x)
    with value_checks("never"):
        got = overlap(x, zero).difference
    np.testing.assert_allclose(got, np.abs(x.astype(float)).sum(), rtol=1e-6)


def test_what_the_kernels_leave_is_checked_and_computed_by_the_core(
    device: Emulated, rng: Any
) -> None:
    x, y = (awkward(rng, (5, 7)).astype(BFLOAT16) for _ in range(2))
    with value_checks("always"):
        got = overlap(x, y, axis=1)
        with pytest.raises(ValueError, match="pred must lie in"):
            overlap(x + BFLOAT16.type(1), y)
    assert device.launches == []
    want = overlap(x.astype(np.float32), y.astype(np.float32), axis=1)
    assert_close(got, want)


def test_the_dtype_to_sum_in() -> None:
    """With CuPy's own namespace, which asks NumPy about dtypes and so does not know bfloat16."""
    pytest.importorskip("cupy")
    import array_api_compat.cupy as xp

    x = np.ones(3, BFLOAT16)
    assert _namespace.is_floating(xp, x)
    assert not _namespace.is_integer(xp, x)
    assert not _namespace.is_boolean(xp, x)
    assert not _namespace.is_floating(xp, np.ones(3, ml_dtypes.float8_e4m3fn))
    for other, wide in (
        (BFLOAT16, "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("int8", "float32"),
    ):
        for pair in ((x, np.ones(3, other)), (np.ones(3, other), x)):
            assert _namespace.sum_dtype(xp, *pair) == np.dtype(wide)
    assert _namespace.finfo(xp, BFLOAT16).bits == 16
    assert float(_namespace.finfo(xp, BFLOAT16).eps) == 2**-7
