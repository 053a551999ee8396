"""A whole loss by Triton's kernels: on a GPU, else in Triton's interpreter.

Run by tests/torch/test_triton.py in a process of its own, as triton_interpreted.py is. The
reference takes one step each, in float64.
"""

from collections.abc import Iterator
from typing import Any

import dice_semimetric_torch
import pytest
import torch
from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss, _region
from dice_semimetric_torch._sums import triton, whole, whole_gpu
from torch import Tensor

from dice_semimetric import value_checks

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
OPTIONS: list[dict[str, Any]] = [
    {"softmax": True},
    {"sigmoid": True, "batch": True},
    {"softmax": True, "include_background": False, "weight": [0.5, 2.0]},
    {"sigmoid": True, "weight": [0.5, 2.0, 0.0], "reduction": "sum", "gamma": 1.5},
    {"softmax": True, "weight": 3.0, "classes": (2, 0), "per": "class"},
    {"softmax": True, "classes": "present", "log": True, "batch": True},
    {"softmax": True, "smooth_nr": 0.0, "smooth_dr": 0.0, "variant": "dml2"},
]


@pytest.fixture(autouse=True)
def taken(monkeypatch: Any) -> Iterator[list[bool]]:
    """Take the way of a GPU, and note for each loss whether its kernels took it."""
    torch.manual_seed(31)
    found: list[bool] = []

    def losses(*arguments: Any) -> Any:
        values = whole_gpu.losses(*arguments)
        found.append(values is not None)
        return values

    class Module:
        pass

    module: Any = Module()
    module.losses = losses
    monkeypatch.setattr(_region, "whole_module", lambda device: module)
    with value_checks("never"):
        yield found


def draw(kind: str, shape: tuple[int, ...] = (2, 3, 9, 8)) -> tuple[Tensor, Tensor]:
    logits = (3 * torch.randn(shape)).to(DEVICE).requires_grad_()
    targets = {
        "labels": torch.randint(0, max(2, shape[1]), (shape[0], *shape[2:])),
        "masks": torch.rand(shape) < 0.4,
        "soft": torch.rand(shape).mul(4).round() / 4,
    }
    return logits, targets[kind].to(DEVICE)


def value_and_slope(loss: Any, logits: Tensor, target: Tensor, mask: Any) -> tuple[Tensor, Tensor]:
    value = loss(logits, target, mask)
    upstream = torch.linspace(0.5, 2, value.numel(), device=DEVICE).view(value.shape)
    (slope,) = torch.autograd.grad(value, logits, upstream.to(value.dtype))
    return value.detach(), slope


def compare(loss: Any, logits: Tensor, target: Tensor, mask: Any = None) -> None:
    loss = loss.to(DEVICE)
    value, slope = value_and_slope(loss, logits, target, mask)
    assert slope.dtype == logits.dtype
    wide = logits.detach().double().requires_grad_()
    soft = target.double() if target.is_floating_point() else target
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_region, "whole_module", lambda device: None)
        exact, exact_slope = value_and_slope(loss, wide, soft, mask)
    torch.testing.assert_close(value.double(), exact.double(), rtol=2e-5, atol=2e-6)
    limit = 4 * torch.finfo(logits.dtype).eps * float(exact_slope.abs().max()) + 1e-6
    torch.testing.assert_close(slope.double(), exact_slope, rtol=1e-4, atol=limit)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["labels", "soft", "masks"])
