"""The loss modules: MONAI's numbers on hard labels, the core's on soft ones, clear errors."""

import itertools

import pytest

torch = pytest.importorskip("torch")
monai = pytest.importorskip("monai.losses")

from dice_semimetric_torch import (
    CompatibleFocalTverskyLoss,
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
)

from dice_semimetric import dml1, region_loss, value_checks

MODULES = [
    DiceSemimetricLoss,
    JaccardMetricLoss,
    CompatibleTverskyLoss,
    CompatibleFocalTverskyLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(3)


def batch(classes: int = 3, spatial: tuple[int, ...] = (6, 5)) -> tuple:
    """Return logits and labels with a class axis of 1, one class absent from one image."""
    logits = (3 * torch.randn(2, classes, *spatial)).requires_grad_()
    labels = torch.randint(0, max(classes, 2), (2, 1, *spatial))
    labels[0][labels[0] == 1] = 0
    return logits, labels


def assert_same(ours, theirs, logits, target, **tolerance: float) -> None:
    """Compare value and gradient of two losses."""
    results = []
    for loss in (ours, theirs):
        value = loss(logits, target)
        results.append((value.squeeze(), *torch.autograd.grad(value.sum(), logits)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b.reshape(a.shape), **tolerance)


OPTIONS = [
    dict(zip(("include_background", "reduction", "batch", "weight"), values, strict=True))
    for values in itertools.product(
        (True, False), ("mean", "sum", "none"), (True, False), (None, 2.0, "each")
    )
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("jaccard", [False, True])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_hard_labels_give_monais_dice_and_jaccard_loss(options, jaccard, activation) -> None:
    options = options | {activation: True, "to_onehot_y": True}
    if options["weight"] == "each":
        options["weight"] = [0.5, 1.5, 2.0][1 - options["include_background"] :]
    logits, labels = batch()
    ours, variants = (
        (JaccardMetricLoss, ("jml1", "jml2")) if jaccard else (DiceSemimetricLoss, ("dml1", "dml2"))
    )
    for variant in variants:
        assert_same(
            ours(**options, variant=variant),
            monai.DiceLoss(**options, jaccard=jaccard),
            logits,
            labels,
        )


@pytest.mark.parametrize("target", ["labels", "whole numbers", "one-hot"])
@pytest.mark.parametrize("spatial", [(7,), (4, 3), (3, 2, 4)])
def test_every_kind_of_hard_target_gives_monais_number(target, spatial) -> None:
    logits, labels = batch(4, spatial)
    given = labels.float() if target == "whole numbers" else labels
    one_hot = target == "one-hot"
    if one_hot:
        given = (labels == torch.arange(4).view(1, 4, *(1,) * len(spatial))).float()
    options = {"softmax": True, "to_onehot_y": not one_hot}
    assert_same(DiceSemimetricLoss(**options), monai.DiceLoss(**options), logits, given)
    squeezed = DiceSemimetricLoss(softmax=True)(logits, labels[:, 0])
    torch.testing.assert_close(squeezed, monai.DiceLoss(**options)(logits, given))


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.float32])
def test_a_single_channel_gives_monais_number(dtype) -> None:
    logits, labels = batch(1)
    target = labels.to(dtype)
    theirs = monai.DiceLoss(sigmoid=True)(logits, labels.float())
    torch.testing.assert_close(DiceSemimetricLoss(sigmoid=True)(logits, target), theirs)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.3, 0.7), (1.0, 0.0)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("include_background", [True, False])
