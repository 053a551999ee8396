"""Triton's kernels: on a GPU where there is one, else in Triton's interpreter.

Run by tests/torch/test_triton.py in a process of its own, since the interpreter has to be chosen
before Triton is imported.
"""

from typing import Any

import pytest
import torch
from dice_semimetric_torch._sums import function, paths, triton
from dice_semimetric_torch._sums.reader import Options
from torch import Tensor

from dice_semimetric import region_loss, value_checks
from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
GENERIC = overlap_sums.__wrapped__


def reference(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Any, options: Options
) -> tuple[Tensor, list[Tensor]]:
    """Return the sums and gradients of the core's generic form in float64, by autograd."""
    leaves = [t.double().requires_grad_() if t.is_floating_point() else t for t in (pred, target)]
    wide = options._replace(dtype=torch.float64)._asdict()
    sums = torch.stack(GENERIC(Pixels(*leaves, mask, **wide)))
    soft = [t for t in leaves if t.is_floating_point()]
    return sums.detach(), list(torch.autograd.grad(sums, soft, gradient.double()))


def check(pred: Tensor, target: Tensor, mask: Any = None, **options: Any) -> None:
    """Compare sums and gradients with the reference."""
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    axis = tuple(range(2, pred.ndim))
    chosen = Options(axis, dtype, options.get("activation"), options.get("ignore_index"), False)
    assert triton.eligible(pred, target, mask, chosen)
    sums = triton.forward(pred, target, mask, chosen)
    gradient = torch.randn(sums.shape, dtype=dtype, device=DEVICE)
    want, grads = reference(gradient, pred, target, mask, chosen)
    limit = {torch.float64: 1e-11, torch.float32: 1e-5}[dtype]
    torch.testing.assert_close(sums.double(), want, rtol=limit, atol=limit)
    needs = (True, target.is_floating_point())
    found = triton.backward(gradient, pred, target, mask, chosen, needs)
    if pred.dtype.itemsize == 2:
        limit = 2 * torch.finfo(pred.dtype).eps
    for got, expected, like in zip(found, grads, (pred, target), strict=False):
        assert got.dtype == like.dtype
        torch.testing.assert_close(got.double(), expected, rtol=limit, atol=limit)


def logits(*shape: int, dtype: torch.dtype = torch.float32, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (scale * torch.randn(shape, generator=generator, dtype=dtype)).to(DEVICE)


def labels(*shape: int, top: int, dtype: torch.dtype = torch.int64) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, top, shape, generator=generator).to(DEVICE, dtype)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64])
def test_masks_of_each_class(classes: int, dtype: torch.dtype) -> None:
    pred = logits(2, classes, 9, 37)
    target = labels(2, classes, 9, 37, top=2, dtype=dtype)
    check(pred, target, activation="sigmoid")
    check(pred, target, logits(2, classes, 9, 37) > -1, activation="softmax")


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [1, 3, 5])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("masked", ["none", "pixels", "classes"])
def test_sums_and_gradients(
    activation: Any, dtype: torch.dtype, classes: int, soft: bool, masked: str
) -> None:
    pred = logits(2, classes, 9, 37, dtype=dtype)
    pred = pred.sigmoid() if activation is None else pred
    target = logits(2, classes, 9, 37, dtype=dtype).sigmoid().flip(0).contiguous()
    ignored = None
    if not soft:
        target, ignored = labels(2, 9, 37, top=max(classes, 2) + 1), max(classes, 2)
    mask = None
    if masked != "none":
        mask = logits(2, 1 if masked == "pixels" else classes, 9, 37) > -1
        mask[0, :, 3] = False
    check(pred, target, mask, activation=activation, ignore_index=ignored)


@pytest.mark.parametrize("pixels", [1, 15, 16, 511, 512, 513, 1025])
def test_around_the_bounds_of_a_tile(pixels: int) -> None:
    check(logits(1, 4, pixels), labels(1, pixels, top=4), activation="softmax")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_and_written_only(dtype: torch.dtype) -> None:
    pred = logits(2, 3, 20, 20).to(dtype)
    check(pred, labels(2, 20, 20, top=3), activation="softmax")
    check(pred, logits(2, 3, 20, 20).sigmoid().to(dtype), activation="sigmoid")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_labels_of_any_integer_dtype(dtype: torch.dtype) -> None:
    target = labels(2, 6, 7, top=3, dtype=dtype)
    target[0, 0] = 255 if dtype == torch.uint8 else -1
    ignored = 255 if dtype == torch.uint8 else -1
    check(logits(2, 3, 6, 7), target, activation="softmax", ignore_index=ignored)


