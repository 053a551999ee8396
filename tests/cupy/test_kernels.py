"""CuPy's kernels: the CUDA sources, run on a processor, against the core's own reductions."""

import types
from typing import Any

import numpy as np
import pytest

from dice_semimetric import overlap, region_overlap, threshold_counts, value_checks
from dice_semimetric._lib import seam
from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums as generic_overlap
from dice_semimetric.thresholds import threshold_sums as generic_thresholds

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from emulation import Emulated, awkward

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# A row of one block is 256 threads x 4 loads x the entries of a load.
SIZES = (1, 31, 128, 1023, 4095, 4096, 4097, 8199)


@pytest.fixture(params=[False, True], ids=["forward", "reverse"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU, its threads in either order."""
    found = Emulated(reverse=request.param)
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


@pytest.fixture
def through_the_core(device: Emulated, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """Let the core find these kernels for NumPy's arrays."""
    monkeypatch.setattr(seam, "adapters", lambda name: (kernels,))
    return device


def sums(x: Any, y: Any, mask: Any = None, **options: Any) -> Any:
    """Take both statistics by the kernels and compare them with the core's."""
    wide = np.result_type(*(a.dtype for a in (x, y) if a.dtype.kind == "f"), np.float32)
    if x.dtype.kind != "f" and y.dtype.kind != "f":
        wide = np.dtype(float)
    options = {"axis": tuple(range(x.ndim)), "dtype": wide, "checked": False, **options}
    got = kernels.overlap_sums(Pixels(x, y, mask, **options))
    assert got is not NotImplemented
    want = generic_overlap.__wrapped__(
        Pixels(
            x.astype(float),
            y if y.ndim < x.ndim else y.astype(float),
            mask,
            **{**options, "dtype": np.dtype(float)},
        )
    )
    rtol = 1e-6 if wide == np.float32 else 1e-12
    for one, other in zip(got, want, strict=True):
        assert one.dtype == float
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
    if options.get("activation") is None:
        counts = kernels.threshold_sums(Pixels(x, y, mask, **options), LEVELS)
        want = generic_thresholds.__wrapped__(Pixels(x, y, mask, **options), LEVELS)
        for one, other in zip(counts, want, strict=True):
            np.testing.assert_array_equal(one, other)
    return got


@pytest.mark.parametrize("size", SIZES)
def test_around_the_bounds_of_loads_and_blocks(device: Emulated, rng: Any, size: int) -> None:
    x, y = awkward(rng, size + 1), awkward(rng, size + 1)
    sums(x[:-1], y[:-1])
    sums(x[1:], y[:-1])  # no longer aligned to 16 bytes
    assert {dict(k.macros)["VECTOR"] for k, _ in device.launches} == {"4", "1"}


@pytest.mark.parametrize(
    ("of_pred", "of_target"),
    [
        ("float16", "float16"),
        ("float64", "float64"),
        ("float32", "bool"),
        ("float16", "uint8"),
        ("float32", "float64"),
        ("bool", "bool"),
        ("int64", "int8"),
        ("uint16", "int32"),
    ],
)
def test_all_dtypes(device: Emulated, rng: Any, of_pred: str, of_target: str) -> None:
    x, y = awkward(rng, (3, 1030), of_pred), awkward(rng, (3, 1030), of_target)
    sums(x, y, axis=(1,))


def test_every_half_is_read_as_it_is(device: Emulated) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x) & (np.abs(x) <= 1)]
    one = np.ones(128, np.float16)
    for part in (x[:3000], x[-3000:], np.repeat(np.float16([6e-8, -6e-5, 0, -0.0]), 32)):
        sums(part, part)
    large = np.float16([65504]) * one
    with np.errstate(over="ignore"):
        got = kernels.overlap_sums(Pixels(large, one, axis=(0,), dtype=np.float32))
    assert got[0] == 65504 * 128  # half precision would be inf


def test_not_a_number_stays_and_a_mask_hides_it(device: Emulated, rng: Any) -> None:
    x, y = awkward(rng, (2, 300))
    x[7], x[8] = np.nan, np.inf
    mask = np.ones(300, bool)
    mask[[7, 8, 9]] = False
    assert np.isnan(kernels.overlap_sums(Pixels(x, y, axis=(0,), dtype=x.dtype))[0])
    assert np.isfinite(sums(x, y, mask)[0])


@pytest.mark.parametrize("order", ["C", "F", "permuted", "stepped", "reversed", "broadcast"])
@pytest.mark.parametrize("axis", [(0, 1, 2, 3), (2, 3), (0, 3)])
def test_arrays_of_any_strides(device: Emulated, rng: Any, order: str, axis: Any) -> None:
    x, y = awkward(rng, (2, 2, 3, 14, 11))
    mask = rng.random((2, 1, 14, 11)) < 0.7
    if order == "F":
        x, y = np.asfortranarray(x), np.asfortranarray(y)
    elif order == "permuted":
        x, y, mask = (a.transpose(0, 1, 3, 2) for a in (x, y, mask))
    elif order == "stepped":
        x, y, mask = x[..., ::2], y[..., ::2], mask[..., ::2]
    elif order == "reversed":
        x, y = x[:, ::-1], y[..., ::-1]
    elif order == "broadcast":
        x = np.broadcast_to(x[:1], x.shape)
    sums(x, y, mask, axis=axis)
    sums(x, y, None, axis=axis)


