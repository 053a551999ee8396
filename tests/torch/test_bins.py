"""The gradient of the bins and of the calibration loss, against differences and by hand."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import CalibrationLoss

import dice_semimetric as ds

KINDS = [("binary", 1), ("top_label", 3), ("top_label", 1), ("classwise", 3), ("classwise", 1)]


@pytest.mark.parametrize(("kind", "classes"), KINDS)
def test_bins_pass_gradcheck(kind, classes) -> None:
    torch.manual_seed(0)
    shape = (2, classes, 5, 6)
    prob, label = torch.rand(2, *shape, dtype=torch.float64)
    mask = torch.rand(shape if kind == "binary" else (2, 5, 6)) < 0.7

    def sums(prob, label):
        found = ds.calibration_bins(prob, label, kind=kind, mask=mask)
        return found.confidence, found.correct

    given = prob.requires_grad_(), label.requires_grad_()
    assert torch.autograd.gradcheck(sums, given)
    assert torch.autograd.gradgradcheck(sums, given)


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("per", ["batch", "image"])
def test_the_loss_passes_gradcheck(activation, per) -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 3, 7, 6, dtype=torch.float64)
    label, mask = label.sigmoid(), torch.rand(3, 7, 6) < 0.7
    pred = logits if activation else torch.softmax(logits, 1)

    def loss(pred, label):
        return ds.calibration_loss(pred, label, activation=activation, per=per, mask=mask)

    assert torch.autograd.gradcheck(loss, (pred.requires_grad_(), label.requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [7, 300_000])
def test_a_pixel_gets_the_gradient_of_its_bin(dtype, size) -> None:
    torch.manual_seed(0)
    prob = torch.rand(1, 2, 2 * size).to(dtype)[..., ::2].requires_grad_()
    label = torch.randint(0, 2, (1, size))
    ds.calibration_bins(prob, label, kind="classwise").confidence.backward(
        table := torch.arange(20.0, dtype=torch.float64).view(2, 10)
    )
    edges = torch.tensor([k / 10 for k in range(1, 10)]).to(dtype).float()
    place = (prob.detach().float()[..., None] >= edges).sum(-1)
    expected = torch.stack([table[c][place[0, c]] for c in range(2)])[None]
    assert prob.grad.dtype == dtype
    torch.testing.assert_close(prob.grad.double(), expected)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_nan_that_does_not_count_has_no_gradient(activation) -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 20), torch.randint(0, 3, (2, 20))
    label[0, :5], mask = 9, torch.rand(2, 20) < 0.5
    away = (label == 9) | ~mask
    logits.movedim(1, -1)[away] = float("nan")
    logits.requires_grad_()
    options = {"ignore_index": 9, "mask": mask, "activation": activation}
    ds.calibration_loss(logits, label, **options).backward()
    grad = logits.grad.movedim(1, -1)
    assert torch.isfinite(grad).all()
    assert (grad[away] == 0).all()
    assert (grad[~away] != 0).any()


def test_functional_and_compiled_gradients_are_the_same() -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 20, requires_grad=True), torch.randint(0, 3, (2, 20))
    loss = CalibrationLoss(softmax=True)
    (expected,) = torch.autograd.grad(loss(logits, label), logits)
    found = torch.func.grad(loss)(logits.detach(), label)
    torch.testing.assert_close(found, expected)


def test_the_module_is_the_core_function() -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(4, 3, 20), torch.randint(0, 3, (4, 20))
    options = {"activation": "softmax", "weight": (1.0, 2.0, 3.0)}
    for batch, per in ((False, "image"), (True, "batch")):
        loss = CalibrationLoss(softmax=True, batch=batch, weight=[1.0, 2.0, 3.0], n_bins=7)
        expected = ds.calibration_loss(logits, label, per=per, n_bins=7, **options)
        torch.testing.assert_close(loss(logits, label), expected)
        torch.testing.assert_close(
            CalibrationLoss(softmax=True, to_onehot_y=True)(logits, label[:, None]),
            CalibrationLoss(softmax=True)(logits, label),
        )
    found = CalibrationLoss(softmax=True, include_background=False, reduction="none")(logits, label)
    assert found.shape == (4, 2)
    with pytest.raises(ValueError, match="set softmax=True or sigmoid=True"):
        CalibrationLoss()(logits, label)
    with pytest.raises(TypeError, match="CalibrationLoss has no keyword 'bins'; write n_bins="):
        CalibrationLoss(bins=3)


def test_without_a_gradient_nothing_is_recorded(rng) -> None:
    prob = torch.tensor(rng.random(9), requires_grad=True)
    with torch.no_grad():
        bins = ds.calibration_bins(prob, prob > 0.5, kind="binary")
    assert not bins.confidence.requires_grad
    np.testing.assert_allclose(bins.confidence.sum(), prob.detach().sum())
