"""The whole loss as one function of autograd beside the same by functions that take a step each."""

import pickle

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

import dice_semimetric_torch
from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss
from dice_semimetric_torch._sums import host, layouts, whole

from dice_semimetric import value_checks

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(31)


def draw(kind="soft", shape=(2, 3, 9, 8), dtype=torch.float32):
    logits = torch.randn(shape).to(dtype).requires_grad_()
    if kind == "labels":
        return logits, torch.randint(0, max(2, shape[1]), (shape[0], *shape[2:]))
    if kind == "masks":
        return logits, torch.rand(shape) < 0.4
    return logits, torch.rand(shape)


def value_and_slope(loss, logits, target, mask=None):
    value = loss(logits, target, mask)
    upstream = torch.ones_like(value) if value.ndim == 0 else torch.rand(value.shape)
    (slope,) = torch.autograd.grad(value, logits, upstream)
    return value.detach(), slope


def compare(loss, logits, target, mask=None, monkeypatch=None):
    """Compare value and gradient with those of float64 by steps."""
    torch.manual_seed(7)
    value, slope = value_and_slope(loss, logits, target, mask)
    assert slope.dtype == logits.dtype
    assert slope.stride() == torch.empty_like(logits).stride()
    wide = logits.detach().double().requires_grad_()
    soft = target.double() if target.is_floating_point() else target
    torch.manual_seed(7)
    with monkeypatch.context() as patch:
        patch.setattr(type(getattr(loss, "dice", loss)), "at_once", lambda *_: None)
        exact, exact_slope = value_and_slope(loss, wide, soft, mask)
    tolerance = 4 * torch.finfo(logits.dtype).eps
    torch.testing.assert_close(value.double(), exact.double(), rtol=2e-5, atol=2e-6)
    limit = tolerance * float(exact_slope.abs().max()) + 1e-6
    torch.testing.assert_close(slope.double(), exact_slope, rtol=1e-4, atol=limit)


OPTIONS = [
    {"softmax": True},
    {"sigmoid": True, "batch": True},
    {"softmax": True, "include_background": False, "weight": [0.5, 2.0]},
    {"softmax": True, "classes": (2, 0), "per": "class"},
    {"softmax": True, "classes": "present", "log": True},
    {"sigmoid": True, "gamma": 1.5, "focal_exponent": "code", "reduction": "sum"},
    {"softmax": True, "reduction": "none"},
    {"softmax": True, "reduction": "none", "batch": True, "include_background": False},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["labels", "soft", "masks"])
@pytest.mark.parametrize("mask", [None, "pixel", "class"])
def test_every_option(options, kind, mask, monkeypatch) -> None:
    logits, target = draw(kind)
    shapes = {"pixel": (2, 9, 8), "class": (2, 3, 9, 8)}
    kept = None if mask is None else torch.rand(shapes[mask]) < 0.7
    compare(DiceSemimetricLoss(**options), logits, target, kept, monkeypatch)


@pytest.mark.parametrize("name", ["JaccardMetricLoss", "CompatibleTverskyLoss", "SoftDiceLoss"])
@pytest.mark.parametrize("shape", [(2, 2, 9, 8), (1, 5, 30), (2, 1, 4, 5, 6)])
def test_other_losses_and_shapes(name, shape, monkeypatch) -> None:
    loss = getattr(dice_semimetric_torch, name)(sigmoid=True)
    compare(loss, *draw(shape=shape), monkeypatch=monkeypatch)


@pytest.mark.parametrize("options", [o for o in OPTIONS if o.get("reduction") != "none"])
@pytest.mark.parametrize("kind", ["labels", "soft", "masks"])
@pytest.mark.parametrize("mask", [None, "pixel", "class"])
def test_with_cross_entropy(options, kind, mask, monkeypatch) -> None:
    options = options | ({"weight": [0.2, 0.5, 2.0]} if "weight" in options else {})
    logits, target = draw(kind)
    shapes = {"pixel": (2, 9, 8), "class": (2, 3, 9, 8)}
    kept = None if mask is None else torch.rand(shapes[mask]) < 0.7
    compare(DiceSemimetricCELoss(**options), logits, target, kept, monkeypatch)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target_dtype", DTYPES)
@pytest.mark.parametrize("layout", ["plain", "last", "transposed", "expanded"])
def test_any_dtype_and_layout(dtype, target_dtype, layout, monkeypatch) -> None:
    logits, target = draw(dtype=dtype)
    target = target.to(target_dtype)
    if layout == "last":
        logits, target = (t.to(memory_format=torch.channels_last) for t in (logits, target))
    elif layout == "transposed":
        logits, target = logits.mT, target.mT
    elif layout == "expanded":
        target = target[:1].expand(target.shape)
    logits = logits.detach().requires_grad_()
    compare(DiceSemimetricCELoss(softmax=True), logits, target, monkeypatch=monkeypatch)


