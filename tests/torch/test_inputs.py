"""What is no dense tensor is refused with what to write; subclasses and shapes alone are taken."""

import contextlib
import copy
import pickle
import warnings

import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss, DistillationLoss
from torch._subclasses.fake_tensor import FakeTensorMode

import dice_semimetric as ds

LOSSES = {
    "regional": DiceSemimetricLoss(softmax=True),
    "compound": DiceSemimetricCELoss(softmax=True),
    "sigmoid": DiceSemimetricCELoss(sigmoid=True),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
TARGETS = ("labels", "masks", "soft")
every_target = pytest.mark.parametrize("kind", TARGETS)


def batch(kind: str = "labels") -> tuple:
    torch.manual_seed(4)
    logits, labels = torch.randn(2, 3, 6, 5), torch.randint(0, 3, (2, 6, 5))
    soft = torch.softmax(torch.randn(2, 3, 6, 5), 1)
    return logits, {"labels": labels, "masks": (soft > 0.4).int(), "soft": soft}[kind]


@every_loss
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: ([x, 1], y), r"input\[1\] must be a tensor, got int"),
        (lambda x, y: (x, [y, y]), r"target must be a tensor, got a list of 2; .*deep supervision"),
        (lambda x, y: (x, [y, y[:1]]), r"of shapes \(2, 6, 5\), \(1, 6, 5\); .*raters must have"),
        (lambda x, y: ([x, x], [y, y], y > 0), "mask must hold a tensor for each output"),
        (lambda x, y: ({"out": x}, y), "input must be a tensor, got a dict; .* 'out'"),
        (lambda x, y: (x.numpy(), y), r"write torch.from_numpy\(input\)"),
        (lambda x, y: (x, y.numpy()), r"write torch.from_numpy\(target\)"),
        (lambda x, y: (x, None), "target must be a tensor, got None"),
        (lambda x, y: (x, y, y.numpy() > 0), r"write torch.from_numpy\(mask\)"),
        (lambda x, y: (x.to_sparse(), y), r"layout sparse_coo; write input.to_dense\(\)"),
        (lambda x, y: (x, y.to_sparse()), r"layout sparse_coo; write target.to_dense\(\)"),
        (lambda x, y: (x.to_mkldnn(), y), r"layout mkldnn; write input.to_dense\(\)"),
    ],
)
def test_what_is_no_dense_tensor_ends_with_what_to_write(loss, change, message) -> None:
    with pytest.raises(TypeError, match=message):
        loss(*change(*batch()))


@pytest.mark.filterwarnings("ignore:.*nested tensors is in prototype")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_want_padding_and_a_mask(layout) -> None:
    logits, labels = batch()
    nested = torch.nested.nested_tensor(list(logits), layout=layout)
    with pytest.raises(TypeError, match=r"to_padded_tensor.* and give a mask"):
        LOSSES["regional"](nested, labels)


@pytest.mark.parametrize("shape", [(), (5,)])
def test_an_input_without_classes_is_named(shape) -> None:
    with pytest.raises(ValueError, match=r"input must have shape \(B, C, \*spatial\)"):
        LOSSES["compound"](torch.zeros(shape), torch.zeros(shape).long())


def test_the_functions_refuse_sparse_tensors_too() -> None:
    logits, labels = batch()
    for function in (
        lambda: ds.region_loss(logits.to_sparse(), labels, activation="softmax"),
        lambda: ds.dml1(logits.sigmoid().to_sparse(), logits.sigmoid()),
        lambda: ds.expected_calibration_error(logits.softmax(1).to_sparse(), labels),
        lambda: ds.one_hot(labels.to_sparse(), 3),
        lambda: ds.majority_vote((labels > 0).to_sparse()),
    ):
        with pytest.raises(TypeError, match=r"layout sparse_coo; write \w+\.to_dense\(\)"):
            function()


def test_a_forgotten_activation_is_suggested() -> None:
    logits, labels = batch()
    with pytest.raises(ValueError, match="for logits set softmax=True or sigmoid=True"):
        DiceSemimetricLoss()(logits, labels)
    with pytest.raises(ValueError, match="got NaN"):
        DiceSemimetricLoss()(logits.softmax(1) * torch.nan, labels)
    with pytest.raises(ValueError, match="target must lie in"):
        DiceSemimetricLoss()(logits.softmax(1), logits.softmax(1) + 1)


def test_no_activation_is_suggested_for_another_error() -> None:
    loss, (logits, labels) = DiceSemimetricLoss(ignore_index=255), batch()
    rounded = logits.softmax(1).half()
    rounded[0, 0, 0, 0] = 1.002  # as a half may be
    masked = logits.softmax(1)
    masked[:, :, 0] = 5.0
    mask = torch.ones(2, 6, 5, dtype=torch.bool)
    mask[:, 0] = False
    for pred, *rest in ((rounded,), (masked, mask)):
        assert torch.isfinite(loss(pred, labels, *rest))
        with pytest.raises(ValueError, match="target must hold labels from 0 to 2"):
            loss(pred, labels + 7, *rest)


