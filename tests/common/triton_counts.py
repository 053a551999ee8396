"""Triton's kernels for counts and bins: on a GPU, else in Triton's interpreter.

Run by tests/torch/test_triton.py in a process of its own, as triton_interpreted.py is.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from dice_semimetric_torch._sums import triton, triton_counts
from torch import Tensor

from dice_semimetric._lib.bin_sums import bin_sums
from dice_semimetric._lib.levels import threshold_sums
from dice_semimetric._lib.seam import Pixels

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LEVELS = (0.1, 0.25, 0.3, 0.5, 0.7, 1.0)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return probabilities with thresholds and edges among them, or marks."""
    generator = torch.Generator().manual_seed(sum(shape))
    if not dtype.is_floating_point:
        return torch.randint(0, 2, shape, generator=generator).to(DEVICE, dtype)
    some = torch.rand(shape, generator=generator)
    tenths = torch.randint(0, 11, shape, generator=generator) / 10
    return torch.where(some < 0.3, tenths, some).to(DEVICE, dtype)


def labels(*shape: int, top: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, top, shape, generator=generator).to(DEVICE)


def pixels(pred: Tensor, target: Tensor, mask: Any = None, **options: Any) -> Pixels:
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    options = {"axis": tuple(range(2, pred.ndim)), "dtype": dtype} | options
    return Pixels(pred, target, mask, **options)


def assert_counts(given: Pixels) -> None:
    got = triton_counts.threshold_sums(given, LEVELS)
    want = threshold_sums.__wrapped__(given, LEVELS)
    for one, other in zip(got, want, strict=True):
        assert one.dtype == torch.int64
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def assert_bins(given: Pixels, edges: Tensor, kind: str) -> None:
    got = triton_counts.bin_sums(given, edges, kind)
    exact = replace(given, pred=given.pred.to(given.dtype))
    want = bin_sums.__wrapped__(exact, edges, kind)
    torch.testing.assert_close(got[0], want[0], rtol=0, atol=0)
    for one, other in zip(got[1:], want[1:], strict=True):
        torch.testing.assert_close(one, other.double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [(2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3), (3,)])
@pytest.mark.parametrize("masked", ["none", "pixels", "classes", "images", "last"])
def test_counts_over_axes(axis: Any, masked: str) -> None:
    pred, target = draw(2, 3, 4, 37), draw(2, 3, 4, 37).flip(0)
    shape = {"pixels": (2, 1, 4, 37), "classes": (2, 3, 4, 37), "images": (3, 4, 37), "last": (37,)}
    mask = None if masked == "none" else draw(*shape[masked], dtype=torch.bool)
    assert_counts(pixels(pred, target, mask, axis=axis))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axis", [(2,), (0, 1, 2)])
def test_counts_of_any_precision(dtype: torch.dtype, axis: Any) -> None:
    pred, target = draw(2, 3, 300, dtype=dtype), draw(2, 3, 300).flip(0)
    assert_counts(pixels(pred, target, axis=axis))
    assert_counts(pixels(target, pred, axis=axis))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float64])
@pytest.mark.parametrize("shape", [(5,), (1,), (3, 2049), (2, 3, 512), (1, 2, 513)])
def test_counts_of_marks_and_sizes(dtype: torch.dtype, shape: Any) -> None:
    given = pixels(draw(*shape), draw(*shape, dtype=dtype), axis=tuple(range(len(shape))))
    assert_counts(given)
    assert_counts(replace(given, pred=given.pred.flip(0), target=given.target))


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("axis", [(2, 3), (0, 2, 3)])
def test_counts_of_labels(classes: int, axis: Any) -> None:
    pred = draw(2, classes, 9, 20)
    target = labels(2, 9, 20, top=max(classes, 2) + 1)
    assert_counts(pixels(pred, target, axis=axis, ignore_index=max(classes, 2)))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_counts_from_logits(activation: Any) -> None:
    pred = 3 * torch.randn((2, 3, 9, 20), generator=torch.Generator().manual_seed(3)).to(DEVICE)
    given = pixels(pred, labels(2, 9, 20, top=3), activation=activation)
    got = triton_counts.threshold_sums(given, (0.2, 0.5))
    for one, other in zip(got, threshold_sums.__wrapped__(given, (0.2, 0.5)), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x[:, :, 1:, ::2],
        lambda x: x.transpose(0, 3),
        lambda x: x[:1, :1].expand_as(x),
    ],
)
def test_any_strides(layout: Any) -> None:
    pred, target = layout(draw(2, 3, 8, 10)), layout(draw(2, 3, 8, 10).flip(0))
    assert_counts(pixels(pred, target))
    assert_counts(pixels(pred, target, axis=(0, 1, 2, 3)))
    assert_bins(pixels(pred, target, axis=(0, 2, 3)), draw(5).sort()[0], "classwise")


