"""Masks of each class as targets: MONAI's value and gradient, whatever their dtype and shape."""

import itertools

import pytest

torch = pytest.importorskip("torch")
monai = pytest.importorskip("monai.losses")

from dice_semimetric_torch import (
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
    JaccardMetricLoss,
)

_HARD = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32")
DTYPES = [getattr(torch, name) for name in (*_HARD, "float16", "float64")]


def both(ours, theirs, logits, target, plain) -> None:
    """Compare value and gradient; ``plain`` is the target in float32, as MONAI needs it."""
    results = []
    for loss, given in ((ours, target), (theirs, plain)):
        value = loss(logits, given)
        results.append((value.squeeze(), *torch.autograd.grad(value.sum(), logits)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b.reshape(a.shape), rtol=1e-6, atol=1e-6, check_dtype=False)


def case(classes: int, spatial: tuple[int, ...], activation: str) -> tuple:
    torch.manual_seed(5)
    logits, masks = torch.randn(2, classes, *spatial), torch.rand(2, classes, *spatial) < 0.4
    return (logits if activation else logits.sigmoid()).requires_grad_(), masks


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", ""])
@pytest.mark.parametrize("spatial", [(5, 4), (3, 2, 4)], ids=["2-D", "3-D"])
def test_masks_of_each_class_give_monais_number(dtype, activation, spatial) -> None:
    logits, masks = case(3, spatial, activation)
    chosen = {activation: True} if activation else {}
    for background, batch, reduction in itertools.product(
        (True, False), (True, False), ("mean", "sum", "none")
    ):
        options = {"include_background": background, "batch": batch, "reduction": reduction}
        for ours, theirs in (
            (DiceSemimetricLoss(**options, **chosen), monai.DiceLoss(**options, **chosen)),
            (
                JaccardMetricLoss(**options, **chosen),
                monai.DiceLoss(**options, **chosen, jaccard=True),
            ),
            (CompatibleTverskyLoss(**options, **chosen), monai.TverskyLoss(**options, **chosen)),
        ):
            both(ours, theirs, logits, masks.to(dtype), masks.float())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("axis", [True, False], ids=["class axis", "no class axis"])
def test_a_single_channel_gives_monais_number(dtype, axis) -> None:
    logits, masks = case(1, (5, 4), "sigmoid")
    target = masks.to(dtype)
    if not axis:
        if dtype.is_floating_point:
            pytest.skip("soft labels have the class axis")
        target = target[:, 0]
    options = {"sigmoid": True}
    weights = {"lambda_dice": 1.0, "lambda_ce": 1.0}
    both(DiceSemimetricLoss(**options), monai.DiceLoss(**options), logits, target, masks.float())
    both(
        DiceSemimetricCELoss(**options, **weights),
        monai.DiceCELoss(**options),
        logits,
        target,
        masks.float(),
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("weight", [None, [0.5, 1.0, 2.0]])
def test_masks_of_each_class_give_monais_cross_entropy(dtype, weight) -> None:
    logits, masks = case(3, (5, 4), "softmax")
    weight = None if weight is None else torch.tensor(weight)
    options = {"softmax": True, "weight": weight}
    ours = DiceSemimetricCELoss(**options, lambda_dice=1.0, lambda_ce=1.0)
    both(ours, monai.DiceCELoss(**options), logits, masks.to(dtype), masks.float())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss, DistillationLoss])
def test_masks_of_each_class_equal_floats_with_every_option(loss, activation) -> None:
    logits, masks = case(3, (5, 4), activation)
    masks[0, 1] = False
    teacher = (torch.softmax(torch.randn(2, 3, 5, 4), 1),) if loss is DistillationLoss else ()
    per_class = torch.rand(2, 3, 5, 4) < 0.5
    for mask in (None, per_class, per_class[:, 0]):
        module = loss(**{activation: True}, classes="present", weight=[1.0, 2.0, 0.5])
        whole, plain = (
            module(logits, target, *teacher, mask=mask) for target in (masks.long(), masks.float())
        )
        torch.testing.assert_close(whole, plain, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_masks_of_each_class_take_the_compiled_kernels(dtype) -> None:
    host = pytest.importorskip("dice_semimetric_torch._sums.host")
    from dice_semimetric_torch._sums.reader import Options

    logits, masks = case(3, (5, 4), "sigmoid")
    options = Options((2, 3), torch.float32, "sigmoid")
    assert host.eligible(logits, masks.to(dtype), None, options)
