"""CuPy's fusion of raters: the CUDA source, run on a processor, against the core's own."""

from typing import Any

import numpy as np
import pytest

from dice_semimetric import (
    dice_weighted_average,
    majority_vote,
    uniform_average,
    value_checks,
)
from dice_semimetric._lib import seam

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from emulation import Emulated


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU."""
    found = Emulated()
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


def check(function: Any, raters: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Compare a public function with and without the kernels, bit by bit."""
    want = function(raters, **options)
    with monkeypatch.context() as patch, value_checks("never"):
        patch.setattr(seam, "adapters", lambda name: (kernels,))
        got = function(raters, **options)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
@pytest.mark.parametrize("number", [1, 2, 5, 300])
@pytest.mark.parametrize("pixels", [1, 15, 16, 4097])
def test_masks(
    device: Emulated, rng: Any, dtype: str, number: int, pixels: int, monkeypatch: Any
) -> None:
    raters = rng.integers(0, 2, (number, pixels)).astype(dtype)
    check(majority_vote, raters, monkeypatch)
    check(uniform_average, raters, monkeypatch)
    assert {k.entry for k, _ in device.launches} == {"marked", "look_up"}


@pytest.mark.parametrize("dtype", ["uint8", "int16"])
@pytest.mark.parametrize("num_classes", [1, 2, 4])
def test_label_maps(
    device: Emulated, rng: Any, dtype: str, num_classes: int, monkeypatch: Any
) -> None:
    raters = rng.integers(0, max(num_classes, 2), (6, 2, 9, 31)).astype(dtype)
    check(majority_vote, raters, monkeypatch, num_classes=num_classes)
    check(uniform_average, raters, monkeypatch, num_classes=num_classes)
    assert device.launches[0][0].entry == "most_frequent"


@pytest.mark.parametrize("num_classes", [None, 1, 3])
@pytest.mark.parametrize("per", ["batch", "image"])
@pytest.mark.parametrize("out", [None, "float32", "float16"])
@pytest.mark.parametrize("shape", [(5, 1, 64), (3, 4, 7, 9), (2, 3, 4096)])
def test_shares_of_the_raters(
    device: Emulated, rng: Any, num_classes: Any, per: str, out: Any, shape: Any, monkeypatch: Any
) -> None:
    raters = rng.integers(0, max(num_classes or 2, 2), shape).astype(np.uint8)
    dtype = None if out is None else np.dtype(out)
    options = {"num_classes": num_classes, "per": per, "dtype": dtype}
    check(dice_weighted_average, raters, monkeypatch, **options)
    shared = [k for k, _ in device.launches if ("SHARED", "1") in k.macros]
    assert len(shared) == (num_classes if num_classes and num_classes > 1 else 1)
    assert ("VECTOR", "0") in shared[0].macros or per == "batch" or shape[1] == 1


@pytest.mark.parametrize("order", ["F", "stepped", "reversed", "raters last", "broadcast"])
def test_raters_of_any_strides(device: Emulated, rng: Any, order: str, monkeypatch: Any) -> None:
    raters = rng.integers(0, 2, (5, 12, 34)).astype(np.uint8)
    if order == "F":
        raters = np.asfortranarray(raters)
    elif order == "stepped":
        raters = raters[::2, :, ::3]
    elif order == "reversed":
        raters = raters[::-1, :, ::-1]
    elif order == "raters last":
        raters = np.moveaxis(np.moveaxis(raters, 0, -1).copy(), -1, 0)
    else:
        raters = np.broadcast_to(raters[:1], raters.shape)
    check(majority_vote, raters, monkeypatch)
    check(majority_vote, raters, monkeypatch, num_classes=3)
    check(dice_weighted_average, raters, monkeypatch)
    check(dice_weighted_average, raters, monkeypatch, per="image")


@pytest.mark.parametrize("of_index", ["uint8", "int64"])
@pytest.mark.parametrize("of_table", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (4097,), (3, 5, 7)])
def test_look_up(device: Emulated, rng: Any, of_index: str, of_table: str, shape: Any) -> None:
    table = rng.random((6, 2)).astype(of_table)[::-1, 0]
    index = rng.integers(0, 6, shape).astype(of_index)
    for some in (index, index.T[..., ::-2] if shape else index):
        got = kernels.look_up(some, table)
        assert got.dtype == table.dtype
        np.testing.assert_array_equal(got, table[some])
    assert {k.entry for k, _ in device.launches} == {"look_up"}


def test_wide_loads_are_used_and_no_more_than_aligned(device: Emulated, rng: Any) -> None:
    raters = rng.integers(0, 2, (3, 64)).astype(np.uint8)
    kernels.rater_counts(raters)
    kernels.rater_counts(raters[:, 1:])
    kernels.rater_counts(raters.reshape(3, 32, 2)[..., 0])
    assert [dict(k.macros)["VECTOR"] for k, _ in device.launches] == ["16", "1", "0"]


def test_nothing_to_join_is_left_to_the_core(device: Emulated) -> None:
    assert kernels.rater_counts(np.zeros((3, 0), bool)) is NotImplemented
    assert kernels.most_frequent(np.zeros((3, 0), np.int8), 2) is NotImplemented
    assert kernels.look_up(np.zeros(0, np.int8), np.ones(3)) is NotImplemented
    assert kernels.look_up(np.zeros(3, np.int8), np.ones(3, np.float16)) is NotImplemented
