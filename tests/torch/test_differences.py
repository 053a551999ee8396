"""The rows of docs/differences.md: what the other library returns, and how to get the same here."""

import inspect

import pytest

torch = pytest.importorskip("torch")
monai = pytest.importorskip("monai.losses")

import torch.nn.functional as F
from dice_semimetric_torch import (
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
)
from dice_semimetric_torch.nnunet.loss import NNUNetLoss


@pytest.fixture
def batch() -> tuple:
    torch.manual_seed(8)
    return torch.randn(2, 3, 6, 5), torch.randint(0, 3, (2, 1, 6, 5))


PAIRS = [
    (DiceSemimetricLoss, monai.DiceLoss, {}),
    (JaccardMetricLoss, monai.DiceLoss, {"jaccard": True}),
    (CompatibleTverskyLoss, monai.TverskyLoss, {}),
]


@pytest.mark.parametrize(("ours", "theirs", "more"), PAIRS)
@pytest.mark.parametrize("pooled", [False, True])
def test_without_reduction_only_the_axes_differ(batch, ours, theirs, more, pooled) -> None:
    logits, labels = batch
    options = {"softmax": True, "to_onehot_y": True, "reduction": "none", "batch": pooled}
    value, other = ours(**options)(logits, labels), theirs(**options, **more)(logits, labels)
    assert value.shape == ((3,) if pooled else (2, 3))
    torch.testing.assert_close(value.reshape(other.shape), other)


@pytest.mark.parametrize(("ours", "theirs", "more"), PAIRS)
def test_positions_agree_as_far_as_other_act(ours, theirs, more) -> None:
    names = [list(inspect.signature(c).parameters) for c in (ours, theirs)]
    assert names[0][:5] == names[1][:5]
    assert names[0][4] == "other_act"


def test_the_terms_of_the_sum_weigh_one_and_one_there(batch) -> None:
    logits, labels = batch
    options = {"softmax": True, "to_onehot_y": True}
    theirs = monai.DiceCELoss(**options)(logits, labels)
    same = DiceSemimetricCELoss(**options, lambda_dice=1, lambda_ce=1)(logits, labels)
    torch.testing.assert_close(same, theirs)
    dice, entropy = DiceSemimetricCELoss(**options).terms(logits, labels)
    paper = DiceSemimetricCELoss(**options)(logits, labels)
    torch.testing.assert_close(paper, 0.75 * dice + 0.25 * entropy)


def test_a_sigmoid_with_classes_takes_the_entropy_of_each(batch) -> None:
    logits, labels = batch
    hot = F.one_hot(labels[:, 0], 3).movedim(-1, 1).float()
    options = {"sigmoid": True, "lambda_dice": 0.0, "lambda_ce": 1.0}
    ours = DiceSemimetricCELoss(**options)(logits, hot)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(logits, hot))
    theirs = monai.DiceCELoss(**options)(logits, hot)
    torch.testing.assert_close(theirs, F.cross_entropy(logits, hot))


def test_soft_labels_are_where_the_losses_part(batch) -> None:
    prob = torch.softmax(batch[0], 1)
    assert float(DiceSemimetricLoss()(prob, prob)) == pytest.approx(0, abs=1e-6)
    theirs = monai.DiceLoss()(prob, prob)
    assert float(theirs) > 0.1
    torch.testing.assert_close(SoftDiceLoss()(prob, prob), theirs)


def test_nnunets_dice_is_smaller_by_one_and_sums_regions(batch) -> None:
    logits, labels = batch
    value = NNUNetLoss(weight_ce=0.0)(logits, labels)
    prob = torch.softmax(logits, 1)
    hot = F.one_hot(labels[:, 0], 3).movedim(-1, 1)
    both, total = ((t.sum((2, 3))[:, 1:]) for t in (prob * hot, prob + hot))
    theirs = -((2 * both + 1e-5) / (total + 1e-5)).mean()
    torch.testing.assert_close(value, theirs + 1)
    ignored = torch.cat([hot.float(), torch.zeros(2, 1, 6, 5)], 1)
    entropy = NNUNetLoss(regions=True, ignore_label=9, weight_dice=0.0)(logits, ignored)
    mean = NNUNetLoss(regions=True, weight_dice=0.0)(logits, hot)
    torch.testing.assert_close(entropy, 3 * mean)


def test_smps_dice_loss_counts_an_absent_class_as_zero(batch) -> None:
    logits, labels = batch
    labels = labels.clamp(max=1)
    prob, hot = torch.softmax(logits, 1), F.one_hot(labels[:, 0], 3).movedim(-1, 1)
    both, total = ((t.sum((0, 2, 3))) for t in (prob * hot, prob + hot))
    present = hot.sum((0, 2, 3)) > 0
    theirs = ((1 - 2 * both / total.clamp(min=1e-7)) * present).mean()
    options = {"softmax": True, "batch": True, "classes": "present", "reduction": "sum"}
    ours = DiceSemimetricLoss(**options, smooth_nr=0, smooth_dr=1e-7)(logits, labels[:, 0]) / 3
    torch.testing.assert_close(ours, theirs)