@pytest.mark.parametrize("mask", [None, "pixel", "class"])
@pytest.mark.parametrize("cls", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_every_option(options: Any, kind: str, mask: Any, cls: Any, taken: list[bool]) -> None:
    if cls is DiceSemimetricCELoss and not options.get("include_background", True):
        options = options | {"weight": [1.5, 0.5, 2.0]}
    logits, target = draw(kind)
    shapes = {"pixel": (2, 9, 8), "class": (2, 3, 9, 8)}
    kept = None if mask is None else torch.rand(shapes[mask]).to(DEVICE) < 0.7
    compare(cls(**options), logits, target, kept)
    assert taken == [True]


@pytest.mark.parametrize("reduction", [{}, {"batch": True, "include_background": False}])
def test_without_a_reduction(reduction: Any, taken: list[bool]) -> None:
    compare(DiceSemimetricLoss(softmax=True, reduction="none", **reduction), *draw("soft"))
    assert taken == [True]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("JaccardMetricLoss", {"variant": "jml1"}),
        ("JaccardMetricLoss", {"variant": "jml2"}),
        ("SoftDiceLoss", {}),
        ("SoftJaccardLoss", {}),
        ("CompatibleTverskyLoss", {"alpha": 0.3, "beta": 0.7}),
        ("CompatibleFocalTverskyLoss", {"alpha": 0.3, "beta": 0.7, "focal_exponent": "code"}),
    ],
)
@pytest.mark.parametrize("shape", [(2, 2, 9, 8), (1, 5, 30), (2, 1, 4, 5, 6)])
def test_other_losses_and_shapes(name: str, more: Any, shape: Any, taken: list[bool]) -> None:
    loss = getattr(dice_semimetric_torch, name)(sigmoid=True, **more)
    compare(loss, *draw("soft", shape))
    assert taken == [True]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["labels", "soft"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_other_dtypes(dtype: torch.dtype, kind: str, activation: str, taken: list[bool]) -> None:
    logits, target = draw(kind)
    logits = logits.detach().to(dtype).requires_grad_()
    compare(DiceSemimetricCELoss(**{activation: True}), logits, target)
    compare(DiceSemimetricLoss(**{activation: True}), logits, target)
    assert taken == [True, True]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_an_ignored_label_over_nan(activation: str, taken: list[bool]) -> None:
    logits, target = draw("labels")
    target[0, 2:5] = 255
    hidden = logits.detach().clone()
    hidden[0, :, 2:5] = torch.nan
    loss = DiceSemimetricCELoss(**{activation: True}, ignore_index=255, weight=[0.5, 1.0, 2.0])
    compare(loss, logits, target)
    value, slope = value_and_slope(loss.to(DEVICE), hidden.requires_grad_(), target, None)
    again, want = value_and_slope(loss, logits, target, None)
    assert value == again
    assert torch.equal(slope, want)
    assert all(taken)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("kind", ["labels", "soft"])
def test_logits_far_out_keep_their_digits(activation: str, kind: str, taken: list[bool]) -> None:
    logits, target = draw(kind)
    logits = (40 * logits.detach()).requires_grad_()
    compare(DiceSemimetricCELoss(**{activation: True}), logits, target)
    assert taken == [True]


def test_nothing_counts(taken: list[bool]) -> None:
    logits, target = draw("labels")
    nowhere = torch.zeros((2, 9, 8), dtype=torch.bool, device=DEVICE)
    value, slope = value_and_slope(DiceSemimetricCELoss(softmax=True), logits, target, nowhere)
    assert value == 0
    assert not slope.any()
    assert taken == [True]


def test_both_terms_apart_and_labels_with_an_axis(taken: list[bool]) -> None:
    logits, target = draw("labels")
    loss = DiceSemimetricCELoss(softmax=True, to_onehot_y=True)
    whole_loss = loss(logits, target[:, None])
    dice, entropy = loss.terms(logits, target[:, None])
    torch.testing.assert_close(0.75 * dice + 0.25 * entropy, whole_loss)
    exact = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(entropy, exact)
    both = torch.autograd.grad(0.75 * dice + 0.25 * entropy, logits)
    torch.testing.assert_close(both, torch.autograd.grad(whole_loss, logits))
    assert taken == [True, True]


@pytest.mark.parametrize("cls", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_the_gradient_has_a_gradient(cls: Any, monkeypatch: Any) -> None:
    logits, target = draw("soft")
    loss = cls(softmax=True)

    def second() -> Tensor:
        (slope,) = torch.autograd.grad(loss(logits, target), logits, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), logits)[0]

    found = second()
    monkeypatch.setattr(_region, "whole_module", lambda device: None)
    torch.testing.assert_close(found, second(), rtol=1e-4, atol=1e-7)


def test_what_takes_a_step_each(taken: list[bool]) -> None:
    loss = DiceSemimetricCELoss(softmax=True)
    logits, target = draw("soft")
    values = [
        loss(logits, target),
        loss(logits.mT.contiguous().mT, target),
        loss(logits, target.clone().requires_grad_()),
    ]
    with value_checks("always"):
        values.append(loss(logits, target))
    assert taken == [True, False, False, False]
    for value in values:
        torch.testing.assert_close(value, values[0], rtol=1e-5, atol=1e-6)
    mapped = torch.func.vmap(lambda z: loss(z[None], target[:1]))(logits)
    assert len(taken) == 4  # not even asked
    torch.testing.assert_close(mapped[0], loss(logits[:1], target[:1]), rtol=1e-5, atol=1e-6)


def test_short_memory_takes_fewer_programs(monkeypatch: Any) -> None:
    sums, tried = triton.tile_sums, []

    def short(*arguments: Any, **switches: Any) -> Tensor:
        tried.append(arguments[6])
        if arguments[6] > 1:
            raise torch.OutOfMemoryError
        return sums(*arguments, **switches)

    monkeypatch.setattr(triton, "_PROGRAMS", 64)
    monkeypatch.setattr(triton, "_TILE", 16)
    monkeypatch.setattr(triton, "tile_sums", short)
    compare(DiceSemimetricCELoss(softmax=True), *draw("labels"))
    assert tried[0] > tried[-1] == 1


def test_a_loss_without_a_gradient(taken: list[bool]) -> None:
    logits, target = draw("labels")
    loss = DiceSemimetricCELoss(softmax=True)
    with torch.no_grad():
        value = loss(logits, target)
    assert value.grad_fn is None
    recorded = loss(logits, target)
    assert type(recorded.grad_fn).__name__ == f"{whole._Whole.__name__}Backward"
    assert value == recorded
    assert taken == [True, True]
