"""Lists of outputs: the weighted sum of the losses of each output with a target of its size."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss, DistillationLoss

LOSSES = [DiceSemimetricLoss, DiceSemimetricCELoss]
SIZES = [(8, 12), (4, 6), (2, 3)]
WEIGHTS = (4 / 7, 2 / 7, 1 / 7)
every_loss = pytest.mark.parametrize("loss", LOSSES)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(12)


def outputs(classes: int = 3, sizes=SIZES) -> list:
    return [torch.randn(2, classes, *size, requires_grad=True) for size in sizes]


def blocks(soft, size, counts=None):
    """Return the means over equal blocks, pixel by pixel."""
    counts = (
        torch.ones_like(soft, dtype=torch.bool) if counts is None else counts.expand(soft.shape)
    )
    out = torch.zeros(*soft.shape[:2], *size)
    steps = [n // m for n, m in zip(soft.shape[2:], size, strict=True)]
    for place in torch.cartesian_prod(*(torch.arange(n) for n in size)):
        cut = [slice(int(i) * s, (int(i) + 1) * s) for i, s in zip(place, steps, strict=True)]
        where = (slice(None), slice(None), *cut)
        values, kept = soft[where].flatten(2), counts[where].flatten(2)
        total = torch.where(kept, values, 0).sum(2)
        out[(slice(None), slice(None), *map(int, place))] = total / kept.sum(2).clamp(min=1)
    return out


def nearest(label, size):
    """Return PyTorch's own nearest pixels, which it finds for floats with a class axis."""
    given = label[:, None] if label.ndim == 3 else label
    found = F.interpolate(given.double(), size, mode="nearest-exact").to(label.dtype)
    return found[:, 0] if label.ndim == 3 else found


def compare(found, expected, inputs) -> None:
    slopes = [torch.autograd.grad(v, inputs, retain_graph=True) for v in (found, expected)]
    torch.testing.assert_close(found, expected)
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other)


@every_loss
@pytest.mark.parametrize("kind", ["labels", "class axis", "floats", "masks", "soft"])
@pytest.mark.parametrize("masked", [False, True])
def test_each_output_has_its_target(loss, kind, masked) -> None:
    scores, label = outputs(), torch.randint(0, 3, (2, 8, 12))
    label[0, :3] = 7
    mask = torch.rand(2, 8, 12) < 0.5 if masked else None
    options = {"softmax": True}
    if kind in ("labels", "class axis", "floats"):
        options["ignore_index"] = 7
        levels = [nearest(label, size) for size in SIZES]
        if kind != "labels":
            options["to_onehot_y"] = True
        target = {"labels": label, "class axis": label[:, None], "floats": label[:, None].float()}
        target = target[kind]
    elif kind == "masks":
        target = (torch.rand(2, 3, 8, 12) < 0.5).to(torch.uint8)
        levels = [nearest(target, size) for size in SIZES]
    else:
        target = torch.softmax(torch.randn(2, 3, 8, 12), 1)
        counts = None if mask is None else mask[:, None]
        levels = [blocks(target, size, counts) for size in SIZES]
        if masked:
            target = target.masked_fill(~mask[:, None], torch.nan)
    masks = [None if mask is None else nearest(mask, size) for size in SIZES]
    module = loss(**options)
    rows = zip(WEIGHTS, scores, levels, masks, strict=True)
    expected = sum(w * module(x, y, m) for w, x, y, m in rows)
    compare(module(scores, target, mask), expected, scores)
    compare(module(tuple(scores), target, mask), expected, scores)
    given = masks if masked else None
    compare(module(scores, levels, given), expected, scores)


def test_distillation_averages_the_teacher_where_pixels_count() -> None:
    scores, label = outputs(), torch.randint(0, 3, (2, 8, 12))
    label[:, :3, :5] = 7
    mask = torch.rand(2, 8, 12) < 0.7
    teacher = torch.softmax(torch.randn(2, 3, 8, 12), 1)
    counts = mask[:, None] & (label != 7)[:, None]
    hidden = teacher.masked_fill(~counts, torch.nan)
    loss = DistillationLoss(softmax=True, ignore_index=7, temperature=2.0)
    parts = [
        w * loss(x, nearest(label, s), blocks(teacher, s, counts), nearest(mask, s))
        for w, x, s in zip(WEIGHTS, scores, SIZES, strict=True)
    ]
    compare(loss(scores, label, hidden, mask), sum(parts), scores)