def test_hard_labels_give_monais_tversky_loss(alpha, beta, reduction, include_background) -> None:
    options = {
        "softmax": True,
        "to_onehot_y": True,
        "alpha": alpha,
        "beta": beta,
        "reduction": reduction,
        "include_background": include_background,
    }
    logits, labels = batch()
    ours, theirs = CompatibleTverskyLoss(**options), monai.TverskyLoss(**options)
    assert_same(ours, theirs, logits, labels, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("jaccard", [True, False])
def test_soft_labels_give_monais_soft_label_form(batched, jaccard) -> None:
    logits, _ = batch()
    soft = torch.softmax(torch.randn_like(logits), 1)
    options = {"softmax": True, "batch": batched}
    ours = JaccardMetricLoss if jaccard else DiceSemimetricLoss
    theirs = monai.DiceLoss(**options, jaccard=jaccard, soft_label=True)
    assert_same(ours(**options), theirs, logits, soft, rtol=1e-5, atol=1e-6)
    wrong = SoftJaccardLoss if jaccard else SoftDiceLoss
    assert_same(wrong(**options), monai.DiceLoss(**options, jaccard=jaccard), logits, soft)


@pytest.mark.parametrize("ignore_index", [0, 2, 255, -1])
def test_ignored_pixels_give_monais_number(ignore_index) -> None:
    logits, labels = batch()
    labels[:, :, :2] = ignore_index
    options = {"softmax": True, "to_onehot_y": True, "ignore_index": ignore_index}
    assert_same(DiceSemimetricLoss(**options), monai.DiceLoss(**options), logits, labels)


def test_an_activation_of_ones_own_gives_monais_number() -> None:
    logits, labels = batch()
    options = {"other_act": lambda z: torch.softmax(z, 1), "to_onehot_y": True}
    assert_same(DiceSemimetricLoss(**options), monai.DiceLoss(**options), logits, labels)


@pytest.mark.parametrize("include_background", [True, False])
@pytest.mark.parametrize("weight", [None, [0.5, 1.5, 2.0]])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_both_terms_give_monais_dice_ce_loss(include_background, weight, reduction) -> None:
    logits, labels = batch()
    options = {
        "softmax": True,
        "to_onehot_y": True,
        "include_background": include_background,
        "reduction": reduction,
        "lambda_dice": 0.75,
        "lambda_ce": 0.25,
    }
    weight = None if weight is None else torch.tensor(weight)
    assert_same(
        DiceSemimetricCELoss(**options, weight=weight),
        monai.DiceCELoss(**options, weight=weight),
        logits,
        labels,
    )


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("per", ["batch", "image", "class"])
@pytest.mark.parametrize("classes", ["all", "present", (0, 2)])
@pytest.mark.parametrize("log", [True, False])
def test_options_are_those_of_the_core(module, per, classes, log) -> None:
    logits, labels = batch()
    loss = module(softmax=True, per=per, classes=classes, log=log, gamma=1.5, variant=None)
    expected = region_loss(
        logits.detach().numpy(),
        labels[:, 0].numpy(),
        form=module.variants[0],
        activation="softmax",
        per=per,
        classes=classes,
        log=log,
        gamma=1.5,
        smooth=(1e-5, 1e-5),
    )
    value = loss(logits, labels[:, 0]).detach().numpy()
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_focal_exponent_says_whose_it_is() -> None:
    logits, labels = batch()
    plain = CompatibleTverskyLoss(softmax=True, reduction="none", smooth_nr=0, smooth_dr=0)
    options = {"softmax": True, "reduction": "none", "smooth_nr": 0, "smooth_dr": 0}
    paper = CompatibleFocalTverskyLoss(**options, gamma=2)
    code = CompatibleFocalTverskyLoss(**options, gamma=2, focal_exponent="code")
    value = plain(logits, labels[:, 0])
    torch.testing.assert_close(paper(logits, labels[:, 0]), value.sqrt())
    torch.testing.assert_close(code(logits, labels[:, 0]), value**2)


def test_a_mask_hides_even_nan_from_every_term() -> None:
    logits, labels = batch()
    mask = torch.rand(2, 6, 5) < 0.6
    teacher = torch.softmax(torch.randn_like(logits), 1)
    for loss, rest in (
        (DiceSemimetricLoss(softmax=True), ()),
        (DiceSemimetricCELoss(softmax=True), ()),
        (DiceSemimetricCELoss(sigmoid=True), ()),
        (DistillationLoss(softmax=True), (teacher,)),
    ):
        results = []
        for hidden in (0.0, torch.nan):
            z = torch.where(mask[:, None], logits.detach(), hidden).requires_grad_()
            value = loss(z, labels[:, 0], *rest, mask=mask)
            (gradient,) = torch.autograd.grad(value, z)
            assert bool((gradient.movedim(1, -1)[~mask] == 0).all())
            results.append((value, gradient))
        torch.testing.assert_close(*results, rtol=0, atol=0)


@pytest.mark.parametrize("module", [*MODULES, DiceSemimetricCELoss])
def test_nothing_that_counts_is_no_loss(module) -> None:
    logits, labels = batch()
    mask = torch.zeros(2, 6, 5, dtype=torch.bool)
    value = module(softmax=True)(logits, labels[:, 0], mask)
    value.backward()
    assert value.item() == 0
    assert float(logits.grad.abs().max()) == 0


def test_soft_targets_reach_both_terms() -> None:
    logits = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True)
    soft = torch.softmax(logits.detach(), 1)
    entropy = -(soft * soft.log()).sum(1).mean()
    loss = DiceSemimetricCELoss(softmax=True)
    torch.testing.assert_close(loss(logits, soft).detach(), 0.25 * entropy)
    alone = DiceSemimetricCELoss(softmax=True, lambda_dice=0)
    (gradient,) = torch.autograd.grad(alone(logits, soft), logits)
    assert float(gradient.abs().max()) < 1e-15


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_distillation_adds_the_terms_with_the_teacher(activation) -> None:
    logits, labels = batch()
    labels[0, 0, 0] = 9
    teacher = torch.softmax(torch.randn_like(logits), 1)
    keep = labels[:, 0] != 9
    on = {activation: True}
    value = DistillationLoss(**on, temperature=2.0, ignore_index=9)(logits, labels[:, 0], teacher)
    if activation == "softmax":
        tempered = teacher.sqrt() / teacher.sqrt().sum(1, keepdim=True)
    else:
        odds = (teacher / (1 - teacher)).sqrt()
        tempered = odds / (1 + odds)
    expected = DiceSemimetricCELoss(**on, ignore_index=9)(logits, labels[:, 0])
    expected = expected + DiceSemimetricCELoss(**on, lambda_ce=4 * 0.25)(logits / 2, tempered, keep)
    torch.testing.assert_close(value, expected)


