"""Label smoothing in the losses: the numbers of labels that were smoothed beforehand."""

import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import (
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
)

from dice_semimetric import label_boundary, smooth_boundary, smooth_labels

LOSSES = [DiceSemimetricLoss, CompatibleTverskyLoss, DiceSemimetricCELoss]
HOW = {"uniform": smooth_labels, "boundary": smooth_boundary}
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_way = pytest.mark.parametrize("smoothing", HOW)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(6)


def batch(classes: int = 3, spatial: tuple[int, ...] = (7, 6)) -> tuple:
    logits = torch.randn(2, classes, *spatial, requires_grad=True)
    labels = torch.zeros(2, *spatial, dtype=torch.int64)
    labels[:, 2:5] = 1
    labels[:, 4:, 3:] = max(classes - 1, 1)
    return logits, labels


def compare(smoothed, plain, logits, target, soft, mask=None, soft_mask=None) -> None:
    """Compare value and gradient of a loss that smooths with those of smoothed labels."""
    values = smoothed(logits, target, mask), plain(logits, soft, soft_mask)
    slopes = [torch.autograd.grad(v.sum(), logits)[0] for v in values]
    torch.testing.assert_close(*values, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-9)


@every_loss
@every_way
@pytest.mark.parametrize("spatial", [(9,), (7, 6), (4, 5, 6)])
def test_labels_with_a_softmax(loss, smoothing, spatial) -> None:
    logits, labels = batch(3, (7, 6))
    if spatial != (7, 6):
        logits, labels = torch.randn(2, 3, *spatial, requires_grad=True), labels[:, 0, 0]
        labels = torch.randint(0, 3, (2, *spatial))
    options = {"softmax": True, "weight": [0.5, 1.0, 2.0]}
    soft = HOW[smoothing](labels, 3, epsilon=0.2)
    module = loss(**options, label_smoothing=0.2, smoothing=smoothing)
    compare(module, loss(**options), logits, labels, soft)
    same = loss(**options, to_onehot_y=True, label_smoothing=0.2, smoothing=smoothing)
    for target in (labels[:, None], labels[:, None].float(), labels[:, None].to(torch.uint8)):
        assert torch.equal(same(logits, target), module(logits, labels))


@every_loss
@every_way
def test_one_hot_masks_give_the_numbers_of_labels(loss, smoothing) -> None:
    logits, labels = batch()
    hot = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)
    for activation in ("softmax", "sigmoid"):
        module = loss(**{activation: True}, label_smoothing=0.2, smoothing=smoothing)
        for dtype in (torch.bool, torch.uint8, torch.int64):
            torch.testing.assert_close(module(logits, hot.to(dtype)), module(logits, labels))


@every_loss
@every_way
def test_ignored_and_masked_pixels_stay_so(loss, smoothing) -> None:
    logits, labels = batch()
    labels[:, :2, 2] = 255
    mask = torch.rand(2, 7, 6) < 0.7
    soft = HOW[smoothing](labels, 3, epsilon=0.2, ignore_index=255)
    options = {"softmax": True}
    module = loss(**options, ignore_index=255, label_smoothing=0.2, smoothing=smoothing)
    kept = labels != 255
    compare(module, loss(**options), logits, labels, soft, None, kept)
    compare(module, loss(**options), logits, labels, soft, mask, kept & mask)
    each = torch.rand(2, 3, 7, 6) < 0.7
    compare(module, loss(**options), logits, labels, soft, each, kept[:, None] & each)


@every_loss
def test_with_a_sigmoid_each_channel_stands_for_two_classes(loss) -> None:
    logits, labels = batch()
    masks = torch.rand(2, 3, 7, 6) < 0.4
    module, plain = loss(sigmoid=True, label_smoothing=0.2), loss(sigmoid=True)
    compare(module, plain, logits, masks, 0.8 * masks.float() + 0.1)
    soft = torch.rand(2, 3, 7, 6)
    compare(module, plain, logits, soft, 0.8 * soft + 0.1)
    hot = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    compare(module, plain, logits, labels, 0.8 * hot + 0.1)


