"""The host's compiled kernels against the generic reduction in float64, and when they step back."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from dice_semimetric_numba import losses as sums
from dice_semimetric_torch import DiceSemimetricLoss
from dice_semimetric_torch._sums import blockwise, function, host, paths
from dice_semimetric_torch._sums.reader import Options
from hypothesis import given
from hypothesis import strategies as st

from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums

generic = overlap_sums.__wrapped__
DOUBLE = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(11)


def options(activation="softmax", ignore_index=None, checked=True) -> Options:
    return Options((2, 3), torch.float32, activation, ignore_index, checked)


def compare(pred, target, mask, chosen: Options) -> None:
    """Sums and gradient of the kernels beside those of the generic reduction in float64."""
    assert paths.sums_module(pred, target, mask, chosen) is host
    wide = pred.detach().double().requires_grad_()
    soft = target.double() if target.is_floating_point() else target
    exact = torch.stack(generic(Pixels(wide, soft, mask, **chosen._asdict() | DOUBLE)))
    upstream = torch.randn(exact.shape)
    (slope,) = torch.autograd.grad(exact, wide, upstream.double())
    sums = host.forward(pred, target, mask, chosen)
    found, none = host.backward(upstream, pred, target, mask, chosen, (True, False))
    assert none is None
    assert sums.dtype == torch.float64
    assert found.dtype == torch.float32
    pixels = pred[0, 0].numel()
    torch.testing.assert_close(sums.double(), exact.detach(), rtol=2e-6, atol=1e-6 * pixels**0.5)
    torch.testing.assert_close(found.double(), slope, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("masked", [False, True, "row"])
@pytest.mark.parametrize("classes", [1, 2, 4, 21])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (50, 70)])
def test_sums_and_gradient_are_the_generic_ones(activation, hard, masked, classes, size) -> None:
    pred = torch.randn(3, classes, *size) * 4 if activation else torch.rand(3, classes, *size)
    target = (
        torch.randint(0, max(2, classes), (3, *size)) if hard else torch.rand(3, classes, *size)
    )
    shapes = {True: (3, 1, *size), "row": (size[0], 1)}
    mask = torch.rand(shapes[masked]) < 0.6 if masked else None
    compare(pred, target, mask, options(activation))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.bool])
@pytest.mark.parametrize("ignored", [None, 1])
def test_labels_of_any_integer_dtype(dtype, ignored) -> None:
    target = torch.randint(0, 2, (2, 9, 9)).to(dtype)
    compare(torch.randn(2, 2, 9, 9), target, None, options(ignore_index=ignored))


def test_an_ignored_label_may_lie_outside_the_classes() -> None:
    target = torch.randint(0, 3, (2, 9, 9))
    target[0, :4] = 255
    compare(torch.randn(2, 3, 9, 9), target, torch.rand(2, 1, 9, 9) < 0.8, options("softmax", 255))


@pytest.mark.parametrize("part", [3 * 9 * 9, 2 * 3 * 9 * 9, 3 * 2048])
def test_the_cut_into_parts_changes_only_the_rounding(monkeypatch, part) -> None:
    monkeypatch.setattr(sums, "PART", part)
    compare(torch.randn(5, 3, 9, 9), torch.randint(0, 3, (5, 9, 9)), None, options())
    compare(torch.randn(2, 3, 64, 80), torch.rand(2, 3, 64, 80), None, options())


@given(st.lists(st.floats(-200, 200, width=32), min_size=2, max_size=6))
def test_a_pixel_of_extreme_logits(logits) -> None:
    pred = torch.tensor(logits)[None, :, None, None]
    for activation in ("softmax", "sigmoid"):
        compare(pred, torch.full_like(pred, 0.3174), None, options(activation))


@pytest.mark.parametrize("value", [float("-inf"), -1e30])
def test_a_class_that_is_ruled_out_has_probability_0(value) -> None:
    pred = torch.randn(1, 3, 4, 4)
    pred[:, 2] = value
    target = torch.full_like(pred, 0.25)
    sums = host.forward(pred, target, None, options())
    assert sums[0, 0, 2] == 0
    assert torch.isfinite(sums).all()
    slope, _ = host.backward(torch.ones(4, 1, 3), pred, target, None, options(), (True, False))
    assert torch.isfinite(slope).all()
    assert (slope[:, 2] == 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_does_not_count_may_be_anything(value) -> None:
    pred, target = torch.randn(2, 3, 5, 5), torch.rand(2, 3, 5, 5)
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    mask[:, :, 2] = False
    clean = host.forward(pred, target, mask, options())
    pred[:, :, 2], target[:, :, 2] = value, value
    assert torch.equal(host.forward(pred, target, mask, options()), clean)
    slope, _ = host.backward(torch.ones(4, 2, 3), pred, target, mask, options(), (True, False))
    assert torch.isfinite(slope).all()
    assert (slope[:, :, 2] == 0).all()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("name", ["pred", "target"])
def test_values_that_are_no_probability_raise_the_core_s_error(activation, name) -> None:
    tensors = {"pred": torch.rand(2, 3, 5, 5), "target": torch.rand(2, 3, 5, 5)}
    tensors[name][1, 2, 3, 4] = float("nan")
    with pytest.raises(ValueError, match=name):
        host.forward(*tensors.values(), None, options(activation))
    if name == "target" or activation is None:
        tensors[name][1, 2, 3, 4] = 1.5
        with pytest.raises(ValueError, match=name):
            host.forward(*tensors.values(), None, options(activation))


@pytest.mark.parametrize("module", [host, blockwise])
@pytest.mark.parametrize("activation", ["softmax", None])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_wrong_labels_are_told_of_all_pixels(module, activation, dtype) -> None:
    """They come before a wrong prediction, and the mask hides none."""
    pred, target = torch.full((2, 3, 500, 200), 1 / 3), torch.zeros(2, 500, 200, dtype=dtype)
    target[0, 0, 1], target[1, 499, 198], target[1, 499, 199] = 3, 200, 7
    mask = torch.zeros(2, 1, 500, 200, dtype=torch.bool)
    refused = pred.clone()
    refused[0, 0, 0, 0] = torch.nan
    for values, shown in ((pred, None), (refused, None), (pred, mask)):
        with pytest.raises(ValueError, match=r"^target must hold .* 0 to 2, got .* 0 to 200$"):
            module.forward(values, target, shown, options(activation))
    with pytest.raises(ValueError, match=r"or be ignore_index=200, got values from 0 to 7$"):
        module.forward(pred, target, mask, options(activation, 200))
    sums = module.forward(pred, target.where(target == 0, 200), None, options(activation, 200))
    assert sums[1].tolist() == [[99_999, 0, 0], [99_998, 0, 0]]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_result_does_not_depend_on_the_threads(threads) -> None:
    pred, target = torch.randn(2, 4, 300, 301), torch.randint(0, 4, (2, 300, 301))
    expected = host.forward(pred, target, None, options())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(host.forward(pred, target, None, options()), expected)
    finally:
        torch.set_num_threads(before)


def test_any_dtype_and_layout_takes_the_kernels_but_no_pixels_at_all() -> None:
    pred, target = torch.randn(2, 3, 6, 6), torch.rand(2, 3, 6, 6)
    last = {"memory_format": torch.channels_last}
    double = options()._replace(dtype=torch.float64)
    for other in (
        (pred.double(), target.double(), None, double),
        (pred.bfloat16(), target, None, options()),
        (pred.contiguous(**last), target.contiguous(**last), None, options()),
        (pred, target, torch.ones(2, 3, 6, 6, dtype=torch.bool), options()),
        (pred.expand(2, 3, 6, 6), target[:1].expand(2, 3, 6, 6), None, options()),
        (pred, target, None, options(None)._replace(axis=(0, 2, 3))),
    ):
        assert paths.sums_module(*other) is host
    nothing = pred[:, :, :0], target[:, :, :0], None, options()
    assert paths.sums_module(*nothing) is blockwise


def test_a_target_that_learns_has_its_gradient_too() -> None:
    pred = torch.randn(2, 3, 6, 6, requires_grad=True)
    target = torch.rand(2, 3, 6, 6, requires_grad=True)
    sums = torch.stack(function.overlap_sums(pred, target, None, options()))
    wide = pred.detach().double().requires_grad_(), target.detach().double().requires_grad_()
    exact = torch.stack(generic(Pixels(*wide, **options()._asdict() | DOUBLE)))
    for one, other in zip(
        torch.autograd.grad(sums.sum(), (pred, target)),
        torch.autograd.grad(exact.sum(), wide),
        strict=True,
    ):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


def test_without_numba_the_loss_is_the_same(monkeypatch) -> None:
    pred, target = torch.randn(2, 3, 20, 20), torch.rand(2, 3, 20, 20)
    loss = DiceSemimetricLoss(softmax=True)
    with_numba = loss(pred, target)
    monkeypatch.setattr(host, "kernels", lambda: None)
    torch.testing.assert_close(loss(pred, target), with_numba)


TRY = (
    "import torch; from dice_semimetric_torch import DiceSemimetricLoss as L;"
    "from dice_semimetric_torch._sums import host;"
    "L(softmax=True)(torch.randn(1, 2, 4, 4), torch.rand(1, 2, 4, 4));"
    "assert (host.kernels() is None) is "
)


@pytest.mark.parametrize(
    ("name", "value", "absent"),
    [("NUMBA_DISABLE_JIT", "1", True), ("NUMBA_CACHE_LOCATOR_CLASSES", "ZipCacheLocator", False)],
)
def test_numba_that_may_not_compile_or_keep_its_code(name, value, absent) -> None:
    command = [sys.executable, "-c", f"{TRY}{absent}"]
    subprocess.run(command, check=True, env={**os.environ, name: value})
