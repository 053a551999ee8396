"""The tensors' own reduction: the generic one's values and gradients, and PyTorch's transforms."""

import gc
import os

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from dice_semimetric_torch import AccumulatedLoss, DiceSemimetricCELoss, DiceSemimetricLoss
from dice_semimetric_torch._sums import blocks

from dice_semimetric import dml1, one_hot, overlap, region_loss, region_overlap
from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums

generic = overlap_sums.__wrapped__


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(5)


@pytest.fixture(params=[24, 1 << 18], ids=["many blocks", "one block"])
def block(request, monkeypatch):
    monkeypatch.setattr(blocks, "HOST_BLOCK", request.param)


def inputs(hard: bool, activation, classes: int = 4, dtype=torch.float64):
    pred = torch.randn(3, classes, 5, 7, dtype=dtype) * 4
    pred = torch.rand_like(pred) if activation is None else pred
    if hard:
        return pred.requires_grad_(), torch.randint(0, max(classes, 2), (3, 5, 7))
    return pred.requires_grad_(), torch.rand(3, classes, 5, 7, dtype=dtype, requires_grad=True)


def sums_and_gradients(function, pred, target, mask, upstream, **options):
    free = [t for t in (pred, target) if t.requires_grad]
    sums = torch.stack(function(Pixels(pred, target, mask, **options)))
    return sums.detach(), *torch.autograd.grad(sums, free, upstream)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("mask", [None, "pixel", "class", "row"])
@pytest.mark.parametrize("classes", [1, 2, 4, 11])
def test_value_and_gradient_are_the_generic_ones(activation, hard, mask, classes) -> None:
    pred, target = inputs(hard, activation, classes)
    shape = {"pixel": (3, 1, 5, 7), "class": (3, classes, 5, 7), "row": (1, 1, 5, 1)}
    mask = None if mask is None else torch.rand(shape[mask]) < 0.5
    options = {
        "axis": (2, 3),
        "dtype": torch.float64,
        "checked": True,
        "activation": activation,
        "ignore_index": 0 if hard else None,
    }
    for upstream in (torch.randn(4, 3, classes).double(), torch.ones(4, 3, classes).double()):
        upstream[3] *= float(upstream[0, 0, 0] != 1)  # as DML1: no gradient at the product
        found = sums_and_gradients(overlap_sums, pred, target, mask, upstream, **options)
        wanted = sums_and_gradients(generic, pred, target, mask, upstream, **options)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("axis", [(), (0,), (1,), (0, 2), (0, 1, 2, 3)])
def test_any_axes_may_be_summed(axis) -> None:
    pred, target = inputs(False, None)
    mask = torch.rand(5, 1) < 0.5
    options = {"axis": axis, "dtype": torch.float64, "checked": True}
    kept = [n for a, n in enumerate(pred.shape) if a not in axis]
    upstream = torch.randn(4, *kept, dtype=torch.float64)
    found = sums_and_gradients(overlap_sums, pred, target, mask, upstream, **options)
    wanted = sums_and_gradients(generic, pred, target, mask, upstream, **options)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