BAD = [
    ({"variant": "dml3"}, None, "variant must be one of 'dml1', 'dml2', got 'dml3'"),
    ({"sigmoid": True, "softmax": True}, None, "only one activation"),
    ({"reduction": "max"}, None, "reduction must be one of"),
    ({"batch": True, "per": "image"}, None, "per must be 'batch' where batch=True"),
    ({"classes": (1,), "include_background": False}, None, "include_background must stay True"),
    ({"classes": "some"}, None, "classes must be one of"),
    ({"process_group": object()}, None, "needs batch=True"),
    ({"weight": [1.0, -1.0]}, None, "weight must be at least 0"),
    ({"smooth_nr": -1.0}, None, "smooth must be at least 0"),
    ({"gamma": 0.0}, None, "gamma must be above 0"),
    ({}, torch.full((2, 3, 4, 5), 2), r"target must lie in \[0, 1\], got values from 2 to 2"),
    ({}, torch.zeros(2, 4, 5), r"for labels write target.long\(\)"),
    ({}, torch.zeros(2, 4, 5, 3), r"write target.movedim\(-1, 1\)"),
    ({}, torch.zeros(2, 3, 4, 6), "integer labels of shape"),
    ({}, torch.zeros(2, 1, 4, 5, dtype=torch.int64), "integer labels of shape.*to_onehot_y=True"),
    ({}, torch.full((2, 4, 5), 3), "labels from 0 to 2, got values from 3 to 3"),
    ({"ignore_index": 7}, torch.zeros(2, 3, 4, 5), "use mask with soft"),
    ({"to_onehot_y": True}, torch.full((2, 1, 4, 5), 0.5), "whole numbers"),
    ({"weight": [1.0, 2.0]}, torch.zeros(2, 4, 5, dtype=torch.int64), "weight must hold one"),
    ({}, torch.full((2, 3, 4, 5), 1.5), "target must lie in"),
]


