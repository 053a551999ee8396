"""Brier score and log loss beside loops in float64, scikit-learn, torchmetrics and PyTorch."""

import numpy as np
import pytest
from backends import NUMBERS, Backend, available

from dice_semimetric import (
    brier_score,
    log_loss,
    one_hot,
    proper_score,
    uniform_average,
    value_checks,
)
from dice_semimetric._lib.blocks import BLOCK

RNG = np.random.default_rng(8)
PROB = np.moveaxis(RNG.dirichlet([0.5] * 4, (3, 5, 6)), -1, 1)
SOFT = np.moveaxis(RNG.dirichlet([0.3] * 4, (3, 5, 6)), -1, 1)
LABEL = RNG.integers(0, 4, (3, 5, 6))
RATERS = RNG.integers(0, 4, (7, 3, 5, 6))
FOREGROUND, MASKS = RNG.random((4, 5, 6)), RNG.random((7, 4, 5, 6)) < 0.4
SCORES = {"brier": brier_score, "log": log_loss}
both = pytest.mark.parametrize("score", SCORES)


def expected(prob, label, score, kept=None) -> float:
    """Return the mean score over all labels that soft ones stand for, pixel by pixel."""
    prob, label = (
        np.moveaxis(np.asarray(a, float), 1, -1).reshape(-1, a.shape[1]) for a in (prob, label)
    )
    total, count = 0.0, 0
    for p, y, k in zip(
        prob, label, np.ones(len(prob), bool) if kept is None else kept.ravel(), strict=True
    ):
        if not k:
            continue
        count += 1
        for c, weight in enumerate(y):
            hard = np.eye(len(y))[c]
            of_label = np.sum((p - hard) ** 2) if score == "brier" else -np.log(p[c])
            total += weight * of_label
    return total / count


def two(p) -> np.ndarray:
    """Return background and foreground."""
    return np.stack([1 - p, p], axis=1)


@both
def test_it_is_the_loop(score) -> None:
    found = SCORES[score]
    np.testing.assert_allclose(found(PROB, SOFT), expected(PROB, SOFT, score), rtol=1e-12)
    hot = one_hot(LABEL, 4)
    wanted = expected(PROB, hot, score)
    for label in (LABEL, LABEL.astype("uint8"), hot, hot.astype(bool), hot.astype(int)):
        np.testing.assert_allclose(found(PROB, label), wanted, rtol=1e-12)


@both
@pytest.mark.parametrize("soft", [False, True])
def test_one_class_implies_the_background(score, soft) -> None:
    found, mask = SCORES[score], MASKS[0]
    y = RNG.random(FOREGROUND.shape) if soft else mask
    wanted = expected(two(FOREGROUND), two(y), score)
    one = (a[:, None] for a in (FOREGROUND, y))
    np.testing.assert_allclose(found(*one), wanted, rtol=1e-12)
    half = 2 if score == "brier" else 1
    binary = found(FOREGROUND, y, kind="binary")
    np.testing.assert_allclose(binary, wanted / half, rtol=1e-12)
    for shape in ((-1,), (2, 60), (1, 1, 1, 120)):
        flat = found(FOREGROUND.reshape(shape), y.reshape(shape), kind="binary")
        np.testing.assert_allclose(flat, binary, rtol=1e-12)
    pixel = found(np.array(0.25), np.array(1), kind="binary")
    assert pixel == (0.5625 if score == "brier" else -np.log(0.25))


@both
def test_each_rater_and_their_mean(score) -> None:
    found = SCORES[score]
    each = found(PROB, RATERS, rater_axis=0)
    np.testing.assert_allclose(each, [found(PROB, r) for r in RATERS], rtol=1e-14)
    np.testing.assert_allclose(found(PROB, np.moveaxis(RATERS, 0, 1), rater_axis=1), each)
    soft = uniform_average(RATERS, num_classes=4, dtype=np.float64)
    np.testing.assert_allclose(found(PROB, soft), each.mean(), rtol=1e-12)
    binary = found(FOREGROUND, MASKS, kind="binary", rater_axis=0)
    mean = found(FOREGROUND, MASKS.mean(axis=0), kind="binary")
    np.testing.assert_allclose(mean, binary.mean(), rtol=1e-12)
    several = np.stack([SOFT, PROB])
    np.testing.assert_allclose(found(PROB, several, rater_axis=0)[0], found(PROB, SOFT))


