"""Losses of micro-batches: value and gradient are those of the joined batch."""

import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import (
    AccumulatedLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
    JaccardMetricLoss,
)
from dice_semimetric_torch.nnunet.loss import NNUNetLoss

PARTS = [slice(0, 3), slice(3, 4), slice(4, 6)]
OPTIONS = [
    {"softmax": True},
    {"sigmoid": True, "weight": [0.5, 1.0, 2.0]},
    {"softmax": True, "weight": [0.5, 1.0, 2.0], "ignore_index": 7, "include_background": False},
    {"softmax": True, "ignore_index": 7, "reduction": "sum", "classes": "present"},
    {"softmax": True, "ignore_index": 7, "label_smoothing": 0.2, "log": True},
    {"softmax": True, "variant": "dml2", "gamma": 1.5},
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(21)


def draw(dtype=torch.float64) -> tuple:
    logits = torch.randn(6, 3, 5, 4, dtype=dtype, requires_grad=True)
    return logits, torch.randint(0, 3, (6, 5, 4))


def compare(loss, logits, *others, tolerance: float = 1e-10) -> None:
    """Compare with one batch; arguments are cut along axis 0, those of a list each by itself."""
    leaves = logits if isinstance(logits, list) else [logits]
    expected = loss(logits, *others)
    slopes = torch.autograd.grad(expected, leaves)
    total = AccumulatedLoss(loss)
    for step in (total.add, total.backward):
        for part in PARTS:
            step(*(cut(a, part) for a in (logits, *others)))
    torch.testing.assert_close(total.value, expected.detach(), rtol=tolerance, atol=tolerance)
    for leaf, slope in zip(leaves, slopes, strict=True):
        torch.testing.assert_close(leaf.grad, slope, rtol=tolerance, atol=tolerance)


def cut(value, part):
    if isinstance(value, list):
        return [v[part] for v in value]
    return None if value is None else value[part]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_labels(loss, options, masked) -> None:
    logits, label = draw()
    if "ignore_index" in options:
        label[3], label[0, :2] = 7, 7  # nothing counts in the second micro-batch
    mask = torch.rand(6, 5, 4) < 0.6 if masked else None
    if masked:
        mask[3] = False
    weight = options.get("weight")
    if weight and loss is DiceSemimetricLoss and "include_background" in options:
        options = options | {"weight": weight[1:]}
    compare(loss(**options, batch=True), logits, label, mask)


@pytest.mark.parametrize("loss", [DiceSemimetricCELoss, JaccardMetricLoss])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_soft_labels_and_masks(loss, activation) -> None:
    logits, _ = draw()
    module = loss(**{activation: True}, batch=True)
    compare(module, logits, torch.rand(6, 3, 5, 4, dtype=torch.float64), None)
    logits.grad = None
    compare(module, logits, torch.rand(6, 3, 5, 4) < 0.4, torch.rand(6, 3, 5, 4) < 0.7)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_teacher(reduction) -> None:
    logits, label = draw()
    label[3] = 7
    teacher = torch.softmax(torch.randn(6, 3, 5, 4, dtype=torch.float64), 1)
    options = {"softmax": True, "ignore_index": 7, "reduction": reduction, "temperature": 2.0}
    compare(DistillationLoss(**options, batch=True), logits, label, teacher)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("regions", [False, True])
def test_nnunets_targets(regions, ignored) -> None:
    logits, label = draw()
    target = label[:, None]
    if regions:
        target = (torch.rand(6, 3 + ignored, 5, 4) < 0.3).double()
    elif ignored:
        target = torch.where(torch.rand(6, 1, 5, 4) < 0.2, 7, target)
    loss = NNUNetLoss(regions=regions, ignore_label=7 if ignored else None, batch=True)
    compare(loss, logits, target)


@pytest.mark.parametrize("weights", [None, (1.0, 0.25)])
def test_deep_supervision(weights) -> None:
    logits, label = draw()
    coarse = torch.randn(6, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    options = {"softmax": True, "batch": True, "deep_supervision_weights": weights}
    compare(DiceSemimetricCELoss(**options), [logits, coarse], label, None)
    for leaf in (logits, coarse):
        leaf.grad = None
    teacher = torch.softmax(torch.randn(6, 3, 5, 4, dtype=torch.float64), 1)
    compare(DistillationLoss(**options), [logits, coarse], label, teacher)


@pytest.mark.parametrize("name", ["lambda_dice", "lambda_ce"])
def test_a_term_without_weight(name) -> None:
    compare(DiceSemimetricCELoss(softmax=True, batch=True, **{name: 0.0}), *draw())


def test_float32_and_half() -> None:
    compare(DiceSemimetricCELoss(softmax=True, batch=True), *draw(torch.float32), tolerance=1e-6)
    logits, label = draw(torch.float32)
    logits = logits.detach().half().requires_grad_()
    compare(DiceSemimetricCELoss(softmax=True, batch=True), logits, label, tolerance=2e-4)


def test_what_does_not_add_up_is_refused() -> None:
    logits, label = draw()
    with pytest.raises(ValueError, match=r"pool the batch \(batch=True\), got per='image'"):
        AccumulatedLoss(DiceSemimetricCELoss(softmax=True))
    total = AccumulatedLoss(DiceSemimetricLoss(softmax=True, batch=True, reduction="none"))
    with pytest.raises(ValueError, match="at least one micro-batch"):
        total.backward(logits, label)
    total.add(logits, label)
    with pytest.raises(ValueError, match="must be one number"):
        total.value  # noqa: B018
    total = AccumulatedLoss(DiceSemimetricLoss(softmax=True, batch=True))
    total.add(logits, label)
    with pytest.raises(ValueError, match="as the first micro-batch did"):
        total.add([logits, logits], label)


@pytest.mark.parametrize("make", [DiceSemimetricLoss, DiceSemimetricCELoss])
def test_outputs_that_share_their_network(make) -> None:
    torch.manual_seed(3)
    weight = torch.randn(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    image, label = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.randint(0, 3, (4, 8, 8))

    def network(x):
        trunk = (x * weight).sigmoid()
        return [2 * trunk, 3 * trunk[..., ::2, ::2]]

    loss = make(softmax=True, batch=True)
    (expected,) = torch.autograd.grad(loss(network(image), label), weight)
    total = AccumulatedLoss(loss)
    for part in (slice(0, 1), slice(1, 4)):
        total.add(network(image[part]), label[part])
    with torch.no_grad():
        value = total.value
    torch.testing.assert_close(value, loss(network(image), label).detach())
    for part in (slice(0, 1), slice(1, 4)):
        total.backward(network(image[part]), label[part])
    torch.testing.assert_close(weight.grad, expected, rtol=1e-10, atol=1e-14)
