"""Common mistakes are warned of or refused with what to write, and what is right is not."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import (
    AccumulatedLoss,
    CalibrationLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
    JaccardMetricLoss,
)
from dice_semimetric_torch._hints import is_due

import dice_semimetric as ds

MAKERS = [DiceSemimetricLoss, JaccardMetricLoss, DiceSemimetricCELoss, CalibrationLoss]
every_loss = pytest.mark.parametrize("make", MAKERS)


def draw(*shape: int) -> torch.Tensor:
    return 4 * torch.randn(*shape, generator=torch.Generator().manual_seed(5))


def labels(classes: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, classes, shape, generator=torch.Generator().manual_seed(6))


def messages(call, *arguments) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(*arguments)
    return [str(w.message) for w in caught]


def refused(call, *arguments) -> str:
    with pytest.raises((TypeError, ValueError)) as error:
        call(*arguments)
    return str(error.value)


@every_loss
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_probabilities_under_a_sigmoid_are_warned_of_once(make, channels, dtype) -> None:
    logits, target = draw(2, channels, 8, 8).to(dtype), labels(2, 2, channels, 8, 8).float()
    loss = make(sigmoid=True)
    (message,) = messages(loss, logits.sigmoid(), target)
    assert message.startswith("input holds probabilities, and sigmoid=True")
    assert not messages(loss, logits.sigmoid(), target)


@every_loss
@pytest.mark.parametrize(
    "logits",
    [
        draw(2, 1, 8, 8),
        torch.zeros(2, 1, 8, 8),
        torch.ones(2, 1, 8, 8),
        draw(2, 1, 8, 8).relu(),
        torch.full((2, 1, 8, 8), 0.5),
        draw(2, 1, 8, 8) / 100,
    ],
)
def test_logits_under_a_sigmoid_are_not(make, logits) -> None:
    loss, target = make(sigmoid=True), labels(2, 2, 1, 8, 8).float()
    assert not any(messages(loss, logits, target) for _ in range(5))


def test_a_network_that_learns_is_looked_at_again() -> None:
    assert [n for n in range(1, 40) if is_due(n)] == [1, 2, 4, 8, 16, 32]
    loss, target, logits = DiceSemimetricCELoss(sigmoid=True), labels(2, 2, 8, 8), draw(2, 1, 8, 8)
    sharpness = [0.01 * k for k in range(1, 9)] + [2.0] * 8
    found = [messages(loss, (k * logits).sigmoid(), target) for k in sharpness]
    assert [n for n, texts in enumerate(found, 1) if texts] == [16]


def test_the_hint_waits_for_no_checks_and_no_compiler() -> None:
    prob, target = draw(2, 1, 8, 8).sigmoid(), labels(2, 2, 8, 8)
    with ds.value_checks("never"):
        assert not messages(DiceSemimetricLoss(sigmoid=True), prob, target)
    meta = DiceSemimetricLoss(sigmoid=True)
    assert not messages(meta, prob.to("meta"), target.to("meta"))
    assert not messages(torch.vmap(DiceSemimetricLoss(sigmoid=True)), prob[None], target[None])


def test_distillation_warns_of_a_student_with_a_sigmoid() -> None:
    logits, target = draw(2, 1, 8, 8), labels(2, 2, 8, 8)
    loss = DistillationLoss(sigmoid=True)
    assert len(messages(loss, logits.sigmoid(), target, logits.sigmoid())) == 1
    assert not messages(DistillationLoss(sigmoid=True), logits, target, logits.sigmoid())


@pytest.mark.parametrize(
    "name",
    ["BinarizedDice", "ExpectedCalibrationError", "DiceSemimetricScore", "JaccardMetricScore"],
)
def test_metrics_warn_of_probabilities_once(name: str) -> None:
    pytest.importorskip("torchmetrics")
    from dice_semimetric_torch import metrics

    make = getattr(metrics, name)
    one, three = draw(2, 1, 8, 8), draw(2, 3, 8, 8)
    for activation, logits in (("sigmoid", one), ("softmax", three)):
        classes = logits.shape[1]
        prob = logits.sigmoid() if classes == 1 else logits.softmax(1)
        target = labels(max(classes, 2), 2, 8, 8)
        metric = make(classes, activation=activation)
        (message,) = messages(metric.update, prob, target)
        assert message == (
            f"pred holds probabilities, and activation={activation!r} takes it for logits: leave "
            "activation out, or give the logits"
        )
        assert not messages(metric.update, prob, target)
        assert not messages(make(classes, activation=activation).update, logits, target)
        assert not messages(make(classes, activation=activation).update, 0 * logits, target)
        assert not messages(make(classes).update, prob, target)
        assert refused(make(classes).update, [prob, prob], target).endswith(
            "got a list of 2; of outputs of deep supervision give the finest, pred[0]"
        )
        last = prob.movedim(1, -1)
        remedy = refused(make(classes).update, last, target).partition("; ")[2]
        assert remedy == "its classes are last: write pred.movedim(-1, 1)"
    assert "write activation='sigmoid'" in refused(lambda: make(1, activation="softmax"))


STACKED = "write list(input.unbind(1))"


@every_loss
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_stacked_outputs_of_one_channel_are_refused(make, dtype) -> None:
    stacked, target = draw(2, 3, 1, 4, 4, 4), labels(2, 2, 1, 4, 4, 4).to(dtype)
    for options in ({}, {"to_onehot_y": True}):
        loss = make(sigmoid=True, **options)
        text = refused(loss, stacked, target)
        assert text.endswith(STACKED)
        assert "long()" not in text
    assert torch.isfinite(make(sigmoid=True)(list(stacked.unbind(1)), target))


@every_loss
@pytest.mark.parametrize("spatial", [(4, 4), (4, 4, 4)])
def test_stacked_outputs_of_classes_are_refused(make, spatial) -> None:
    stacked, hard = draw(2, 3, 4, *spatial), labels(4, 2, 1, *spatial)
    soft = draw(2, 4, *spatial).softmax(1)
    for target in (hard, hard.float(), hard[:, 0], soft):
        for onehot in (False, True):
            text = refused(make(softmax=True, to_onehot_y=onehot), stacked, target)
            assert text.endswith(STACKED)
            assert "long()" not in text
    loss = make(softmax=True, to_onehot_y=True)
    assert torch.isfinite(loss(list(stacked.unbind(1)), hard))


def test_stacked_outputs_and_one_hot_masks_are_warned_of() -> None:
    stacked, hard = draw(2, 3, 2, 4, 4, 4), labels(2, 2, 4, 4, 4)
    masks = torch.stack([1 - hard, hard], 1)
    (message,) = messages(DiceSemimetricCELoss(softmax=True), stacked, masks)
    assert message.endswith(STACKED)
    assert not messages(DiceSemimetricCELoss(softmax=True), stacked, labels(3, 2, 2, 4, 4, 4))


def test_what_is_not_stacked_is_taken() -> None:
    for shape in ((2, 3, 1, 8, 8), (2, 3, 2, 8, 8), (2, 3, 1, 8), (2, 3, 2, 4, 4, 4)):
        target = labels(3, 2, *shape[2:])
        assert not messages(DiceSemimetricCELoss(softmax=True), draw(*shape), target)
    wrong = refused(DiceSemimetricLoss(softmax=True), draw(2, 3, 4, 4, 4), labels(4, 2, 4, 4, 4))
    assert STACKED not in wrong  # a label out of range


def test_the_finest_output_is_first() -> None:
    outputs, target = [draw(2, 1, 4, 4), draw(2, 1, 8, 8)], labels(2, 2, 1, 8, 8).float()
    coarse = target[..., ::2, ::2]
    for make in MAKERS:
        for targets in (target, [coarse, target]):
            text = refused(make(sigmoid=True), outputs, targets)
            assert "got sizes (4, 4), (8, 8); write input[::-1]" in text
        loss = make(sigmoid=True, deep_supervision_weights=[0.3, 0.7])
        assert torch.isfinite(loss(outputs, target))
        assert torch.isfinite(make(sigmoid=True)(outputs[::-1], target))
        assert torch.isfinite(make(sigmoid=True)([outputs[1]] * 3, target))
    accumulated = AccumulatedLoss(DiceSemimetricCELoss(sigmoid=True, batch=True))
    assert "finest output first" in refused(accumulated.add, outputs, target)
    teacher = draw(2, 1, 8, 8).sigmoid()
    assert "finest output first" in refused(
        DistillationLoss(sigmoid=True), outputs, target, teacher
    )


def test_soft_labels_of_the_foreground_under_a_softmax() -> None:
    logits, soft = draw(2, 2, 8, 8), torch.rand(2, 1, 8, 8)
    for onehot in (False, True):
        loss = DiceSemimetricCELoss(softmax=True, to_onehot_y=onehot)
        text = refused(loss, logits, soft)
        assert text.endswith(
            "; for soft labels of the foreground write torch.cat([1 - target, target], 1), or of "
            "raters uniform_average(raters, num_classes=2, rater_axis=1)"
        )
        assert torch.isfinite(loss(logits, torch.cat([1 - soft, soft], 1)))
    loss = DiceSemimetricCELoss(softmax=True)
    assert "torch.stack([1 - target, target], 1)" in refused(loss, logits, soft[:, 0])
    text = refused(loss, logits, soft.round())
    assert "for labels set to_onehot_y=True, for soft labels" in text
    assert refused(loss, logits, soft.round().long()).endswith("; for labels set to_onehot_y=True")
    text = refused(DiceSemimetricLoss(softmax=True), draw(2, 3, 8, 8), soft)
    assert text.endswith("as uniform_average(raters, num_classes=3, rater_axis=1) makes them")


def test_raters_as_a_target() -> None:
    loss, logits, raters = (
        DiceSemimetricCELoss(sigmoid=True),
        draw(2, 1, 8, 8),
        labels(2, 2, 3, 8, 8),
    )
    missing = raters.float()
    missing[1, 2] = torch.nan
    for target in (raters, raters > 0, raters.float(), missing):
        call = refused(loss, logits, target).split("axis 1 write ")[1]
        mean = eval(call, {"target": target, "uniform_average": ds.uniform_average})
        torch.testing.assert_close(mean[0], raters[:1].float().mean(1))
        assert torch.isfinite(loss(logits, mean))
    text = refused(lambda: ds.uniform_average(missing, rater_axis=1))
    mean = eval(text.split("write ")[1], {"raters": missing})
    torch.testing.assert_close(mean[1, 0], raters[1, :2].float().mean(0))
    for value in (-1, 255):
        numbers = torch.where(missing.isnan(), value, raters)
        text = refused(lambda n=numbers: ds.uniform_average(n, rater_axis=1))
        found = eval(text.split("write ")[1], {"raters": numbers, "torch": torch})
        torch.testing.assert_close(found, mean)


@pytest.mark.parametrize("make", [DiceSemimetricLoss, JaccardMetricLoss, CalibrationLoss])
def test_a_softmax_over_a_single_channel_gets_one_message(make) -> None:
    logits, target = draw(2, 1, 8, 8), labels(2, 2, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refused(make(softmax=True), logits, target).endswith("for logits set sigmoid=True")
    (message,) = messages(make(softmax=True), logits.sigmoid(), target)
    assert message.endswith("for logits write sigmoid=True")


@every_loss
def test_classes_that_are_last(make) -> None:
    logits, hard = draw(2, 8, 6, 3), labels(3, 2, 8, 6)
    hot = torch.nn.functional.one_hot(hard, 3)
    for target in (hot, hot.float(), draw(2, 8, 6, 3).softmax(-1)):
        (message,) = messages(make(softmax=True), logits, target)
        assert message.endswith("write movedim(-1, 1) of input and target")
        moved = (tensor.movedim(-1, 1) for tensor in (logits, target))
        assert not messages(make(softmax=True), *moved)
    text = refused(make(softmax=True), logits, hard)
    assert text.endswith("; the classes of input are last: write input.movedim(-1, 1)")


@every_loss
def test_errors_name_the_argument_of_a_module(make) -> None:
    logits, target = draw(2, 1, 8, 8), labels(2, 2, 8, 8)
    loss = make(sigmoid=True)
    assert refused(loss, logits.long(), target).startswith("input must be of a floating dtype")
    logits[0, 0, 0, 0] = torch.nan
    assert refused(loss, logits, target).startswith("input must hold finite logits")
    assert refused(loss, draw(2, 1, 8, 8), target[..., :7]).endswith(": axis 2 is 7, not 8")


def test_an_infinite_logit_is_named_where_the_loss_is_nan() -> None:
    loss, logits, target = DiceSemimetricCELoss(sigmoid=True), draw(2, 1, 8, 8), labels(2, 2, 8, 8)
    logits[0, 0, 0, 0], target[0, 0, 0] = torch.inf, 1
    assert "got infinite ones: the loss is NaN" in refused(loss, logits, target)
    target[0, 0, 0] = 0
    assert float(loss(logits, target)) == torch.inf  # which is its cross-entropy
    with ds.value_checks("never"):
        target[0, 0, 0] = 1
        assert loss(logits, target).isnan()
