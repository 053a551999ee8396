"""Tensors lent to CuPy: its CUDA sources, run on a processor, on tensors of the host's memory."""

import sys
import types
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels as of_cupy
from dice_semimetric_torch import kernels, lending
from emulation import Emulated
from torch import Tensor

import dice_semimetric as ds
from dice_semimetric._lib import seam
from dice_semimetric._lib.bin_sums import bin_sums
from dice_semimetric._lib.levels import threshold_sums
from dice_semimetric._lib.raters import look_up, rater_counts, weighted_marks
from dice_semimetric._lib.seam import Pixels
from dice_semimetric.fusion import most_frequent
from dice_semimetric.kernel.density import kernel_sums
from dice_semimetric.overlap import overlap_sums


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU, and NumPy in that of CuPy."""
    found = Emulated()
    monkeypatch.setattr(of_cupy, "device", lambda: found)
    modules = {"torch": (kernels,), "numpy": (of_cupy,)}
    monkeypatch.setattr(seam, "adapters", modules.__getitem__)
    monkeypatch.setattr(lending, "on_gpu", lambda tensor: True)
    monkeypatch.setattr(lending, "cupy", lambda: np)
    monkeypatch.setattr(lending, "_stream", lambda device: nullcontext())
    return found


def entries(device: Emulated) -> set[str]:
    return {kernel.entry for kernel, _ in device.launches}


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    if not dtype.is_floating_point:
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    some = torch.rand(shape, generator=generator)
    tenths = torch.randint(0, 11, shape, generator=generator) / 10
    return torch.where(some < 0.3, tenths, some).to(dtype)


def wide(value: Any) -> Any:
    """Return what a reduction takes with its floating tensors in float64."""
    if isinstance(value, Pixels):
        pair = {name: wide(getattr(value, name)) for name in ("pred", "target")}
        return replace(value, **pair, dtype=torch.float64)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


def assert_generic(function: Any, *args: Any) -> None:
    """Compare a reduction through the seam with the generic one in PyTorch, in float64."""
    got, want = function(*args), function.__wrapped__(*map(wide, args))
    for one, other in zip(
        *((f,) if isinstance(f, Tensor) else f for f in (got, want)), strict=True
    ):
        assert type(one) is Tensor
        torch.testing.assert_close(one, other.to(one.dtype), rtol=1e-5, atol=1e-5)


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "slice": lambda x: x[:, :, 1:, ::2],
    "transposed": lambda x: x.transpose(0, 3),
    "expanded": lambda x: x[:1, :1].expand_as(x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_pred", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("of_target", [torch.float32, torch.bfloat16, torch.bool, torch.uint8])
def test_pairs_of_any_dtype_and_stride(
    device: Emulated, layout: str, of_pred: torch.dtype, of_target: torch.dtype
) -> None:
    if torch.bfloat16 in (of_pred, of_target):
        pytest.importorskip("ml_dtypes")
    pred, target = draw(2, 3, 12, 26, dtype=of_pred), draw(2, 3, 12, 26, dtype=of_target)
    pred, target = LAYOUTS[layout](pred), LAYOUTS[layout](target)
    mask = draw(*pred.shape[2:], dtype=torch.bool)
    dtype = torch.float64 if of_pred == torch.float64 else torch.float32
    pixels = Pixels(pred, target, mask, axis=(0, 2, 3), dtype=dtype)
    assert_generic(overlap_sums, pixels)
    assert_generic(threshold_sums, pixels, (0.25, 0.5, 0.75))  # the same in any floating dtype
    assert entries(device) == {"overlap_sums", "threshold_sums"}


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
def test_labels(device: Emulated, activation: Any) -> None:
    pred, target = draw(2, 3, 9, 31), torch.randint(0, 4, (2, 9, 31))
    pixels = Pixels(
        pred,
        target,
        axis=(2, 3),
        dtype=torch.float32,
        activation=activation,
        ignore_index=3,
    )
    assert_generic(overlap_sums, pixels)
    assert_generic(threshold_sums, pixels, (0.5,))
    assert {"overlap_sums", "threshold_sums"} <= entries(device)


@pytest.mark.parametrize("kind", ["top_label", "classwise", "binary"])
@pytest.mark.parametrize("soft", [True, False])
def test_bins(device: Emulated, kind: str, soft: bool) -> None:
    binary = kind == "binary"
    prob = draw(2, 3, 10, 31)
    label = draw(2, 3, 10, 31).flip(0) if soft or binary else torch.randint(0, 3, (2, 10, 31))
    label = label if soft or not binary else label > 0.5
    mask = draw(2, 3 if binary else 1, 10, 31, dtype=torch.bool)
    axis = (0, 1, 2, 3) if binary else (0, 2, 3)
    pixels = Pixels(prob, label, mask, axis=axis, dtype=torch.float32)
    assert_generic(bin_sums, pixels, torch.linspace(0, 1, 6), kind)
    assert entries(device) == {"top_bin_sums" if kind == "top_label" else "bin_sums"}


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.uint16, torch.int64])
def test_raters(device: Emulated, dtype: torch.dtype) -> None:
    raters = torch.randint(0, 2 if dtype == torch.bool else 3, (5, 4, 40)).to(dtype)
    assert_generic(rater_counts, raters)
    assert_generic(rater_counts, raters[:, :, ::3], 1)
    assert_generic(weighted_marks, raters, torch.rand(5, 4, 1), 1)
    assert_generic(most_frequent, raters, 3)
    assert most_frequent(raters, 3).dtype == dtype
    if dtype != torch.bool:
        assert_generic(look_up, raters, torch.rand(3))
    assert entries(device) >= {"marked", "most_frequent"}


PROB = torch.rand(2, 3, 12, 20, generator=torch.Generator().manual_seed(1)).softmax(1)
LABEL = torch.randint(0, 3, (2, 12, 20), generator=torch.Generator().manual_seed(2))
MAPS = torch.randint(0, 3, (5, 2, 130), generator=torch.Generator().manual_seed(3))
CALLS = {
    "binarized_dice": lambda: ds.binarized_dice(PROB, PROB.flip(0)),
    "region_score": lambda: ds.region_score(PROB, LABEL, score="bdice"),
    "region_loss": lambda: ds.region_loss(PROB.log(), LABEL, activation="softmax", form="jml1"),
    "error": lambda: ds.expected_calibration_error(PROB, LABEL, strategy="quantile"),
    "majority_vote": lambda: ds.majority_vote(MAPS, num_classes=3),
    "uniform_average": lambda: ds.uniform_average(MAPS, num_classes=3),
    "dice_weighted_average": lambda: ds.dice_weighted_average(MAPS, num_classes=3, per="image"),
    "staple": lambda: ds.staple((MAPS > 0).to(torch.uint8), max_iter=5),
    "calibrate_teacher": lambda: ds.calibrate_teacher(
        PROB, LABEL, n_keys=30, bandwidth=0.05, rng=np.random.default_rng(0)
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_public_functions(device: Emulated, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ds.value_checks("never"):
        got = CALLS[name]()
        assert device.launches
        monkeypatch.setattr(seam, "adapters", lambda name: ())
        torch.testing.assert_close(got, CALLS[name](), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("skip_self", [False, True])
def test_kernel_regression(device: Emulated, skip_self: bool) -> None:
    query, key = (torch.rand(n, k).double().log() for n, k in ((3, 50), (50, 3)))
    bias, value = torch.rand(50).double(), torch.rand(4, 50)

    def sums(of: Any, *arrays: Tensor) -> Any:
        return of(*arrays, skip_self=skip_self)

    got = sums(kernel_sums, query, key, bias, value)
    want = sums(kernel_sums.__wrapped__, query, key, bias, value.double())
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)
    assert entries(device) == {"kernel_sums"}


@pytest.mark.parametrize(
    "options", [{"checked": True}, {"checked": False}], ids=["checked", "empty"]
)
def test_what_cupy_declines_is_taken_by_pytorch(device: Emulated, options: Any) -> None:
    pred, target = draw(2, 3, 10, 31), draw(2, 3, 10, 31).flip(0)
    if not options["checked"]:
        pred, target = pred[:0], target[:0]
    pixels = Pixels(pred, target, axis=(2, 3), dtype=torch.float32, **options)
    assert_generic(overlap_sums, pixels)
    assert_generic(threshold_sums, pixels, (0.5,))
    assert not device.launches


def test_a_tensor_that_learns_is_not_lent(device: Emulated) -> None:
    pred, target = draw(2, 3, 10, 31).requires_grad_(), draw(2, 3, 10, 31).flip(0)
    found = ds.overlap(pred, target)
    assert found.difference.requires_grad
    assert not device.launches
    edges = torch.linspace(0, 1, 5)
    bins = bin_sums(Pixels(pred, target, axis=(0, 1, 2, 3), dtype=torch.float32), edges, "binary")
    assert bins[1].requires_grad  # bins have a gradient of their own, around the lent sums
    with torch.no_grad():
        bin_sums(Pixels(pred, target, axis=(0, 1, 2, 3), dtype=torch.float32), edges, "binary")
    assert entries(device) == {"bin_sums"}


def test_no_copy_and_the_same_bits(device: Emulated) -> None:
    for tensor in (draw(3, 4), draw(3, 4, dtype=torch.bool), draw(3, 4)[:, ::2]):
        lent = lending.lend(tensor)
        assert lent.ctypes.data == tensor.data_ptr()
        torch.testing.assert_close(lending.give_back(lent, tensor), tensor, rtol=0, atol=0)
    assert lending.lend(torch.empty(0, 3)) is NotImplemented


def test_the_stream_is_entered_once_a_call(
    device: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []

    def stream(place: torch.device) -> Any:
        entered.append(place)
        return nullcontext()

    monkeypatch.setattr(lending, "_stream", stream)
    pred, target, mask = draw(2, 3, 10, 31), draw(2, 3, 10, 31).flip(0), draw(10, 31) > 0.2
    for function in (ds.overlap, ds.threshold_counts):
        with ds.value_checks("never"):
            function(pred, target, axis=(2, 3), mask=mask)
        assert len(entered) == 1
        entered.clear()
    assert entries(device) == {"overlap_sums", "threshold_sums"}


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module in CuPy's place that notes which contexts are entered."""
    entered: list[tuple[Any, ...]] = []

    def note(name: str) -> Any:
        return lambda *args: entered.append((name, *args)) or nullcontext()

    cuda = types.SimpleNamespace(
        Device=note("Device"),
        ExternalStream=note("ExternalStream"),
        using_allocator=note("using_allocator"),
        UnownedMemory=lambda *args: args,
        MemoryPointer=lambda *args: args,
    )
    found = types.SimpleNamespace(cuda=cuda, ones=np.ones, entered=entered)
    monkeypatch.setitem(sys.modules, "cupy", found)
    lending.cupy.cache_clear()
    yield found
    lending.cupy.cache_clear()


def test_cupy_works_on_the_stream_and_in_the_memory_of_pytorch(
    cupy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = types.SimpleNamespace(cuda_stream=77)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    with lending._stream(torch.device("cuda", 1)):
        pass
    (*places, (_, allocate)) = cupy.entered
    assert places == [("Device", 1), ("ExternalStream", 77, 1)]
    memory = torch.empty(16, dtype=torch.uint8)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: memory)
    assert allocate(16) == ((memory.data_ptr(), 16, memory, 1), 0)

    def refuse(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("16 bytes")

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(MemoryError, match="16 bytes"):
        allocate(16)


def test_a_broken_cupy_is_named_once(cupy: Any, recwarn: pytest.WarningsRecorder) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("cudaErrorInsufficientDriver")

    cupy.ones = broken
    assert lending.cupy() is lending.cupy() is None
    assert ["cudaErrorInsufficientDriver" in str(w.message) for w in recwarn] == [True]


def test_without_cupy_nothing_is_said(
    cupy: Any, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(lending, "on_gpu", lambda tensor: True)
    assert lending.lend(draw(3)) is NotImplemented
    assert not recwarn.list
