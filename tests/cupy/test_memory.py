"""Kernels on a GPU whose memory is short: smaller blocks give the same sums, or a clear error."""

import types
from typing import Any

import numpy as np
import pytest

from dice_semimetric._lib.seam import Pixels

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import _device, kernels
from emulation import Emulated, awkward

LEVELS = (0.25, 0.5, 0.75)
EDGES = np.linspace(0, 1, 11, dtype=np.float32)


class Short(Emulated):
    """A processor on which nothing of more than some bytes finds memory."""

    def __init__(self, most: float = np.inf) -> None:
        super().__init__(processors=4)
        self.most, self.refused = most, 0

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        if np.prod(shape) * np.dtype(dtype).itemsize > self.most:
            self.refused += 1
            raise MemoryError(f"no {shape} of {dtype}")
        return super().empty(shape, dtype)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Short:
    found = Short()
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


def overlap(x: Any, y: Any, mask: Any, axis: Any, **more: Any) -> Any:
    options = {"axis": axis, "dtype": np.dtype("f4"), "checked": False, **more}
    return kernels.overlap_sums(Pixels(x, y, mask, **options))


def counts(x: Any, y: Any, mask: Any, axis: Any, **more: Any) -> Any:
    options = {"axis": axis, "dtype": np.dtype("f4"), "checked": False, **more}
    return kernels.threshold_sums(Pixels(x, y, mask, **options), LEVELS)


def assert_same(device: Short, function: Any, *arguments: Any, most: int, **options: Any) -> None:
    device.most = np.inf
    want = function(*arguments, **options)
    device.most, device.refused = most, 0
    got = function(*arguments, **options)
    assert device.refused > 0
    assert want is not NotImplemented
    for one, other in zip(got, want, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        if one.dtype.kind == "i":
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("axis", [(0, 1, 2), (1, 2), (0, 2), (2,), (0, 1)])
@pytest.mark.parametrize("function", [overlap, counts])
def test_pairs(device: Short, rng: Any, function: Any, axis: Any) -> None:
    x, y = awkward(rng, (2, 6, 24, 130))
    mask = rng.random((6, 1, 130)) < 0.7
    whole = 4 * np.prod([x.shape[a] for a in range(3) if a not in axis]) * 8
    most = 200 if axis == (0, 1, 2) else max(whole // 3, 150)
    if axis == (0, 1, 2):  # more pairs than one block visits
        x, y, mask = (np.repeat(a, 9, axis=-1) for a in (x, y, mask))
    assert_same(device, function, x, y, mask, axis, most=int(most))


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_softmax_needs_room_beside_the_logits(device: Short, rng: Any, images: int) -> None:
    pred = rng.normal(size=(images, 2, 12, 12)).astype(np.float32)
    target = rng.integers(0, 2, (images, 12, 12))
    mask = rng.random((images, 1, 12, 12)) < 0.5
    options: Any = {"axis": (2, 3), "activation": "softmax", "ignore_index": 1}
    for function in (overlap, counts):
        assert_same(device, function, pred, target, mask, most=12 * 6 * 8, **options)
        assert_same(device, function, pred, pred * 0, None, most=12 * 6 * 8, **options | NO_INDEX)


NO_INDEX: dict[str, Any] = {"ignore_index": None}


@pytest.mark.parametrize("kind", ["binary", "classwise", "top_label"])
@pytest.mark.parametrize("soft", [True, False])
def test_bins(device: Short, rng: Any, kind: str, soft: bool) -> None:
    prob = awkward(rng, (2, 3, 40, 50))
    label = awkward(rng, prob.shape) if soft else rng.integers(0, 3, (2, 40, 50))
    mask = rng.random((2, 40, 50)) < 0.7
    if kind == "binary":
        prob, label = prob[:, 0], label[:, 0] if soft else label == 1
    else:
        mask = mask[:, None]
    axis = tuple(a for a in range(prob.ndim) if kind == "binary" or a != 1)
    pixels = Pixels(prob, label, mask, axis=axis, dtype=np.dtype("f4"))
    least = 3 * 10 * 8 * (3 if kind == "classwise" else 1)
    assert_same(device, kernels.bin_sums, pixels, EDGES, kind, most=2 * least)


def test_what_finds_no_memory_at_all_is_named(device: Short, rng: Any) -> None:
    device.most = 0
    pred, label = awkward(rng, (2, 2, 200)), rng.integers(0, 2, (2, 200))
    wanted = r"overlap_sums of an array of shape \(2, 2, 200\) and dtype float32 .* 0 of 8 bytes"
    with pytest.raises(MemoryError, match=wanted):
        overlap(pred, label, None, (2,), activation="softmax")
    with pytest.raises(MemoryError, match=r"rater_counts of an array of shape .*no .2, 200"):
        kernels.rater_counts(np.stack([label, label]))
    assert device.launches == []


def test_what_is_free_is_asked_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = types.SimpleNamespace(mem_info=(30, 100), id=3)
    pool = types.SimpleNamespace(free_bytes=lambda: 12)
    fake = types.SimpleNamespace(
        cuda=types.SimpleNamespace(Device=lambda: gpu), get_default_memory_pool=lambda: pool
    )
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    assert _device.Device().room() == "42 of 100 bytes are free on GPU 3"