@pytest.mark.parametrize("kind", ["top_label", "classwise"])
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("n_bins", [1, 4, 15])
def test_bins(kind: str, classes: int, soft: bool, masked: bool, n_bins: int) -> None:
    pred = draw(2, classes, 9, 20)
    target = draw(2, classes, 9, 20).flip(0) if soft else labels(2, 9, 20, top=classes + 1)
    mask = draw(2, 1, 9, 20, dtype=torch.bool) if masked else None
    ignored = None if soft else classes
    edges = torch.linspace(0, 1, n_bins + 1, device=DEVICE)
    if kind == "classwise" and masked:  # of each class
        edges = edges.expand(classes, -1) ** torch.arange(1, classes + 1, device=DEVICE)[:, None]
    assert_bins(pixels(pred, target, mask, axis=(0, 2, 3), ignore_index=ignored), edges, kind)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
@pytest.mark.parametrize("shape", [(1,), (3, 700), (2, 1, 8, 9)])
def test_binary_bins(dtype: torch.dtype, shape: Any) -> None:
    pred, target = draw(*shape), draw(*shape, dtype=dtype)
    mask = draw(*shape[-1:], dtype=torch.bool)
    axis = tuple(range(len(shape)))
    edges = torch.linspace(0, 1, 11, device=DEVICE)
    assert_bins(pixels(pred, target, mask, axis=axis), edges, "binary")
    assert_bins(pixels(pred.double(), target, axis=axis), edges.double(), "binary")
    if dtype == torch.int64:
        assert_bins(pixels(pred, target, mask, axis=axis, ignore_index=0), edges, "binary")
        assert_bins(pixels(pred, target, axis=axis, ignore_index=-1), edges, "binary")


def test_what_does_not_count_may_hold_anything() -> None:
    pred, target = draw(1, 2, 40), labels(1, 40, top=2)
    pred[..., 7], pred[..., 8] = torch.nan, torch.inf
    mask = torch.ones(1, 1, 40, dtype=torch.bool, device=DEVICE)
    mask[..., 7:9] = False
    edges = torch.linspace(0, 1, 5, device=DEVICE)
    assert_counts(pixels(pred, target, mask))
    for kind in ("top_label", "classwise"):
        assert_bins(pixels(pred, target, mask, axis=(0, 2)), edges, kind)


def test_what_is_left_to_pytorch() -> None:
    pred, target = draw(2, 3, 8, 8), draw(2, 3, 8, 8)
    edges = torch.linspace(0, 1, 5, device=DEVICE)
    for given in (
        pixels(pred, target, axis=(0,)),
        pixels(draw(40, 30), draw(40, 30), axis=()),
        pixels(pred, target, checked=True),
        pixels(pred[:0], target[:0]),
        pixels(draw(2, 3), labels(2, top=3), axis=(0,)),
        pixels(pred, labels(2, 8, 8, top=3), axis=(3,)),
    ):
        assert triton_counts.threshold_sums(given, LEVELS) is NotImplemented
        assert triton_counts.bin_sums(given, edges, "classwise") is NotImplemented
    one = pixels(draw(2, 1, 40), labels(2, 40, top=2), axis=(0, 2))
    assert triton_counts.bin_sums(one, edges, "top_label") is NotImplemented
    many = tuple(k / 5000 for k in range(1, 5000))
    assert triton_counts.threshold_sums(pixels(pred, target), many) is NotImplemented


@pytest.mark.parametrize("processors", [1, 3])
def test_any_number_of_programs(processors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton, "_PROGRAMS", 2)
    monkeypatch.setattr(triton, "_processors", lambda device: processors)
    given = pixels(draw(1, 4, 5000), draw(1, 4, 5000).flip(2))
    assert_counts(given)
    assert_bins(replace(given, axis=(0, 2)), torch.linspace(0, 1, 9, device=DEVICE), "classwise")