def test_memory_order_does_not_matter_for_the_width_of_loads(device: Emulated, rng: Any) -> None:
    x, y = (np.asfortranarray(a) for a in awkward(rng, (2, 16, 16, 16)))
    sums(x, y)
    assert dict(device.launches[0][0].macros)["VECTOR"] == "4"


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("label", ["uint8", "int64"])
def test_integer_labels(
    device: Emulated, rng: Any, activation: Any, classes: int, label: str
) -> None:
    pred = awkward(rng, (2, classes, 13, 17))
    if activation is not None:
        pred = (20 * pred - 10).astype(np.float32)
    target = rng.integers(0, max(2, classes), (2, 13, 17)).astype(label)
    target[0, :3] = 7
    mask = rng.random((2, 1, 13, 17)) < 0.8
    options = {"axis": (2, 3), "activation": activation}
    sums(pred, target, mask, **options, ignore_index=7)
    sums(pred, target, None, **options)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_soft_labels_of_logits(device: Emulated, rng: Any, activation: Any) -> None:
    pred = rng.normal(0, 30, (2, 4, 9, 10)).astype(np.float32)
    pred[0, :2, 0], pred[1, 0, 1] = -np.inf, np.inf if activation == "sigmoid" else 80
    sums(pred, awkward(rng, pred.shape), axis=(2, 3), activation=activation)
    wide = pred.astype(float).transpose(0, 1, 3, 2)
    sums(wide, awkward(rng, wide.shape, float), axis=(2, 3), activation=activation)


def test_more_blocks_give_the_same_sums(rng: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = awkward(rng, (2, 3, 50_000))
    found = []
    for processors in (1, 1, 5):
        device = Emulated(processors=processors)
        monkeypatch.setattr(kernels, "device", lambda device=device: device)
        found.append(np.stack(sums(x, y, axis=(1,))))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2], rtol=1e-6)


def test_what_is_left_to_the_core(device: Emulated, rng: Any) -> None:
    x, y = awkward(rng, (2, 2000, 4))
    options: Any = {"axis": (1,), "dtype": x.dtype, "checked": False}
    declined = [
        (x, y, options),  # many short sums
        (x[:0], y[:0], options),
        (x, y, {**options, "axis": (0,), "checked": True}),
        (x.astype(np.longdouble), y, {**options, "axis": (0,)}),
    ]
    for a, b, chosen in declined:
        assert kernels.overlap_sums(Pixels(a, b, **chosen)) is NotImplemented
        assert kernels.threshold_sums(Pixels(a, b, **chosen), LEVELS) is NotImplemented
    deep = np.lib.stride_tricks.as_strided(x, (2,) * 8, (4, 12, 28, 60, 124, 252, 508, 1020))
    chosen = {**options, "axis": tuple(range(8))}
    assert kernels.overlap_sums(Pixels(deep, deep, **chosen)) is NotImplemented
    assert device.launches == []


def test_public_functions_reach_the_kernels(through_the_core: Emulated, rng: Any) -> None:
    x, y = awkward(rng, (2, 2, 3, 20, 20))
    label = rng.integers(0, 3, (2, 20, 20))
    with value_checks("never"):
        overlap(x, y)
        threshold_counts(x, y, axis=(2, 3))
        region_overlap(x, label, mask=label > 0)
    assert [k.entry for k, _ in through_the_core.launches] == [
        "overlap_sums",
        "threshold_sums",
        "overlap_sums",
    ]


def test_the_gpu_of_the_arrays_is_used(device: Emulated, rng: Any) -> None:
    x = awkward(rng, (2, 300))
    sums(x, x, axis=(1,))
    assert device.used is x


def test_the_gpu_is_asked_through_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the emulation replaces: CuPy's own calls, with a stand-in that records them."""
    from dice_semimetric_cupy import _device

    calls: list[Any] = []
    fake = types.SimpleNamespace(
        RawKernel=lambda *a, **o: lambda *b: calls.append((a, o, b)),
        empty=lambda shape, dtype: ("empty", shape, dtype),
        cuda=types.SimpleNamespace(
            Device=lambda: types.SimpleNamespace(attributes={"MultiProcessorCount": 132})
        ),
    )
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    device = _device.Device()
    kernel = _device.Kernel("f", ("common.cuh",), 64, (("PRED", "float"),))
    arguments = np.zeros((), [("a", "i8")])
    device.launch(kernel, 7, arguments)
    (text, entry), options, launched = calls[0]
    assert "#define PRED float\n#define THREADS 64\n" in text
    assert (entry, options) == ("f", {"options": ("-std=c++17",)})
    assert launched == ((7,), (64,), (arguments,))
    assert device.processors == 132
    assert device.empty((2,), "f8") == ("empty", (2,), "f8")
    pointer = types.SimpleNamespace(data=types.SimpleNamespace(ptr=1 << 40))
    assert device.address(pointer) == 1 << 40
    assert device.of(types.SimpleNamespace(device="second GPU")) == "second GPU"