@every_loss
def test_the_boundary_of_overlapping_masks_is_that_of_each(loss) -> None:
    logits, _ = batch()
    masks = torch.zeros(2, 3, 7, 6, dtype=torch.uint8)
    masks[:, 0, 2:] = masks[:, 1, :, 3:] = masks[:, 2, 3:5, 1:4] = 1
    edge = torch.stack([label_boundary(masks[:, c]) for c in range(3)], 1)
    soft = torch.where(edge, 0.8 * masks.float() + 0.1, masks.float())
    module = loss(sigmoid=True, label_smoothing=0.2, smoothing="boundary")
    compare(module, loss(sigmoid=True), logits, masks, soft)


@every_loss
@every_way
def test_a_single_channel(loss, smoothing) -> None:
    logits, labels = batch(1)
    soft = HOW[smoothing](labels, 1, epsilon=0.2)
    module = loss(sigmoid=True, label_smoothing=0.2, smoothing=smoothing)
    for target in (labels, labels[:, None], labels[:, None] > 0, labels.to(torch.uint8)):
        compare(module, loss(sigmoid=True), logits, target, soft)


@every_loss
def test_soft_labels(loss) -> None:
    logits, _ = batch()
    soft = torch.softmax(torch.randn(2, 3, 7, 6), 1)
    soft[0, :, 0] = 0.0  # pixels that do not count
    module, plain = loss(softmax=True, label_smoothing=0.2), loss(softmax=True)
    compare(module, plain, logits, soft, smooth_labels(soft, epsilon=0.2))
    mask = torch.rand(2, 7, 6) < 0.6
    hidden = soft.masked_fill(~mask[:, None], torch.nan)
    compare(module, plain, logits, hidden, smooth_labels(soft, epsilon=0.2), mask, mask)
    half = soft.half()
    wide = smooth_labels(half.float(), epsilon=0.2)
    compare(module, plain, logits, half, wide)
    with pytest.raises(ValueError, match=r"target must lie in \[0, 1\]"):
        module(logits, soft + 0.1)
    with pytest.raises(ValueError, match=r"masks of each class where smoothing='boundary'"):
        loss(softmax=True, label_smoothing=0.2, smoothing="boundary")(logits, soft)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_dtype_of_logits(dtype) -> None:
    logits, labels = batch()
    logits = logits.detach().to(dtype)
    found = DiceSemimetricCELoss(softmax=True, label_smoothing=0.1)(logits, labels)
    exact = smooth_labels(labels, 3, epsilon=0.1, dtype=torch.float64)
    expected = DiceSemimetricCELoss(softmax=True)(logits.double(), exact)
    tolerance = {"rtol": 1e-12, "atol": 0} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 0}
    torch.testing.assert_close(found.double(), expected, **tolerance)


def test_distillation_smooths_the_labels_and_not_the_teacher() -> None:
    logits, labels = batch()
    labels[0, 0] = 9
    teacher = torch.softmax(torch.randn(2, 3, 7, 6), 1)
    options = {"softmax": True, "ignore_index": 9}
    value = DistillationLoss(**options, label_smoothing=0.2)(logits, labels, teacher)
    first = DiceSemimetricCELoss(**options, label_smoothing=0.2)(logits, labels)
    second = DiceSemimetricCELoss(softmax=True)(logits, teacher, labels != 9)
    torch.testing.assert_close(value, first + second)


def test_wrong_labels_are_refused() -> None:
    logits, labels = batch()
    loss = DiceSemimetricLoss(softmax=True, label_smoothing=0.1)
    with pytest.raises(ValueError, match="labels from 0 to 2, got values from 0 to 3"):
        loss(logits, labels + (labels == 2))
    with pytest.raises(ValueError, match="target must be integer labels of shape"):
        loss(logits, labels[:, 1:])
    with pytest.raises(TypeError, match=r"write torch.from_numpy\(target\)"):
        loss(logits, labels.numpy())


def test_a_compiled_loss_smooths_too() -> None:
    logits, labels = batch()
    for smoothing in HOW:
        loss = DiceSemimetricCELoss(softmax=True, label_smoothing=0.1, smoothing=smoothing)
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(logits, labels), loss(logits, labels))
