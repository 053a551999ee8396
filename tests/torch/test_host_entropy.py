"""The host's compiled cross-entropy against PyTorch's own in float64, and when it steps back."""

import itertools

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

import torch.nn.functional as F
from dice_semimetric_torch import DiceSemimetricCELoss
from dice_semimetric_torch._sums import host, host_entropy
from dice_semimetric_torch._sums.entropy import entropy_of, entropy_sums


def cross_entropy(*arguments, reduction="mean", **options):
    return entropy_of(entropy_sums(*arguments, **options), reduction=reduction)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(23)


@pytest.fixture
def slow(monkeypatch):
    """Return a way to take the same by PyTorch's operations in float64."""

    def call(logits, target, **options):
        wide = logits.detach().double().requires_grad_()
        target = target.double() if target.is_floating_point() else target
        if options.get("weight") is not None:
            options["weight"] = options["weight"].double()
        value = cross_entropy(wide, target, sigmoid=False, **options)
        return value.detach(), torch.autograd.grad(value, wide)[0]

    return call


CASES = list(
    itertools.product([True, False], [2, 3, 19], [False, True], [False, True], ["mean", "sum"])
)


@pytest.mark.parametrize(("hard", "classes", "masked", "weighted", "reduction"), CASES)
def test_value_and_gradient_are_pytorch_s(slow, hard, classes, masked, weighted, reduction) -> None:
    logits = (5 * torch.randn(3, classes, 40, 51)).requires_grad_()
    target = (
        torch.randint(0, classes, (3, 40, 51))
        if hard
        else torch.softmax(torch.randn(3, classes, 40, 51), 1)
    )
    options = {
        "mask": torch.rand(3, 40, 51) < 0.7 if masked else None,
        "weight": torch.rand(classes) if weighted else None,
        "ignore_index": 1 if hard and masked else None,
        "reduction": reduction,
    }
    assert host_entropy.takes(logits, target, None)
    value = cross_entropy(logits, target, sigmoid=False, **options)
    (slope,) = torch.autograd.grad(value, logits)
    exact, exact_slope = slow(logits, target, **options)
    torch.testing.assert_close(value.detach().double(), exact, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slope.double(), exact_slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("default", [torch.float16, torch.bfloat16])
def test_a_half_default_dtype_changes_nothing(default) -> None:
    logits, label = torch.arange(12.0).reshape(1, 3, 4), torch.tensor([[0, 1, 2, 0]])
    options = {"softmax": True, "weight": [0.1, 0.3, 0.6]}
    expected = DiceSemimetricCELoss(**options)(logits, label)
    torch.set_default_dtype(default)
    try:
        assert DiceSemimetricCELoss(**options)(logits, label) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_it_is_the_one_of_torch_nn() -> None:
    logits, label = torch.randn(2, 4, 30, 30), torch.randint(0, 4, (2, 30, 30))
    label[:, :5] = 255
    found = cross_entropy(logits, label, sigmoid=False, ignore_index=255)
    torch.testing.assert_close(found, F.cross_entropy(logits, label, ignore_index=255))
    weight = torch.rand(4)
    found = cross_entropy(logits, label, sigmoid=False, ignore_index=255, weight=weight)
    wanted = F.cross_entropy(logits, label, weight=weight, ignore_index=255)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_class_that_is_ruled_out_costs_nothing(soft, fast, monkeypatch) -> None:
    if not fast:
        monkeypatch.setattr(host, "kernels", lambda: None)
    logits = torch.randn(2, 3, 8, 8)
    logits[:, 2] = float("-inf")
    logits.requires_grad_()
    label = torch.randint(0, 2, (2, 8, 8))
    target = F.one_hot(label, 3).movedim(-1, 1).float().contiguous() if soft else label
    value = cross_entropy(logits, target, sigmoid=False)
    torch.testing.assert_close(value, F.cross_entropy(logits[:, :2], label))
    (slope,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(slope).all()
    assert (slope[:, 2] == 0).all()


def test_nothing_that_counts_is_0_and_what_does_not_count_may_be_nan() -> None:
    logits, target = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    none = torch.zeros(2, 4, 4, dtype=torch.bool)
    assert cross_entropy(logits, target, sigmoid=False, mask=none) == 0
    mask = ~none
    mask[:, 0] = False
    value = cross_entropy(logits, target, sigmoid=False, mask=mask)
    logits[:, :, 0] = float("nan")
    logits.requires_grad_()
    again = cross_entropy(logits, target, sigmoid=False, mask=mask)
    assert again == value
    (slope,) = torch.autograd.grad(again, logits)
    assert (slope[:, :, 0] == 0).all()
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("hard", [True, False])
def test_gradients_of_gradients(hard) -> None:
    logits = torch.randn(1, 3, 3, 2, requires_grad=True)
    target = torch.randint(0, 3, (1, 3, 2)) if hard else torch.softmax(torch.randn(1, 3, 3, 2), 1)
    found = torch.autograd.functional.hessian(
        lambda z: cross_entropy(z, target, sigmoid=False), logits
    )
    wanted = torch.autograd.functional.hessian(lambda z: F.cross_entropy(z, target), logits)
    torch.testing.assert_close(found, wanted)


def test_transforms_take_pytorch_s_operations_and_other_dtypes_the_kernels() -> None:
    logits, label = torch.randn(4, 3, 6, 6), torch.randint(0, 3, (4, 6, 6))
    slope = torch.func.grad(lambda z: cross_entropy(z, label, sigmoid=False))(logits)
    wanted = torch.func.grad(lambda z: F.cross_entropy(z, label))(logits)
    torch.testing.assert_close(slope, wanted)
    each = torch.func.vmap(lambda z, y: cross_entropy(z[None], y[None], sigmoid=False))
    torch.testing.assert_close(
        each(logits, label), F.cross_entropy(logits, label, reduction="none").mean((1, 2))
    )
    for other in (logits.double(), logits.to(memory_format=torch.channels_last)):
        assert host_entropy.takes(other, label, None)
        found = cross_entropy(other, label, sigmoid=False)
        torch.testing.assert_close(found, F.cross_entropy(other, label))


def test_the_loss_keeps_its_inputs_only() -> None:
    logits, label = torch.randn(2, 4, 64, 64).requires_grad_(), torch.randint(0, 4, (2, 64, 64))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        DiceSemimetricCELoss(softmax=True)(logits, label)
    large = {t.data_ptr() for t in saved if t.numel() >= label.numel()}
    assert large <= {logits.data_ptr(), label.data_ptr()}


def test_without_numba_the_loss_is_the_same(monkeypatch) -> None:
    logits, target = torch.randn(2, 3, 20, 20), torch.softmax(torch.randn(2, 3, 20, 20), 1)
    loss = DiceSemimetricCELoss(softmax=True)
    with_numba = loss(logits, target)
    monkeypatch.setattr(host, "kernels", lambda: None)
    torch.testing.assert_close(loss(logits, target), with_numba)


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("kind", ["labels", "masks", "soft"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e2, 1e4, 1e6, 1e15, 1e30])
@pytest.mark.parametrize("strided", [False, True])
def test_large_logits_lose_no_digit(sigmoid, kind, dtype, scale, strided) -> None:
    labels = torch.randint(0, 3, (2, 6, 50))
    hot = F.one_hot(labels, 3).movedim(-1, 1)
    target = {"labels": labels, "masks": hot, "soft": hot * 0.75 + 0.125}[kind]
    for logits in (
        torch.randn(2, 3, 6, 50) + scale,
        torch.randn(2, 3, 6, 50) - scale,
        torch.randn(2, 3, 6, 50) * scale,
    ):
        z = logits.to(dtype)
        if strided:
            z = z.to(memory_format=torch.channels_last)
        z.requires_grad_()
        value = cross_entropy(z, target, sigmoid=sigmoid)
        (slope,) = torch.autograd.grad(value, z)
        wide = z.detach().double()
        y = (hot if kind == "labels" else target).double()
        if sigmoid:
            terms = y * F.softplus(-wide, threshold=40) + (1 - y) * F.softplus(wide, threshold=40)
            expected, exact = terms.mean(), (torch.sigmoid(wide) - y) / y.numel()
        else:
            log_prob = torch.log_softmax(wide, 1)
            expected = -(y * log_prob).sum(1).mean()
            exact = (log_prob.exp() * y.sum(1, keepdim=True) - y) / labels.numel()
        torch.testing.assert_close(value.detach().double(), expected, rtol=2e-6, atol=1e-7)
        limit = 2 * torch.finfo(dtype).eps * float(exact.abs().max())
        torch.testing.assert_close(slope.double(), exact, rtol=1e-5, atol=max(limit, 1e-8))