@pytest.mark.parametrize(("options", "target", "message"), BAD)
def test_bad_input_says_what_was_expected(options, target, message) -> None:
    with pytest.raises(ValueError, match=message):
        DiceSemimetricLoss(**{"softmax": True} | options)(torch.zeros(2, 3, 4, 5), target)


def test_the_sigmoid_of_an_infinite_logit_is_one() -> None:
    logits, labels = batch()
    logits = logits.detach().clone()
    logits[1, 2, 3, 3] = torch.inf
    got = DiceSemimetricLoss(sigmoid=True)(logits, labels[:, 0])
    assert got == DiceSemimetricLoss(sigmoid=True)(logits.clamp(max=1e3), labels[:, 0])


@pytest.mark.parametrize(
    ("activation", "bad"),
    [("softmax", torch.nan), ("softmax", torch.inf), ("sigmoid", torch.nan)],
)
def test_nan_is_an_error_unless_checks_are_off(activation, bad) -> None:
    logits, labels = batch()
    logits = logits.detach().clone()
    logits[1, 2, 3, 3] = bad
    loss = DiceSemimetricLoss(**{activation: True})
    with pytest.raises(ValueError, match=f"finite logits, got some whose {activation} is NaN"):
        loss(logits, labels[:, 0])
    with value_checks("never"):
        assert bool(loss(logits, labels[:, 0]).isnan())


def test_compound_losses_need_logits() -> None:
    with pytest.raises(ValueError, match="softmax=True or sigmoid=True"):
        DiceSemimetricCELoss()
    with pytest.raises(ValueError, match="single channel"):
        DiceSemimetricCELoss(softmax=True)(torch.zeros(1, 1, 4), torch.zeros(1, 4).long())
    with pytest.raises(ValueError, match="lambda_ce must be at least 0"):
        DiceSemimetricCELoss(softmax=True, lambda_ce=-1)
    with pytest.raises(ValueError, match="temperature must be above 0"):
        DistillationLoss(softmax=True, temperature=0)
    with pytest.raises(ValueError, match="teacher must be probabilities of shape"):
        DistillationLoss(softmax=True)(
            torch.zeros(1, 2, 4), torch.zeros(1, 4).long(), torch.zeros(1, 3, 4)
        )


def test_a_state_dict_holds_monais_weight() -> None:
    ours, theirs = DiceSemimetricLoss(weight=[1.0, 2.0]), monai.DiceLoss(weight=[1.0, 2.0])
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_metatensors_are_taken_as_tensors() -> None:
    data = pytest.importorskip("monai.data")
    logits, labels = batch()
    plain = DiceSemimetricLoss(softmax=True)(logits, labels[:, 0])
    meta = DiceSemimetricLoss(softmax=True)(
        data.MetaTensor(logits.detach()), data.MetaTensor(labels[:, 0])
    )
    torch.testing.assert_close(torch.as_tensor(meta), plain.detach(), check_stride=False)


def test_dml1_of_tensors_runs_the_kernels_too() -> None:
    x = torch.rand(50, dtype=torch.float64, requires_grad=True)
    y = torch.rand(50, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(dml1(x, y), x)
    total, gap = (x + y).sum(), (x - y).abs().sum()
    expected = (torch.sign(x - y) - gap / total) / total
    torch.testing.assert_close(gradient, expected.detach())