@every_loss
@every_target
def test_a_trace_computes_the_loss_of_other_values(loss, kind) -> None:
    logits, target = batch(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, and each shape is a constant
        traced = torch.jit.trace(loss, (logits, target), check_trace=False)
    other = logits.flip(0, 2).requires_grad_()
    value, expected = traced(other, target), loss(other, target)
    torch.testing.assert_close(value, expected)
    slopes = [torch.autograd.grad(v, other)[0] for v in (value, expected)]
    torch.testing.assert_close(*slopes)


@every_loss
@every_target
@pytest.mark.parametrize("fake", [False, True])
def test_shapes_go_through_without_values(loss, kind, fake) -> None:
    logits, target = batch(kind)
    mask = torch.ones(2, 6, 5, dtype=torch.bool)
    mode = FakeTensorMode() if fake else contextlib.nullcontext()
    device = torch.device("cpu" if fake else "meta")
    with mode:
        logits, target, mask = (
            torch.empty(t.shape, dtype=t.dtype, device=device) for t in (logits, target, mask)
        )
        logits.requires_grad_()
        for rest in ((), (mask,)):
            value = loss(logits, target, *rest)
            (slope,) = torch.autograd.grad(value, logits)
            assert (value.shape, value.dtype, value.device) == ((), torch.float32, device)
            assert (slope.shape, slope.dtype, slope.device) == (logits.shape, logits.dtype, device)


@every_loss
def test_copies_give_the_same(loss) -> None:
    logits, labels = batch()
    expected = loss(logits, labels)
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other(logits, labels), expected)
    with torch.inference_mode():
        assert torch.equal(loss(logits.clone(), labels.clone()), expected)


@every_loss
@every_target
def test_memory_order_and_transforms_change_nothing(loss, kind) -> None:
    logits, target = batch(kind)
    expected = loss(logits, target)
    last = logits.to(memory_format=torch.channels_last)
    torch.testing.assert_close(loss(last, target), expected)
    wide = torch.stack([logits, logits], -1)[..., 0]
    torch.testing.assert_close(loss(wide, target), expected)
    mapped = torch.vmap(loss)(torch.stack([logits, -logits]), torch.stack([target, target]))
    torch.testing.assert_close(mapped, torch.stack([expected, loss(-logits, target)]))
    leaf = logits.clone().requires_grad_()
    slope = torch.func.grad(loss)(logits, target)
    torch.testing.assert_close(slope, torch.autograd.grad(loss(leaf, target), leaf)[0])


def test_metatensors_give_the_numbers_of_tensors() -> None:
    data = pytest.importorskip("monai.data")
    logits, labels = batch()
    rows, row_labels = torch.rand(20, 3).softmax(1), torch.randint(0, 3, (20,))
    for function, arrays in (
        (LOSSES["compound"], (logits, labels)),
        (ds.expected_calibration_error, (logits.softmax(1), labels)),
        (lambda p, y: ds.kernel_calibration_error(p, y, bandwidth=0.01), (rows, row_labels)),
    ):
        value = function(*(data.MetaTensor(a) for a in arrays))
        torch.testing.assert_close(torch.as_tensor(value), function(*arrays))


def test_warnings_point_at_the_line_that_calls() -> None:
    logits, labels = torch.randn(2, 1, 5), torch.randint(0, 2, (2, 5))
    for loss in (DiceSemimetricLoss(softmax=True), DiceSemimetricLoss(include_background=False)):
        with pytest.warns(UserWarning, match="nothing to a single channel") as found:
            loss(logits.sigmoid(), labels)
        assert {w.filename for w in found} == {__file__}
    compound = DiceSemimetricCELoss(sigmoid=True, include_background=False)
    with pytest.warns(UserWarning, match="nothing to a single channel") as found:
        compound(logits, labels)
    assert {w.filename for w in found} == {__file__}


def test_what_is_not_for_gradients_does_not_warn_of_them() -> None:
    torch.set_warn_always(True)
    try:
        prob = torch.softmax(torch.randn(2, 3, 40), 1).requires_grad_()
        label, rows = torch.randint(0, 3, (2, 40)), torch.rand(30, 3).softmax(1).requires_grad_()
        hard = torch.randint(0, 3, (30,))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kind in ("canonical", "classwise", "top_label"):
                ds.kernel_calibration_error(rows, hard, bandwidth=0.01, kind=kind)
            ds.select_bandwidth(rows, hard)
            ds.select_bandwidth(rows)
            ds.TemperatureScaling().fit(prob.log(), label)
            ds.KernelCalibrator(n_keys=9, bandwidth=None).fit(prob, prob).predict_proba(prob)
            ds.expected_calibration_error(prob, label)
            ds.binarized_dice(prob, prob)
            ds.reliability_curve(prob, label)
    finally:
        torch.set_warn_always(False)


def test_a_teacher_must_be_a_tensor() -> None:
    logits, labels = batch()
    with pytest.raises(TypeError, match="teacher must be a tensor, got None"):
        DistillationLoss(softmax=True)(logits, labels, None)