@both
def test_images_masks_and_ignored_labels(score) -> None:
    found = SCORES[score]
    mask = RNG.random(LABEL.shape) < 0.6
    mask[1] = False
    partly = np.where(mask, LABEL, 9)
    prob = np.where(mask[:, None], PROB, np.nan)
    hot = one_hot(LABEL, 4)
    wanted = [expected(PROB[i : i + 1], hot[i : i + 1], score, mask[i]) for i in (0, 2)]
    for label, options in (
        (partly, {"ignore_index": 9}),
        (LABEL, {"mask": mask}),
        (LABEL, {"mask": mask[:, None]}),
        (np.where(mask[:, None], hot, np.nan), {"mask": mask}),
    ):
        pooled = found(prob, label, **options)
        np.testing.assert_allclose(pooled, expected(PROB, hot, score, mask), rtol=1e-12)
        images = found(prob, label, per="image", reduction="none", **options)
        np.testing.assert_allclose(images, [wanted[0], np.nan, wanted[1]], rtol=1e-12)
        np.testing.assert_allclose(found(prob, label, per="image", **options), np.mean(wanted))
        total = found(prob, label, per="image", reduction="sum", **options)
        np.testing.assert_allclose(total, np.sum(wanted))
    by_rater = found(PROB, RATERS, rater_axis=0, per="image", reduction="none")
    assert by_rater.shape == (7, 3)


@both
def test_the_binary_one_with_a_mask_and_a_label_to_ignore(score) -> None:
    mask = RNG.random(FOREGROUND.shape) < 0.5
    p, y = np.where(mask, FOREGROUND, np.nan), np.where(mask, MASKS[0], 255).astype("uint8")
    wanted = SCORES[score](FOREGROUND[mask], MASKS[0][mask], kind="binary")
    ignored = SCORES[score](p, y, kind="binary", ignore_index=255)
    masked = SCORES[score](p, MASKS[0], kind="binary", mask=mask)
    np.testing.assert_allclose([ignored, masked], wanted, rtol=1e-12)


@both
def test_regions_that_overlap(score) -> None:
    regions = RNG.random((2, 3, 5)) < 0.5
    prob = RNG.random((2, 3, 5))
    each = [SCORES[score](prob[:, c], regions[:, c], kind="binary") for c in range(3)]
    np.testing.assert_allclose(SCORES[score](prob, regions, kind="binary"), np.mean(each))


@both
def test_the_divergence_is_what_the_label_leaves(score) -> None:
    found = SCORES[score]
    for kind, p, y in (("multiclass", PROB, SOFT), ("binary", FOREGROUND, MASKS.mean(axis=0))):
        least = found(y, y, kind=kind)
        left = found(p, y, kind=kind, divergence=True)
        np.testing.assert_allclose(left, found(p, y, kind=kind) - least, rtol=1e-10)
        assert found(y, y, kind=kind, divergence=True) == 0
        assert left > 0
    square = np.mean(np.sum((PROB - SOFT) ** 2, axis=1))
    kl = np.mean(np.sum(SOFT * np.log(SOFT / PROB), axis=1))
    wanted = square if score == "brier" else kl
    np.testing.assert_allclose(found(PROB, SOFT, divergence=True), wanted, rtol=1e-12)


@both
@pytest.mark.parametrize("kind", ["softmax", "one class", "binary"])
def test_logits(score, kind) -> None:
    z = RNG.normal(size=(2, 4, 30)) * 3
    if kind == "softmax":
        p, label = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), RNG.integers(0, 4, (2, 30))
        options, given = {"activation": "softmax"}, {}
    else:
        z = z[:, :1] if kind == "one class" else z
        p = 1 / (1 + np.exp(-z))
        label = RNG.integers(0, 2, p.shape if kind == "binary" else (2, 30))
        given = {"kind": "binary"} if kind == "binary" else {}
        options = {"activation": "sigmoid"}
    wanted = SCORES[score](p, label, **given)
    np.testing.assert_allclose(SCORES[score](z, label, **given, **options), wanted, rtol=1e-12)
    soft = (
        np.where(label == 1, 0.75, 0.125)
        if kind == "binary"
        else RNG.dirichlet([1] * 4, (2, 30)).swapaxes(1, 2)
    )
    soft = soft[:, :1] if kind == "one class" else soft
    wanted = SCORES[score](p, soft, **given)
    np.testing.assert_allclose(SCORES[score](z, soft, **given, **options), wanted, rtol=1e-12)


