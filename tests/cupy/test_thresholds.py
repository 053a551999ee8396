"""CuPy's counts at thresholds: the CUDA source, run on a processor, against the core's own."""

from typing import Any

import numpy as np
import pytest

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._numpy import reductions as _numpy
from dice_semimetric.thresholds import THRESHOLDS as LEVELS
from dice_semimetric.thresholds import threshold_sums as generic_thresholds

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from dice_semimetric_cupy._thresholds import groups, table
from emulation import Emulated, awkward


@pytest.fixture(params=[False, True], ids=["forward", "reverse"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU, its threads in either order."""
    found = Emulated(reverse=request.param)
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


def test_thresholds_after_a_softmax(device: Emulated, rng: Any) -> None:
    pred = rng.normal(0, 2, (2, 3, 8, 20))
    target = rng.integers(0, 3, (2, 8, 20))
    options: Any = {"axis": (2, 3), "dtype": pred.dtype, "checked": False, "activation": "softmax"}
    got = kernels.threshold_sums(Pixels(pred, target, **options), LEVELS)
    want = _numpy.threshold_sums(Pixels(pred, target, **options), LEVELS)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "thresholds",
    [
        (0.5,),
        (0.9, 0.1, 0.5, 0.5),
        tuple(k / 100 for k in range(1, 101)),
        (0.001, 0.002, 0.0025, 1.0),
        (np.nextafter(0.5, 0), 0.5, np.nextafter(0.5, 1)),
    ],
    ids=["one", "unsorted, twice", "hundred", "close", "neighbours"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_thresholds(device: Emulated, rng: Any, thresholds: Any, dtype: str) -> None:
    x, y = awkward(rng, (2, 2, 700), dtype)
    x[0, : len(thresholds)] = thresholds
    y[0, : len(thresholds)] = np.nextafter(np.asarray(thresholds, dtype), np.asarray(0, dtype))
    options: Any = {"axis": (1,), "dtype": np.dtype(dtype), "checked": False}
    got = kernels.threshold_sums(Pixels(x, y, **options), thresholds)
    want = generic_thresholds.__wrapped__(Pixels(x, y, **options), thresholds)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(a.nbytes <= 4096 for a in device.arguments)


def test_a_cell_holds_one_threshold() -> None:
    levels = [np.sort(np.random.default_rng(1).random(60).astype(np.float32))] * 2
    seen = []
    for some, cells in groups(levels):
        found = table(levels[0][some], cells)
        assert len(some) <= 12
        assert np.isfinite(found["threshold"]).sum() == len(some)
        assert found["before"][-1] + np.isfinite(found["threshold"][-1]) == len(some)
        seen += some
    assert seen == list(range(60))


def test_counters_do_not_overflow(device: Emulated) -> None:
    x = np.ones(128 * 65535 + 4096, np.uint8)  # more than 16 bits can count in one block
    options: Any = {"axis": (0,), "dtype": np.dtype("float32"), "checked": False}
    got = kernels.threshold_sums(Pixels(x, x, **options), (0.5,))
    assert [int(a[0]) for a in got] == [x.size] * 3
    assert device.launches[-1][1] > 1


def test_the_tables_are_made_once(device: Emulated, rng: Any, monkeypatch: Any) -> None:
    pred, target = rng.random((2, 3, 8, 20)).astype("float32"), rng.random((2, 3, 8, 20))
    options: Any = {"axis": (2, 3), "checked": False}

    def counts(pred: Any, target: Any) -> Any:
        pixels = Pixels(pred, target, dtype=np.result_type(pred, target), **options)
        return [kernels.threshold_sums(pixels, LEVELS), _numpy.threshold_sums(pixels, LEVELS)]

    first = counts(pred, target.astype("float32"))
    with monkeypatch.context() as patch:
        patch.setattr(np, "unique", None)
        again = counts(pred, target.astype("float32"))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(*counts(pred.astype("float64"), target))  # tables of its own