@pytest.mark.parametrize("mask_shape", [(1, 1, 8, 12), (8, 12), (2, 3, 8, 12), (2, 1, 8, 1)])
def test_masks_that_broadcast(mask_shape) -> None:
    scores, soft = outputs(), torch.rand(2, 3, 8, 12)
    mask = torch.rand(mask_shape) < 0.5
    loss, whole = DiceSemimetricCELoss(sigmoid=True), mask.expand(2, 3, 8, 12)
    torch.testing.assert_close(loss(scores, soft, mask), loss(scores, soft, whole))


@every_loss
def test_weights_that_are_given_are_taken_as_they_are(loss) -> None:
    scores, label = outputs(), torch.randint(0, 3, (2, 8, 12))
    weighted = loss(softmax=True, deep_supervision_weights=(1, 0.5, 0))
    plain = loss(softmax=True)
    expected = plain(scores[0], label) + 0.5 * plain(scores[1], nearest(label, SIZES[1]))
    torch.testing.assert_close(weighted(scores, label), expected)
    assert torch.equal(weighted(scores[0], label), plain(scores[0], label))
    with pytest.raises(ValueError, match="a number for each output, got 3 for 2 outputs"):
        weighted(scores[:2], label)


def test_terms_add_up_over_outputs() -> None:
    scores, label = outputs(), torch.randint(0, 3, (2, 8, 12))
    loss = DiceSemimetricCELoss(softmax=True)
    dice, entropy = loss.terms(scores, label)
    torch.testing.assert_close(0.75 * dice + 0.25 * entropy, loss(scores, label))


@pytest.mark.parametrize("sizes", [[(9,), (5,)], [(5, 7), (3, 4), (2, 2)], [(4, 6, 5), (2, 3, 2)]])
def test_sizes_that_do_not_divide(sizes) -> None:
    scores = outputs(2, sizes)
    soft = torch.softmax(torch.randn(2, 2, *sizes[0]), 1)
    hard = (soft > 0.5).to(torch.uint8)
    loss = DiceSemimetricLoss(softmax=True, reduction="none")
    assert loss(scores, soft).shape == (2, 2)
    wanted = [F.interpolate(soft, size, mode="area") for size in sizes]
    torch.testing.assert_close(loss(scores, soft), loss(scores, wanted))
    wanted = [F.interpolate(hard.float(), s, mode="nearest-exact") for s in sizes]
    torch.testing.assert_close(loss(scores, hard), loss(scores, wanted))


def test_smoothing_is_that_of_each_level() -> None:
    scores, label = outputs(), torch.randint(0, 3, (2, 8, 12))
    loss = DiceSemimetricCELoss(softmax=True, label_smoothing=0.2, smoothing="boundary")
    levels = [nearest(label, size) for size in SIZES]
    parts = [w * loss(x, y) for w, x, y in zip(WEIGHTS, scores, levels, strict=True)]
    torch.testing.assert_close(loss(scores, label), sum(parts))


def test_half_precision_and_a_compiled_loss() -> None:
    scores, soft = outputs(), torch.softmax(torch.randn(2, 3, 8, 12), 1)
    loss = DiceSemimetricCELoss(softmax=True)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(scores, soft), loss(scores, soft))
    halves = [x.detach().half() for x in scores]
    value = loss(halves, soft.half())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(scores, soft), rtol=5e-3, atol=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y: ([], y), ValueError, "at least one output, got none"),
        (lambda x, y: (x, [y, y]), ValueError, "target must hold .* got 2 for 3 outputs"),
        (lambda x, y: (x, y[:, :2, :3]), ValueError, "as large as each output"),
        (lambda x, y: (x, y, torch.ones(2, 4, 6) > 0), ValueError, "mask must have the size"),
        (lambda x, y: (x, None), TypeError, "target must be a tensor, got None"),
    ],
)
def test_bad_input(change, error, message) -> None:
    label = torch.randint(0, 3, (2, 8, 12))
    with pytest.raises(error, match=message):
        DiceSemimetricLoss(softmax=True)(*change(outputs(), label))