def test_an_ignored_label_and_a_class_axis_of_1(monkeypatch) -> None:
    logits, target = draw("labels")
    target[0, :3] = 255
    loss = DiceSemimetricCELoss(softmax=True, to_onehot_y=True, ignore_index=255)
    compare(loss, logits, target[:, None], monkeypatch=monkeypatch)


@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_it_is_taken_and_its_gradient_has_a_gradient(loss, monkeypatch) -> None:
    taken = []
    monkeypatch.setattr(whole._Whole, "forward", _noted(whole._Whole.forward, taken), raising=True)
    logits, target = draw(shape=(1, 3, 2, 2), dtype=torch.float64)
    target = target.double()
    module = loss(softmax=True)
    torch.autograd.gradcheck(lambda z: module(z, target), logits)
    torch.autograd.gradgradcheck(lambda z: module(z, target), logits)
    assert taken


def _noted(forward, taken):
    def noted(*arguments):
        taken.append(1)
        return forward(*arguments)

    return staticmethod(noted)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit(threads) -> None:
    logits, target = draw("labels", (3, 4, 200, 211))
    loss = DiceSemimetricCELoss(softmax=True)
    before = torch.get_num_threads()
    expected = value_and_slope(loss, logits, target)
    torch.set_num_threads(threads)
    try:
        found = value_and_slope(loss, logits, target)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_what_does_not_count_may_be_nan() -> None:
    logits, target = draw()
    mask = torch.rand(2, 9, 8) < 0.5
    hidden = ~mask[:, None].expand(logits.shape)
    bad = logits.detach().masked_fill(hidden, torch.nan).requires_grad_()
    loss = DiceSemimetricCELoss(softmax=True)
    value, slope = value_and_slope(loss, bad, target.masked_fill(hidden, torch.nan), mask)
    assert torch.equal(value, loss(logits, target, mask))
    assert not slope[hidden].any()


def test_bad_values_are_refused_unless_checks_are_off() -> None:
    logits, target = draw()
    target[0, 0, 0, 0] = 1.5
    loss = DiceSemimetricLoss(softmax=True)
    with pytest.raises(ValueError, match=r"target must lie in \[0, 1\]"):
        loss(logits, target)
    with value_checks("never"):
        loss(logits, target).backward()


@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_rounding_beyond_zero_and_one_is_clipped_on_the_way(loss, monkeypatch) -> None:
    logits, _ = draw()
    target = (torch.rand(logits.shape) < 0.5).float()
    off = torch.where(target > 0, 1 + 2e-7, -2e-7)
    monkeypatch.setattr(loss, "_stepwise", None)
    found, slope = value_and_slope(loss(softmax=True), logits, off)
    expected, near = value_and_slope(loss(softmax=True), logits, target)
    assert torch.equal(found, expected)
    torch.testing.assert_close(slope, near, rtol=1e-5, atol=1e-8)
    with value_checks("never"):
        assert value_and_slope(loss(softmax=True), logits, off)[0] != expected


def test_nothing_and_no_gradient(monkeypatch) -> None:
    logits, target = torch.randn(2, 3, 0, 4, requires_grad=True), torch.rand(2, 3, 0, 4)
    loss = DiceSemimetricLoss(softmax=True)
    value = loss(logits, target)
    value.backward()
    assert value == 0
    logits, target = draw()
    with torch.no_grad():
        assert not loss(logits, target).requires_grad
    assert not loss(logits.detach(), target).requires_grad
    pickle.loads(pickle.dumps(loss))


def test_a_gradient_under_vmap_takes_the_steps() -> None:
    loss = DiceSemimetricLoss(softmax=True)
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    _, pull = torch.func.vjp(lambda z: loss(z, labels), logits)
    (found,) = torch.func.vmap(pull)(torch.tensor([0.0, 1.0, 2.0]))
    torch.testing.assert_close(found[2], 2 * found[1])
    leaf = logits.clone().requires_grad_()
    loss(leaf, labels).backward()
    torch.testing.assert_close(found[1], leaf.grad)