def test_many_classes() -> None:
    check(logits(1, 105, 70), labels(1, 70, top=105), activation="softmax")


def test_saturated_logits() -> None:
    pred = logits(1, 3, 64, scale=1000.0)
    check(pred, labels(1, 64, top=3), activation="softmax")
    check(pred, labels(1, 64, top=3), activation="sigmoid")


def test_ties_have_no_slope() -> None:
    pred = logits(1, 3, 50).sigmoid()
    target = pred.clone()
    target[..., ::2] = 0.5
    check(pred, target)


def test_what_does_not_count_may_hold_anything() -> None:
    pred, target = logits(1, 2, 40), labels(1, 40, top=2)
    pred[..., 7], pred[..., 8] = torch.nan, torch.inf
    mask = torch.ones(1, 1, 40, dtype=torch.bool, device=DEVICE)
    mask[..., 7:9] = False
    chosen = Options((2,), torch.float32, "softmax", None, False)
    gradient = torch.ones(4, 1, 2, device=DEVICE)
    assert triton.forward(pred, target, mask, chosen).isfinite().all()
    grad, _ = triton.backward(gradient, pred, target, mask, chosen, (True, False))
    assert grad.isfinite().all()
    assert (grad[..., 7:9] == 0).all()


def test_what_is_left_to_the_blocks() -> None:
    pred, target = logits(2, 3, 8, 8), labels(2, 8, 8, top=3)
    chosen = Options((2, 3), torch.float32, "softmax", None, False)
    assert triton.eligible(pred, target, None, chosen)
    declined = [
        (pred.to(memory_format=torch.channels_last), target, chosen),
        (pred, target, chosen._replace(axis=(0, 2, 3))),
        (pred, target, chosen._replace(checked=True)),
        (pred[:0], target[:0], chosen),
        (logits(1, 300, 4), labels(1, 4, top=3), chosen._replace(axis=(2,))),
        (pred, target.mT, chosen),
    ]
    for one, other, options in declined:
        assert not triton.eligible(one, other, None, options)
    if DEVICE == "cpu":
        assert paths.sums_module(pred, target, None, chosen) is not triton


def test_a_loss_goes_through_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autograd over the kernels, as on a GPU: the loss and its gradient equal the blocks'."""
    pred, target = logits(2, 3, 11, 13).requires_grad_(), labels(2, 11, 13, top=3)

    def loss() -> tuple[Tensor, Tensor]:
        with value_checks("never"):
            value = region_loss(pred, target, activation="softmax", form="jml1")
        return value, torch.autograd.grad(value, pred)[0]

    plain = loss()
    used = []

    def module(*arguments: Any) -> Any:
        used.append(triton.eligible(*arguments))
        return triton

    monkeypatch.setattr(function, "sums_module", module)
    torch.testing.assert_close(loss(), plain, rtol=1e-5, atol=1e-7)
    assert used == [True, True]


@pytest.mark.parametrize("most", [7, 1, 0])
def test_short_memory_takes_fewer_programs_or_blocks(monkeypatch: Any, most: int) -> None:
    """Each program leaves sums of its own: fewer of them need less, and blocks none at all."""
    empty, refused = torch.empty, []

    def short(*shape: Any, **options: Any) -> Tensor:
        if options.get("dtype") == torch.float64 and len(shape[0]) == 4 and shape[0][1] > most:
            refused.append(shape[0][1])
            raise torch.OutOfMemoryError
        return empty(*shape, **options)

    monkeypatch.setattr(triton, "_PROGRAMS", 64)
    monkeypatch.setattr(torch, "empty", short)
    mask = logits(2, 1, 9_000) > -1
    check(logits(2, 4, 9_000), labels(2, 9_000, top=4), mask, activation="softmax")
    assert len(refused) == {7: 1, 1: 2, 0: 3}[most]


def test_no_room_for_a_mask_takes_blocks(monkeypatch: Any) -> None:
    def refuse(*_: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(triton, "_mask", refuse)
    mask = logits(1, 1, 9, 37) > -1
    target = logits(2, 3, 9, 37).sigmoid().flip(0).contiguous()
    check(logits(2, 3, 9, 37), target, mask, activation="sigmoid")
