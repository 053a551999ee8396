"""region_loss: activation, hard and soft targets, classes, aggregation, weights, options."""

import itertools

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from reference import tolerance

from dice_semimetric import overlap, overlap_loss, region_loss, region_overlap, region_score

SHAPE = (3, 4, 6, 5)


def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and labels in which class 3 is absent from image 0 and class 2 from all."""
    label = rng.integers(0, 4, (3, 6, 5))
    label[label == 2] = 0
    label[0][label[0] == 3] = 1
    return rng.normal(size=SHAPE), label


def table(form: str, prob: np.ndarray, target: np.ndarray, pooled: bool) -> np.ndarray:
    if pooled:
        return np.array([reference.loss(form, prob[:, c], target[:, c]) for c in range(4)])
    return np.array(
        [[reference.loss(form, prob[b, c], target[b, c]) for c in range(4)] for b in range(3)]
    )


def mean(values: np.ndarray, kept: np.ndarray, per: str) -> float:
    """Average what is kept, one row after the other."""
    if per == "batch":
        return float(np.mean(values[kept])) if kept.any() else 0.0
    if per == "class":
        values, kept = values.T, kept.T
    rows = [np.mean(v[k]) for v, k in zip(values, kept, strict=True) if k.any()]
    return float(np.mean(rows)) if rows else 0.0


@in_float32
@pytest.mark.parametrize("per", ["batch", "image", "class"])
@pytest.mark.parametrize("classes", ["all", "present", (1, 3), (3,)])
@pytest.mark.parametrize("hard", [True, False])
def test_aggregation(backend: Backend, rng, dtype, per, classes, hard) -> None:
    logits, label = batch(rng)
    target = reference.one_hot(label, 4)
    if not hard:
        target = target * 0.75
    values = table("dml1", reference.softmax(logits), target, per == "batch")
    size = target.sum((0, 2, 3)) if per == "batch" else target.sum((2, 3))
    kept = size > 0 if classes == "present" else np.ones_like(size, bool)
    if isinstance(classes, tuple):
        values, kept = values[..., list(classes)], kept[..., list(classes)]
    result = backend.run(
        region_loss,
        logits.astype(dtype),
        label if hard else target.astype(dtype),
        activation="softmax",
        per=per,
        classes=classes,
    )
    assert result.shape == ()
    assert result.dtype == dtype
    np.testing.assert_allclose(result, mean(values, kept, per), **tolerance(dtype))


@pytest.mark.parametrize("form", ["dml2", "jml1", "jml2", "sdl", "sjl", "ctl", "stl"])
def test_forms(backend: Backend, rng, dtype, form) -> None:
    prob, target = rng.random(SHAPE), rng.random(SHAPE)
    result = backend.run(
        region_loss, prob.astype(dtype), target.astype(dtype), form=form, per="image"
    )
    expected = table(form, prob, target, False).mean()
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


@in_float32
@pytest.mark.parametrize(("per", "shape"), [("batch", (4,)), ("image", (3, 4)), ("class", (3, 4))])
def test_reductions(backend: Backend, rng, dtype, per, shape) -> None:
    prob, target = rng.random(SHAPE), rng.random(SHAPE)
    target[:, 1] = 0
    weight = (0.5, 1.0, 2.0, 0.0)
    args = (prob.astype(dtype), target.astype(dtype))
    expected = table("dml1", prob, target, per == "batch") * weight
    expected[..., 1] = 0
    options = {"per": per, "weight": weight, "classes": "present"}
    none = backend.run(region_loss, *args, **options, reduction="none")
    assert none.shape == shape
    np.testing.assert_allclose(none, expected, **tolerance(dtype))
    total = backend.run(region_loss, *args, **options, reduction="sum")
    np.testing.assert_allclose(total, expected.sum(), **tolerance(dtype))


@in_float32
def test_weight_may_be_an_array(backend: Backend, rng, dtype) -> None:
    prob, target = rng.random((2, *SHAPE)).astype(dtype)
    weight = np.array([0.5, 1.0, 2.0, 0.0])
    options = {"classes": (2, 0)}
    as_array = backend.run(region_loss, prob, target, weight=weight, **options)
    as_list = backend.run(region_loss, prob, target, weight=weight.tolist(), **options)
    assert as_array == as_list


@in_float32
@pytest.mark.parametrize("broadcast", ["image", "channel", "all"])
def test_masks_of_each_shape(backend: Backend, rng, dtype, broadcast) -> None:
    prob, target = rng.random((2, *SHAPE))
    mask = {
        "image": rng.random((3, 6, 5)) < 0.5,
        "channel": rng.random((3, 1, 6, 5)) < 0.5,
        "all": rng.random(SHAPE) < 0.5,
    }[broadcast]
    full = np.broadcast_to(mask[:, None] if mask.ndim == 3 else mask, SHAPE)
    expected = table("dml1", prob * full, target * full, False).mean()
    result = backend.run(
        region_loss, prob.astype(dtype), target.astype(dtype), mask=mask, per="image"
    )
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("per", ["batch", "image", "class"])
@pytest.mark.parametrize("classes", ["all", "present"])
def test_a_mask_that_leaves_nothing_gives_zero(backend: Backend, rng, dtype, per, classes) -> None:
    prob = rng.random(SHAPE).astype(dtype)
    mask = np.zeros((3, 6, 5), bool)
    result = backend.run(region_loss, prob, prob, mask=mask, per=per, classes=classes)
    assert result == 0


@in_float32
def test_log_and_focal(backend: Backend, rng, dtype) -> None:
    prob, target = rng.random((2, *SHAPE)).astype(dtype)
    plain = backend.run(region_loss, prob, target, reduction="none")
    focal = backend.run(region_loss, prob, target, reduction="none", gamma=2.0)
    np.testing.assert_allclose(focal, plain**0.5, **tolerance(dtype))
    log = backend.run(region_loss, prob, target, reduction="none", log=True)
    np.testing.assert_allclose(log, -np.log(1 - plain), **tolerance(dtype))


def test_log_of_a_disjoint_pair_is_finite(backend: Backend, dtype) -> None:
    x, y = np.zeros((2, 1, 1, 4), dtype)
    x[..., 0] = y[..., 1] = 1
    result = backend.run(region_loss, x, y, log=True)
    assert result == pytest.approx(-np.log(np.finfo(dtype).eps), rel=1e-5)


@in_float32
@pytest.mark.parametrize("spatial", [(), (7,), (3, 4), (2, 3, 4), (2, 2, 2, 3)])
def test_any_number_of_dimensions(backend: Backend, rng, dtype, spatial) -> None:
    logits = rng.normal(size=(2, 3, *spatial))
    label = rng.integers(0, 3, (2, *spatial))
    prob, target = reference.softmax(logits), reference.one_hot(label, 3)
    expected = np.mean([reference.loss("dml1", prob[:, c], target[:, c]) for c in range(3)])
    result = backend.run(region_loss, logits.astype(dtype), label, activation="softmax")
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


@in_float32
def test_an_empty_batch_gives_zero(backend: Backend, dtype) -> None:
    assert backend.run(region_loss, np.zeros((0, 2, 4), dtype), np.zeros((0, 4), int)) == 0


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "int64"])
def test_label_dtypes(backend: Backend, rng, kind) -> None:
    logits, label = batch(rng)
    a = backend.run(region_loss, logits, label.astype(kind), activation="softmax")
    b = backend.run(region_loss, logits, reference.one_hot(label, 4), activation="softmax")
    np.testing.assert_allclose(a, b, rtol=1e-12)


MASKS = ["bool", "uint8", "int8", "uint16", "int32", "int64"]


@in_float32
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_masks_of_each_class_may_overlap(backend: Backend, rng, dtype, kind, activation) -> None:
    logits, _ = batch(rng)
    masks = rng.random(SHAPE) < 0.4
    masks[:, 2] = False
    prob = reference.softmax(logits) if activation == "softmax" else 1 / (1 + np.exp(-logits))
    expected = mean(table("dml1", prob, masks, False), masks.any((2, 3)), "image")
    options = {"activation": activation, "per": "image", "classes": "present"}
    got = backend.run(region_loss, logits.astype(dtype), masks.astype(kind), **options)
    np.testing.assert_allclose(got, expected, **tolerance(dtype))
    counted = rng.random((3, 6, 5)) < 0.5
    some, soft = (
        backend.run(region_loss, prob.astype(dtype), masks.astype(k), mask=counted)
        for k in (kind, dtype)
    )
    np.testing.assert_allclose(some, soft, **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("kind", MASKS)
def test_a_single_channel_takes_masks_with_and_without_its_axis(
    backend: Backend, rng, dtype, kind
) -> None:
    prob, masks = rng.random((3, 1, 6, 5)), rng.random((3, 1, 6, 5)) < 0.4
    expected = reference.loss("dml1", prob, masks)
    for given in (masks.astype(kind), masks[:, 0].astype(kind)):
        got = backend.run(region_loss, prob.astype(dtype), given)
        np.testing.assert_allclose(got, expected, **tolerance(dtype))
    if kind != "bool":
        given = masks.astype(kind)
        given[:, :, 4:] = 9
        got = backend.run(region_loss, prob.astype(dtype), given, ignore_index=9)
        part = reference.loss("dml1", prob[:, :, :4], masks[:, :, :4])
        np.testing.assert_allclose(got, part, **tolerance(dtype))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.zeros((1, 3, 4, 5), int) + 2, r"target must lie in \[0, 1\], got values from 2 to 2"),
        (np.zeros((1, 4, 5)), r"for labels write target.astype\(int\)"),
        (np.zeros((1, 4, 5), bool), r"for labels write target.astype\(int\)"),
        (np.zeros((1, 4, 5, 3)), r"classes are last: write moveaxis\(target, -1, 1\)"),
        (np.zeros((1, 1, 4, 5), int), r"for labels write target\[:, 0\]"),
        (np.zeros((1, 4, 5, 1), int), r"for labels write target\[..., 0\]"),
        (np.zeros((3, 4, 5)), r"images is missing: write target\[None\]"),
        (np.zeros((4, 5), int), r"images is missing: write target\[None\]"),
        (np.zeros((1, 4, 6), int), r"got shape \(1, 4, 6\) and dtype int64: axis 2 is 6, not 5$"),
    ],
)
def test_a_refused_target_ends_with_what_to_write(target, message) -> None:
    with pytest.raises(ValueError, match=message):
        region_loss(np.full((1, 3, 4, 5), 0.5), target)


def test_masks_of_each_class_and_a_label_to_ignore_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="use mask with soft ones and with masks of each class"):
        region_loss(np.full((1, 3, 4), 0.5), np.zeros((1, 3, 4), int), ignore_index=255)


def test_soft_labels_of_one_channel_need_its_axis() -> None:
    with pytest.raises(ValueError, match=r"write target\[:, None\]"):
        region_loss(np.full((1, 1, 4), 0.5), np.full((1, 4), 0.5))


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("ignore_index", [None, 255])
def test_labels_of_one_channel_are_the_foreground(
    backend: Backend, rng, kind, ignore_index
) -> None:
    """In every function that takes them; on each library, the generic reductions included."""
    prob = rng.random((2, 1, 7, 5))
    label = rng.integers(0, 2, (2, 7, 5)).astype(kind)
    kept = np.ones(prob.shape, bool)
    if ignore_index is not None:
        label[:, :2] = ignore_index
        kept[:, :, :2] = False
    soft = np.where(kept, label[:, None] == 1, 0.0)
    options = {"ignore_index": ignore_index}
    sums = backend.run(region_overlap, prob, label, **options)
    expected = backend.run(region_overlap, prob, soft, mask=kept)
    for name in ("pred", "target", "difference", "product"):
        got, value = getattr(sums, name), getattr(expected, name)
        assert got.shape == (2, 1)
        np.testing.assert_allclose(got, value, rtol=1e-12)
    loss = backend.run(region_loss, prob, label, **options)
    np.testing.assert_allclose(loss, reference.loss("dml1", prob[kept], soft[kept]), rtol=1e-9)
    dice = backend.run(region_score, prob, label, per="batch", **options)
    np.testing.assert_allclose(dice, 1 - loss, rtol=1e-9)


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_blocks_do_not_show(rng, activation) -> None:
    """A volume of many blocks gives the sums of the plain expression."""
    logits = rng.normal(size=(2, 3, 40, 50, 60)).astype("float32")
    label = rng.integers(0, 3, (2, 40, 50, 60)).astype("uint8")
    prob = 1 / (1 + np.exp(-logits)) if activation == "sigmoid" else reference.softmax(logits)
    pred = prob.astype("float32") if activation is None else logits
    target = reference.one_hot(label, 3)
    expected = abs(prob - target).sum((2, 3, 4)) / (prob + target).sum((2, 3, 4))
    for order, wanted in itertools.product("CF", (label, target.astype("float32"))):
        result = region_loss(
            np.asarray(pred, order=order),
            np.asarray(wanted, order=order),
            activation=activation,
            per="image",
            reduction="none",
        )
        np.testing.assert_allclose(result, expected, rtol=1e-5)


@in_float32
def test_the_loss_of_a_stream_is_the_loss_of_the_whole(backend: Backend, rng, dtype) -> None:
    x, y = rng.random((2, 6, 50)).astype(dtype)

    def streamed(x, y):
        return overlap_loss(sum(overlap(x[i, ...], y[i, ...]) for i in range(6)), form="jml2")

    expected = reference.loss("jml2", x, y)
    np.testing.assert_allclose(backend.run(streamed, x, y), expected, **tolerance(dtype))


@in_float32
def test_an_ignore_index_that_the_label_dtype_cannot_hold(backend: Backend, rng, dtype) -> None:
    """255 is no -1, though it is the same byte."""
    prob = reference.softmax(rng.normal(size=(1, 256, 6))).astype(dtype)
    label = np.array([[255, 255, 0, 1, 255, 7]], "uint8")
    plain = backend.run(region_loss, prob, label)
    ignoring = backend.run(region_loss, prob, label, ignore_index=-1)
    assert plain == ignoring