def test_of_logits_no_logarithm_is_cut_off() -> None:
    z, label = np.array([[[500.0, -np.inf], [0.0, 0.0]]], "float32"), np.array([[1, 1]])
    assert log_loss(z, label, activation="softmax") == 250
    assert (
        log_loss(np.array([-500.0, 500.0]), np.array([1, 1]), kind="binary", activation="sigmoid")
        == 250
    )
    for dtype in ("float32", "float64"):
        sure = log_loss(np.array([0.0, 1.0], dtype), np.array([1, 0]), kind="binary")
        np.testing.assert_allclose(sure, -np.log(np.finfo(dtype).eps), rtol=1e-6)
        assert log_loss(np.array([1.0, 0.0], dtype), np.array([1, 0]), kind="binary") == 0


@both
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes_strides_and_blocks(score, dtype) -> None:
    """In more pixels than a block, of any stride, NaN where a pixel does not count."""
    size = 3 * BLOCK
    prob = RNG.dirichlet([1.0] * 3, size).astype(dtype).reshape(2, -1, 3)[:, ::-1]
    prob, label = np.moveaxis(prob, -1, 1), RNG.integers(0, 3, (2, size // 2)).T.copy().T
    mask = RNG.random(label.shape) < 0.7
    prob = np.where(mask[:, None], prob, np.nan).astype(dtype)
    picked = np.take_along_axis(prob.astype(float), label[:, None], 1)[:, 0]
    terms = -np.log(np.maximum(picked, np.finfo("float32").eps))
    if score == "brier":
        terms = (prob.astype(float) ** 2).sum(axis=1) - 2 * picked + 1
    for per, wanted in (
        ("batch", terms[mask].mean()),
        ("image", [t[m].mean() for t, m in zip(terms, mask, strict=True)]),
    ):
        found = SCORES[score](prob, label, mask=mask, per=per, reduction="none")
        assert found.dtype == ("float64" if dtype == "float64" else "float32")
        np.testing.assert_allclose(found, wanted, rtol=2e-6)
    with pytest.raises(ValueError, match=r"prob must lie in \[0, 1\], got NaN"):
        SCORES[score](prob, label)
    broken = label.copy()
    broken[-1, -1] = 7
    with pytest.raises(
        ValueError, match="label must hold labels from 0 to 2, got values from 0 to 7"
    ):
        SCORES[score](prob, broken)


@both
def test_bad_input(score) -> None:
    found = SCORES[score]
    with pytest.raises(
        ValueError, match=r"prob must sum to 1 over its 4 classes, .* kind='binary'"
    ):
        found(PROB / 2, LABEL)
    with pytest.raises(ValueError, match="label must sum to 1 over its 4 classes"):
        found(PROB, SOFT / 2)
    found(np.round(PROB * 255) / 255, LABEL)
    with value_checks("never"):
        found(PROB / 2, LABEL)
    with pytest.raises(ValueError, match="activation must be 'softmax' for several classes"):
        found(PROB, LABEL, activation="sigmoid")
    for prob, options in ((PROB, {"kind": "binary"}), (PROB[:, :1], {})):
        with pytest.raises(ValueError, match="activation must be 'sigmoid' for"):
            found(prob, prob, activation="softmax", **options)
    with pytest.raises(ValueError, match="prob must hold finite logits"):
        found(np.full((1, 2, 3), np.nan), np.zeros((1, 3), int), activation="softmax")
    for prob, raters, axis, kind in (
        (PROB, RATERS, 0, "multiclass"),
        (PROB, np.moveaxis(RATERS, 0, 1), 1, "multiclass"),
        (PROB, np.stack([SOFT, SOFT]), 0, "multiclass"),
        (FOREGROUND, MASKS, 0, "binary"),
    ):
        with pytest.raises(
            ValueError, match=f"label must be that of one rater, .* write rater_axis={axis}$"
        ):
            found(prob, raters, kind=kind)
    with pytest.raises(ValueError, match="label must hold at least one rater along axis 0"):
        found(PROB, RATERS[:0], rater_axis=0)
    with pytest.raises(ValueError, match="ignore_index is for integer labels"):
        found(PROB, SOFT, ignore_index=3)
    assert np.isnan(found(PROB, LABEL, mask=np.zeros(LABEL.shape, bool)))
    assert np.isnan(found(PROB[:0], LABEL[:0]))
    assert np.isnan(found(PROB[..., :0], LABEL[..., :0]))


@both
@pytest.mark.parametrize("library", NUMBERS)
def test_every_library(library, score) -> None:
    backend: Backend = available(library)
    name = "brier_score" if score == "brier" else "log_loss"
    for arrays, options in (
        ((PROB, RATERS), {"rater_axis": 0, "per": "image"}),
        ((PROB, SOFT), {"divergence": True}),
        ((FOREGROUND, MASKS[0]), {"kind": "binary", "mask": MASKS[1]}),
        ((PROB, LABEL), {"activation": "softmax", "ignore_index": 2}),
    ):
        given = tuple(a.astype("float32") if a.dtype == float else a for a in arrays)
        found = backend.run(SCORES[score], *given, **options)
        np.testing.assert_allclose(found, SCORES[score](*given, **options), rtol=2e-5, err_msg=name)


@both
def test_parity_with_scikit_learn(score) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    theirs = metrics.brier_score_loss if score == "brier" else metrics.log_loss
    y, p = MASKS[0].ravel(), FOREGROUND.ravel()
    np.testing.assert_allclose(SCORES[score](p, y, kind="binary"), theirs(y, p), rtol=1e-12)
    rows = np.moveaxis(PROB, 1, -1).reshape(-1, 4)
    rows /= rows.sum(axis=1, keepdims=True)
    wanted = theirs(LABEL.ravel(), rows, labels=[0, 1, 2, 3])
    np.testing.assert_allclose(SCORES[score](PROB, LABEL), wanted, rtol=1e-12)


@both
def test_gradients_are_those_of_torch(score) -> None:
    """Of the cross-entropy, too, with a NaN that does not count."""
    torch = pytest.importorskip("torch")
    z = torch.tensor(RNG.normal(size=(3, 4, 5, 6)), requires_grad=True)
    for label in (torch.tensor(LABEL), torch.tensor(SOFT)):
        hot = label if label.ndim == 4 else torch.nn.functional.one_hot(label, 4).movedim(-1, 1)
        p = z.softmax(1)
        wanted = (p - hot).square().sum(1).mean()
        if score == "log":
            wanted = torch.nn.functional.cross_entropy(z, label)
        found = SCORES[score](z, label, activation="softmax")
        (slope,) = torch.autograd.grad(wanted, z)
        torch.testing.assert_close(torch.autograd.grad(found, z)[0], slope)
    holed = z.detach().clone()
    holed[0, :, 0] = float("nan")
    holed.requires_grad_()
    mask = torch.ones(3, 5, 6, dtype=torch.bool)
    mask[0, 0] = False
    SCORES[score](holed, torch.tensor(LABEL), activation="softmax", mask=mask).backward()
    assert torch.isfinite(holed.grad).all()


def test_parity_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional")
    p, y = torch.tensor(FOREGROUND).ravel(), torch.tensor(MASKS[0].astype(float)).ravel()
    wanted = functional.mean_squared_error(p, y)
    torch.testing.assert_close(brier_score(p, y, kind="binary", divergence=True), wanted)
    rows = (torch.tensor(a).movedim(1, -1).reshape(-1, 4) for a in (SOFT, PROB))
    wanted = functional.kl_divergence(*rows)
    found = log_loss(torch.tensor(PROB), torch.tensor(SOFT), divergence=True)
    torch.testing.assert_close(found, wanted)


@both
def test_no_other_prediction_scores_better_in_the_mean(score) -> None:
    best = SCORES[score](SOFT, SOFT)
    for other in (PROB, SOFT**2 / (SOFT**2).sum(axis=1, keepdims=True), SOFT[:, ::-1]):
        assert SCORES[score](other, SOFT) > best


@both
def test_nothing_changes_and_read_only_arrays_are_taken(score) -> None:
    prob, label = PROB.copy(), LABEL.copy()
    prob.flags.writeable = label.flags.writeable = False
    assert SCORES[score](prob, label) == proper_score(prob, label, score=score).mean()