LAYOUTS = {
    "channels last": lambda t: t.to(memory_format=torch.channels_last),
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "classes inside": lambda t: t.permute(2, 1, 3, 0).contiguous().permute(3, 1, 0, 2),
    "every other": lambda t: t.repeat_interleave(2, 3)[..., ::2],
    "expanded": lambda t: t[:1].expand(3, -1, -1, -1),
}


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("hard", [True, False])
def test_memory_layout_has_no_influence(layout, hard) -> None:
    pred, target = inputs(hard, "softmax")
    pred = LAYOUTS[layout](pred.detach())
    target = target.detach()
    results = []
    for z in (pred, pred.contiguous()):
        z = z.detach().requires_grad_()  # noqa: PLW2901
        value = region_loss(z, target, activation="softmax", form="dml2")
        results.append((value, *torch.autograd.grad(value, z)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, check_stride=False)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("form", ["dml1", "dml2", "sdl", "jml1"])
def test_gradcheck(activation, hard, form) -> None:
    pred, target = inputs(hard, activation, 2)
    pred, target = (
        t.detach()[:1, ..., :2, :2].requires_grad_(t.requires_grad) for t in (pred, target)
    )

    def loss(*free):
        return region_loss(*free, *([target] if hard else []), activation=activation, form=form)

    free = (pred,) if hard else (pred, target)
    assert torch.autograd.gradcheck(loss, free)
    assert torch.autograd.gradgradcheck(loss, free)


def test_gradient_is_zero_at_equality_and_for_empty_against_empty() -> None:
    x = torch.rand(2, 3, 20, dtype=torch.float64)
    x[:, 1] = 0
    pred, target = x.clone().requires_grad_(), x.clone().requires_grad_()
    for form in ("dml1", "dml2", "jml1", "jml2"):
        value = region_loss(pred, target, form=form)
        assert value.item() == 0
        for gradient in torch.autograd.grad(value, (pred, target)):
            assert bool((gradient == 0).all())


def test_saturated_logits_reach_exactly_zero() -> None:
    label = torch.randint(0, 3, (2, 50))
    for size in (60.0, 200.0, 1e30):
        one_hot = torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()
        logits = (size * (2 * one_hot - 1)).requires_grad_()
        value = region_loss(logits, label, activation="softmax")
        assert value.item() == 0
        (gradient,) = torch.autograd.grad(value, logits)
        assert bool((gradient == 0).all())


@pytest.mark.parametrize("shift", [-300.0, -60.0, 0.0, 60.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_softmax_neither_overflows_nor_vanishes(shift, dtype) -> None:
    pred, target = inputs(True, "softmax", dtype=torch.float32)
    logits = (pred.detach() + shift).to(dtype).requires_grad_()
    value = region_loss(logits, target, activation="softmax")
    expected = region_loss(logits.detach().double().numpy(), target.numpy(), activation="softmax")
    assert value.item() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype) -> None:
    pred = torch.ones(1, 1, 70000, dtype=dtype, requires_grad=True)
    o = region_overlap(pred, torch.ones(1, 70000, dtype=torch.int64))
    assert o.pred.dtype == torch.float64
    assert o.pred.item() == 70000
    (gradient,) = torch.autograd.grad(o.pred.sum(), pred)
    assert gradient.dtype == dtype


def test_autocast_leaves_the_sums_in_float32() -> None:
    images, label = torch.randn(2, 3, 64), torch.randint(0, 4, (2, 64))
    network = torch.nn.Conv1d(3, 4, 1)
    criterion = DiceSemimetricCELoss(softmax=True)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
        assert logits.dtype == torch.bfloat16
        inside = criterion(logits, label)
    outside = criterion(logits.float(), label)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, outside)
    inside.backward()
    assert network.weight.grad.dtype == torch.float32


def test_float32_sums_keep_six_digits() -> None:
    x = torch.rand(1, 1, 3_000_000)
    o = overlap(x, 1 - x)
    assert o.pred.item() == pytest.approx(x.double().sum().item(), rel=2e-7)


def test_functional_transforms() -> None:
    pred, target = inputs(True, "softmax", dtype=torch.float64)

    def loss(z, y):
        return region_loss(z, y, activation="softmax", form="dml2")

    (expected,) = torch.autograd.grad(loss(pred, target), pred)
    torch.testing.assert_close(torch.func.grad(loss)(pred.detach(), target), expected)
    z, y = torch.randn(6, 3, 4, 5).double(), torch.randint(0, 4, (6, 3, 5))
    single = [torch.func.grad(loss)(a, b) for a, b in zip(z, y, strict=True)]
    mapped = torch.func.vmap(torch.func.grad(loss))(z, y)
    torch.testing.assert_close(mapped, torch.stack(single))
    inside = torch.func.vmap(torch.func.grad(loss), in_dims=(2, None))(z.movedim(0, 2), y[0])
    single = [torch.func.grad(loss)(a, y[0]) for a in z]
    torch.testing.assert_close(inside, torch.stack(single))


def test_vmap_over_any_axes_and_masks() -> None:
    x, y = torch.rand(2, 4, 3, 5, dtype=torch.float64)
    mask = torch.rand(3, 5) < 0.5
    mapped = torch.func.vmap(lambda a, b: dml1(a, b, axis=0, mask=mask))(x, y)
    single = [dml1(a, b, axis=0, mask=mask) for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(mapped, torch.stack(single))


@pytest.mark.parametrize("hard", [True, False])
def test_a_compiled_loss_is_one_graph(hard) -> None:
    pred, target = inputs(hard, "softmax", dtype=torch.float32)
    target = target.detach()
    criterion = DiceSemimetricCELoss(softmax=True, batch=True)
    torch._dynamo.reset()
    compiled = torch.compile(criterion, fullgraph=True, backend="aot_eager")
    results = []
    for function in (criterion, compiled):
        value = function(pred, target)
        results.append((value, *torch.autograd.grad(value, pred)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_a_compiled_loss_of_dynamic_shapes_is_one_graph() -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    criterion = DiceSemimetricCELoss(softmax=True, to_onehot_y=True)
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(criterion, fullgraph=True, dynamic=True, backend=counter)
    for batch, length in ((2, 7), (3, 5), (5, 11), (4, 3)):
        logits = torch.randn(batch, 4, length, 6, requires_grad=True)
        label = torch.randint(0, 4, (batch, 1, length, 6))
        results = [torch.autograd.grad(f(logits, label), logits)[0] for f in (criterion, compiled)]
        torch.testing.assert_close(*results)
    assert counter.frame_count <= 2


def test_the_operators_are_registered_soundly() -> None:
    pred, target = inputs(True, "softmax", dtype=torch.float32)
    arguments = (pred.detach(), target, None, [2, 3], torch.float32, "softmax", 1, False)
    torch.library.opcheck(torch.ops.dice_semimetric.overlap_sums, arguments)
    gradient = torch.randn(4, 3, 4)
    arguments = (gradient, *arguments, True, False)
    torch.library.opcheck(torch.ops.dice_semimetric.overlap_sums_gradients, arguments)


def test_forward_keeps_only_its_inputs() -> None:
    logits, label = torch.randn(2, 4, 64, 64).requires_grad_(), torch.randint(0, 4, (2, 64, 64))
    gc.collect()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        DiceSemimetricLoss(softmax=True)(logits, label)
    large = [t for t in saved if t.numel() > 1000]
    assert {t.data_ptr() for t in large} == {logits.data_ptr(), label.data_ptr()}


@pytest.mark.parametrize("value", [255, -1])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_an_ignored_label_need_not_fit_the_dtype(value, dtype) -> None:
    if (value, dtype) == (-1, torch.uint8):
        label = torch.randint(0, 3, (2, 30)).to(dtype)  # holds no -1, and 255 is none
        expected = region_overlap(torch.zeros(2, 3, 30), label)
    else:
        label = torch.randint(0, 3, (2, 30)).to(dtype)
        label[:, :4] = value
        expected = region_overlap(torch.zeros(2, 3, 26), label[:, 4:])
    found = region_overlap(torch.zeros(2, 3, 30), label, ignore_index=value)
    np.testing.assert_array_equal(found.pred, expected.pred)


def many_blocks(results) -> None:
    torch.manual_seed(1)
    torch.set_num_threads(2)
    logits, label = torch.randn(4, 3, 500, requires_grad=True), torch.randint(0, 3, (4, 500))
    value = region_loss(logits, label, activation="softmax")
    value.backward()
    results.put((value.item(), logits.grad[0, 0, :9].tolist()))  # little, for a pipe


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_threads_survive_a_fork(monkeypatch) -> None:
    monkeypatch.setattr(blocks, "HOST_BLOCK", 64)
    threads = torch.get_num_threads()
    results = torch.multiprocessing.get_context("fork").SimpleQueue()
    many_blocks(results)
    process = torch.multiprocessing.get_context("fork").Process(
        target=many_blocks, args=(results,), daemon=True
    )
    process.start()
    process.join(60)
    torch.set_num_threads(threads)
    assert process.exitcode == 0
    assert results.get() == results.get()


def test_threads_leave_the_callers_settings() -> None:
    threads = torch.get_num_threads()
    x = torch.rand(3_000_000, requires_grad=True)
    dml1(x, x.detach().flip(0)).backward()
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="pred must lie in"):  # also from another thread
        dml1(x.detach() + 1, x.detach())


def test_accumulated_micro_batches_are_exact() -> None:
    logits = torch.randn(6, 3, 40, dtype=torch.float64, requires_grad=True)
    label = torch.randint(0, 3, (6, 40))
    criterion = DiceSemimetricLoss(softmax=True, batch=True, classes="present")
    value = criterion(logits, label)
    (expected,) = torch.autograd.grad(value, logits)
    total = AccumulatedLoss(criterion)
    parts = [slice(0, 1), slice(1, 4), slice(4, 6)]
    for part in parts:
        total.add(logits[part], label[part])
    for part in parts:
        total.backward(logits[part], label[part])
    torch.testing.assert_close(total.value, value.detach(), rtol=0, atol=1e-15)
    torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=1e-15)


def test_a_refused_micro_batch_changes_nothing() -> None:
    logits, label = torch.randn(2, 3, 8), torch.randint(0, 3, (2, 8))
    criterion = DiceSemimetricLoss(softmax=True, batch=True)
    total = AccumulatedLoss(criterion)
    total.add(logits, label)
    with pytest.raises(ValueError, match="target must hold labels"):
        total.add(logits.double(), label + 3)
    assert total.value.dtype == torch.float32
    assert total.value == criterion(logits, label)
    with pytest.raises(ValueError, match="as the first micro-batch did"):
        total.add([logits], label)
    assert total.value == criterion(logits, label)


def test_accumulation_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="batch=True"):
        AccumulatedLoss(DiceSemimetricLoss(softmax=True))
    with pytest.raises(ValueError, match="at least one micro-batch"):
        _ = AccumulatedLoss(DiceSemimetricLoss(softmax=True, batch=True)).value


def test_the_core_s_sigmoid_has_its_derivative_at_0_too() -> None:
    z = torch.tensor([[[-1e-9, 0.0, -0.0, 1e-9]]], dtype=torch.float64, requires_grad=True)
    options = {"axis": (2,), "dtype": z.dtype, "checked": True, "activation": "sigmoid"}
    sums = generic(Pixels(z, torch.zeros_like(z), **options))
    (slope,) = torch.autograd.grad(sums[0].sum(), z)
    torch.testing.assert_close(slope, torch.full_like(z, 0.25))


def test_operators_that_are_taken_out_of_their_function_keep_their_gradient() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(3, 1))
            self.loss = DiceSemimetricLoss(sigmoid=True)

        def forward(self, logits, target):
            return self.loss(logits * self.factor, target)

    model, inputs = Model(), (torch.randn(2, 3, 20), torch.rand(2, 3, 20))
    (expected,) = torch.autograd.grad(model(*inputs), list(model.parameters()))
    exported = torch.export.export(model, inputs, strict=False).module()
    (found,) = torch.autograd.grad(exported(*inputs), list(exported.parameters()))
    torch.testing.assert_close(found, expected)
    loss, parameters = exported(*inputs), list(exported.parameters())
    (slope,) = torch.autograd.grad(loss, parameters, create_graph=True)
    with pytest.raises(RuntimeError, match="call the loss outside"):
        slope.sum().backward()


def test_other_libraries_leave_a_compiled_function_compiled() -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    counted = CompileCounterWithBackend("aot_eager")
    loss = torch.compile(lambda a, b: dml1(a, b, axis=2).mean(), backend=counted)
    pair = torch.rand(2, 3, 20), torch.rand(2, 3, 20)
    loss(*pair)
    dml1(np.zeros((2, 3)), np.zeros((2, 3)))
    one_hot(torch.nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False), 3)
    loss(*pair)
    assert counted.frame_count == 1
