"""The calibration term by itself, in the compound loss, over micro-batches; and the hints."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from dice_semimetric_torch import (
    AccumulatedLoss,
    CalibrationLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
)


def slow(prob: np.ndarray, label: np.ndarray, n_bins: int = 10) -> float:
    """Return the mean gap over the bins that hold something, of one class."""
    place = np.minimum((prob * n_bins).astype(int), n_bins - 1)
    gaps = [abs(np.mean(prob[place == b] - label[place == b])) for b in np.unique(place)]
    return float(np.mean(gaps))


@pytest.fixture
def batch(rng: np.random.Generator) -> tuple:
    logits = torch.tensor(rng.normal(size=(4, 1, 16, 12)), requires_grad=True)
    return logits, torch.tensor(rng.integers(0, 6, size=(4, 1, 16, 12)) / 5)


@pytest.mark.parametrize("pooled", [True, False])
def test_the_value_is_the_mean_gap(batch: tuple, pooled: bool) -> None:
    logits, label = batch
    got = CalibrationLoss(sigmoid=True, batch=pooled)(logits, label)
    prob, soft = torch.sigmoid(logits).detach().numpy(), label.numpy()
    parts = [(prob, soft)] if pooled else zip(prob, soft, strict=True)
    assert float(got) == pytest.approx(np.mean([slow(*part) for part in parts]), rel=1e-9)


@pytest.mark.parametrize("pooled", [True, False])
def test_the_compound_loss_adds_it(batch: tuple, pooled: bool) -> None:
    logits, label = batch
    options = {"sigmoid": True, "batch": pooled}
    plain = DiceSemimetricCELoss(**options)(logits, label)
    term = CalibrationLoss(**options, n_bins=7)(logits, label)
    both = DiceSemimetricCELoss(**options, lambda_calibration=0.3, n_bins=7)(logits, label)
    torch.testing.assert_close(both, plain + 0.3 * term)
    (got,) = torch.autograd.grad(both, logits)
    first, second = (torch.autograd.grad(part, logits)[0] for part in (plain, term))
    torch.testing.assert_close(got, first + 0.3 * second)


def test_outputs_of_deep_supervision(batch: tuple) -> None:
    logits, label = batch
    outputs = [logits, F.avg_pool2d(logits, 2)]
    loss = DiceSemimetricCELoss(sigmoid=True, lambda_calibration=0.3)
    parts = [loss(o, y) for o, y in zip(outputs, (label, F.avg_pool2d(label, 2)), strict=True)]
    torch.testing.assert_close(loss(outputs, label), (2 * parts[0] + parts[1]) / 3)


@pytest.mark.parametrize("make", [CalibrationLoss, DiceSemimetricCELoss])
def test_micro_batches_have_the_gradient_of_the_whole(batch: tuple, make) -> None:
    logits, label = batch
    more = {} if make is CalibrationLoss else {"lambda_calibration": 0.3}
    loss = make(sigmoid=True, batch=True, **more)
    (expected,) = torch.autograd.grad(loss(logits, label), logits)
    total = AccumulatedLoss(loss)
    parts = slice(0, 1), slice(1, 4)
    for part in parts:
        total.add(logits[part], label[part])
    for part in parts:
        total.backward(logits[part], label[part])
    torch.testing.assert_close(total.value, loss(logits, label).detach())
    torch.testing.assert_close(logits.grad, expected)


def test_without_weight_the_compound_loss_holds_no_term() -> None:
    options = {"softmax": True, "weight": [1.0, 2.0]}
    without = DiceSemimetricCELoss(**options)
    with_term = DiceSemimetricCELoss(**options, lambda_calibration=0.3)
    assert [name for name, _ in without.named_children()] == ["dice"]
    assert [name for name, _ in with_term.named_children()] == ["dice", "calibration"]
    assert "CalibrationLoss" not in repr(without)
    assert without.state_dict().keys() == with_term.state_dict().keys()
    with pytest.raises(ValueError, match="n_bins"):
        DiceSemimetricCELoss(softmax=True, n_bins=0)
    without.lambda_calibration = 0.3  # as a schedule does
    logits, label = torch.randn(2, 2, 8, 8), torch.randint(0, 2, (2, 8, 8))
    assert without(logits, label) == with_term(logits, label)
    assert repr(without) == repr(with_term)


def messages(loss, *arguments) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loss(*arguments)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("make", [DiceSemimetricLoss, DiceSemimetricCELoss, CalibrationLoss])
def test_probabilities_under_a_softmax_are_warned_of_once(make) -> None:
    prob, label = torch.softmax(torch.randn(2, 3, 8, 8), 1), torch.randint(0, 3, (2, 8, 8))
    loss = make(softmax=True)
    (message,) = messages(loss, prob, label)
    assert message.startswith("input holds probabilities")
    assert not messages(loss, prob, label)
    assert not messages(make(softmax=True), torch.randn(2, 3, 8, 8), label)
    assert not messages(make(softmax=True), torch.rand(2, 3, 8, 8), label)


@pytest.mark.parametrize("make", [DiceSemimetricLoss, DiceSemimetricCELoss, CalibrationLoss])
def test_soft_labels_that_do_not_sum_to_one_are_warned_of_once(make) -> None:
    logits, soft = torch.randn(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    loss = make(softmax=True)
    (message,) = messages(loss, logits, soft)
    assert "sum to 1.5 to 1.5" in message
    assert "sigmoid=True" in message
    assert not messages(loss, logits, soft)
    assert not messages(make(sigmoid=True), logits, soft)
    counts = torch.zeros(2, 8, 8, dtype=torch.bool)
    counts[:, 4:] = True
    soft[:, :, 4:] = 1 / 3
    assert not messages(make(softmax=True), logits, soft, counts)
    soft[:, :, :4] = 0  # of no class: ignored pixels look so
    assert not messages(make(softmax=True), logits, soft)


@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 8, 8), (2, 3, 8, 8), (8, 8)])
def test_a_hint_reads_any_mask_that_the_loss_takes(shape: tuple) -> None:
    logits, soft = torch.randn(2, 3, 8, 8), torch.softmax(torch.randn(2, 3, 8, 8), 1)
    mask = torch.ones(shape, dtype=torch.bool)
    assert not messages(DiceSemimetricLoss(softmax=True), logits, soft, mask)


@pytest.mark.parametrize("mask", [torch.ones(2, 8, 8), torch.ones(2, 8, 7, dtype=torch.bool)])
def test_a_hint_leaves_a_wrong_mask_to_the_loss(mask) -> None:
    logits, soft = torch.randn(2, 3, 8, 8), torch.softmax(torch.randn(2, 3, 8, 8), 1)
    with pytest.raises((TypeError, ValueError), match="mask"):
        DiceSemimetricLoss(softmax=True)(logits, soft, mask)


def test_a_loss_with_the_term_warns_once_for_both() -> None:
    prob, label = torch.softmax(torch.randn(2, 3, 8, 8), 1), torch.randint(0, 3, (2, 8, 8))
    assert len(messages(DiceSemimetricCELoss(softmax=True, lambda_calibration=1), prob, label)) == 1


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("lambda_kd_ce", [0.0, 0.25])
def test_distillation_warns_once_of_its_input(temperature: float, lambda_kd_ce: float) -> None:
    logits, label = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    prob = torch.softmax(logits, 1)
    options = {"softmax": True, "temperature": temperature, "lambda_kd_ce": lambda_kd_ce}
    loss = DistillationLoss(**options)
    (message,) = messages(loss, prob, label, prob)
    assert message.startswith("input holds probabilities")
    assert not messages(loss, prob, label, prob)
    assert not messages(DistillationLoss(**options), logits, label, prob)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_distillation_warns_of_a_teacher_that_does_not_sum_to_one(temperature: float) -> None:
    logits, label = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    teacher = torch.full((2, 3, 8, 8), 0.5)
    loss = DistillationLoss(softmax=True, temperature=temperature)
    (message,) = messages(loss, logits, label, teacher)
    assert message.startswith("probabilities in teacher sum to 1.5 to 1.5")
    assert not messages(loss, logits, label, teacher)
    label[:, :4], teacher[:, :, 4:] = 7, 1 / 3
    options = {"softmax": True, "temperature": temperature, "ignore_index": 7}
    assert not messages(DistillationLoss(**options), logits, label, teacher)


@pytest.mark.parametrize("make", [DiceSemimetricLoss, DiceSemimetricCELoss, CalibrationLoss])
def test_tensors_of_a_librarys_class_are_warned_of_too(make) -> None:
    class Own(torch.Tensor):
        pass

    prob = torch.softmax(torch.randn(2, 3, 8, 8), 1).as_subclass(Own)
    (message,) = messages(make(softmax=True), prob, torch.randint(0, 3, (2, 8, 8)))
    assert message.startswith("input holds probabilities")