@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_tensors_of_a_class_without_dispatch_are_taken(loss, monkeypatch) -> None:
    class Named(torch.Tensor):
        """As MONAI's: its values are its own."""

    logits, labels = draw("labels")
    module = loss(softmax=True, to_onehot_y=True)
    expected = value_and_slope(module, logits, labels[:, None])
    taken = []
    monkeypatch.setattr(whole._Whole, "forward", _noted(whole._Whole.forward, taken), raising=True)
    named = logits.detach().as_subclass(Named).requires_grad_()
    for floating in (False, True):  # as MONAI's reader leaves labels
        target = labels[:, None].to(torch.float32 if floating else labels.dtype)
        found = value_and_slope(module, named, target.as_subclass(Named))
        assert type(found[0]) is torch.Tensor
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert len(taken) == 2


def test_layouts_are_told_apart_and_only_so_many_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(host, "MANY", 2)
    loss = DiceSemimetricLoss(softmax=True)
    for shape in [(2, 3, 4, 5), (2, 3, 5, 4), (1, 3, 4, 5), (2, 3, 4, 5)]:
        for kind in ("soft", "labels", "masks"):
            compare(loss, *draw(kind, shape), monkeypatch=monkeypatch)
    assert len(layouts._known) <= 2


@pytest.mark.parametrize("weight", [[1.0], [1.0, 2.0]])
def test_a_weight_is_missing(weight) -> None:
    with pytest.raises(ValueError, match="weight must hold"):
        DiceSemimetricCELoss(softmax=True, weight=weight)(*draw("labels"))


@pytest.mark.parametrize("kind", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_weights_in_bfloat16(kind) -> None:
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    loss = kind(softmax=True, weight=[1.0, 2.0, 3.0])
    expected = loss(logits.bfloat16(), labels)
    found = loss.to(torch.bfloat16)(logits.bfloat16(), labels)
    torch.testing.assert_close(found, expected)


def test_weights_that_change_before_the_backward_pass_are_an_error() -> None:
    logits, labels = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randint(0, 3, (2, 8, 8))
    loss = DiceSemimetricCELoss(softmax=True, weight=[1.0, 2.0, 3.0])
    value = loss(logits, labels)
    loss.ce_weight.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        value.backward()


def test_a_gradient_that_is_lazily_negative() -> None:
    logits, labels = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randint(0, 3, (2, 8, 8))
    value = DiceSemimetricLoss(softmax=True)(logits, labels)
    (one,) = torch.autograd.grad(value, logits, retain_graph=True)
    (other,) = torch.autograd.grad(value, logits, torch._neg_view(torch.ones(())))
    torch.testing.assert_close(other, -one)


def test_the_default_device_moves_nothing() -> None:
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    with torch.device("meta"):
        assert DiceSemimetricCELoss(softmax=True)(logits, labels).device.type == "cpu"


def test_a_target_in_float8_goes_the_slow_way() -> None:
    logits = torch.randn(2, 3, 8, 8)
    soft = torch.softmax(torch.randn(2, 3, 8, 8), 1).to(torch.float8_e4m3fn)
    loss = DiceSemimetricLoss(softmax=True)
    torch.testing.assert_close(loss(logits, soft), loss(logits, soft.float()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("kernels", [True, False])
def test_what_rounding_put_beyond_zero_and_one_has_the_gradient_of_the_ends(
    monkeypatch, kernels, dtype
) -> None:
    if not kernels:
        for module in (host, layouts):
            monkeypatch.setattr(module, "_known", {})
        monkeypatch.setattr(host, "kernels", lambda: None)
    step = torch.finfo(dtype).eps
    target = torch.tensor([1 + step, 1, -step / 2, 0] * 16, dtype=dtype).reshape(1, 1, 64)
    prob = torch.tensor([1.0, 1 + 2e-7, 0, -2e-7] * 16).reshape(1, 1, 64)
    found, expected = (
        value_and_slope(
            DiceSemimetricLoss(), prob.clamp(*ends).requires_grad_(), target.clamp(*ends)
        )
        for ends in ((None, 2.0), (0.0, 1.0))
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
    logits, target = torch.randn(1, 2, 32, requires_grad=True), target.reshape(1, 2, 32)
    loss = DiceSemimetricCELoss(softmax=True, lambda_dice=0.0)
    found, expected = (value_and_slope(loss, logits, t) for t in (target, target.clamp(0, 1)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_short_integers_count_more_classes_than_they_hold(monkeypatch) -> None:
    loss = DiceSemimetricCELoss(sigmoid=True, to_onehot_y=True)
    logits, label = torch.randn(1, 130, 8), torch.randint(0, 100, (1, 1, 8))
    expected = loss(logits, label)
    torch.testing.assert_close(loss(logits, label.to(torch.int8)), expected)
    monkeypatch.setattr(layouts, "_known", {})
    monkeypatch.setattr(host, "_known", {})
    monkeypatch.setattr(host, "kernels", lambda: None)
    torch.testing.assert_close(loss(logits, label.to(torch.int8)), expected)
