"""Scores: Dice, Jaccard and BDice of arrays and regions, what is empty, the real predictions."""

import math
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from reference import tolerance

import dice_semimetric as ds
from dice_semimetric.thresholds import THRESHOLDS

DATA = Path(os.environ.get("DSM_DATA", Path(__file__).parents[3] / "shared" / "data"))


def pair(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple:
    """Return soft arrays with many values that lie on a threshold."""
    x, y = np.round(rng.random((2, *shape)) * 10) / 10
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize(("name", "loss"), [("dice_score", "dml1"), ("jaccard_score", "jml1")])
def test_scores_are_one_minus_the_loss(backend: Backend, rng, dtype, name, loss) -> None:
    x, y = pair(rng, (3, 40), dtype)
    result = backend.run(getattr(ds, name), x, y, axis=1)
    expected = [1 - reference.loss(loss, a, b) for a, b in zip(x, y, strict=True)]
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


def test_hard_masks_give_the_usual_scores(backend: Backend, rng) -> None:
    x, y = rng.random((2, 50)) < 0.4
    both, either = np.sum(x & y), np.sum(x | y)
    assert float(backend.run(ds.dice_score, x, y)) == pytest.approx(2 * both / (both + either))
    assert float(backend.run(ds.jaccard_score, x, y)) == pytest.approx(both / either)
    assert float(backend.run(ds.binarized_dice, x, y)) == pytest.approx(2 * both / (both + either))


@pytest.mark.parametrize("empty", [1.0, 0.0, math.nan, "skip"])
@pytest.mark.parametrize("name", ["dice_score", "jaccard_score", "binarized_dice"])
def test_empty(backend: Backend, name, empty) -> None:
    x = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.95], [0.95, 0.95]])
    y = np.array([[0.0, 0.0], [0.0, 0.95], [0.0, 0.0], [0.95, 0.95]])
    result = backend.run(getattr(ds, name), x, y, axis=1, empty=empty)
    nothing = math.nan if empty == "skip" else empty
    np.testing.assert_array_equal(result, [nothing, 0, 0, 1])


def test_bdice_skips_empty_thresholds(backend: Backend) -> None:
    x, y = np.array([0.5, 0.0]), np.array([0.5, 0.5])
    thresholds = (0.25, 0.5, 0.75)
    for empty, expected in ((1.0, 7 / 9), (0.0, 4 / 9), ("skip", 2 / 3), (math.nan, math.nan)):
        result = backend.run(ds.binarized_dice, x, y, thresholds=thresholds, empty=empty)
        np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_zero_size(backend: Backend) -> None:
    x = np.zeros((0, 4), np.float32)
    for name in ("dice_score", "jaccard_score", "binarized_dice"):
        assert float(backend.run(getattr(ds, name), x, x)) == 1
    assert backend.run(ds.threshold_counts, x, x, axis=0).pred.shape == (9, 4)


@in_float32
@pytest.mark.parametrize("score", ["dice", "jaccard", "bdice"])
@pytest.mark.parametrize("per", ["batch", "image", "class"])
@pytest.mark.parametrize("soft", [False, True])
def test_region_score(backend: Backend, rng, dtype, score, per, soft) -> None:
    logits = rng.normal(0, 2, (2, 3, 6, 5)).astype(dtype)
    label = rng.integers(0, 3, (2, 6, 5))
    prob = reference.softmax(logits)
    hot = reference.one_hot(label, 3)
    if soft:
        hot = reference.softmax(rng.normal(0, 2, (2, 3, 6, 5))).astype(dtype)
    target = hot if soft else label

    def one(x, y):
        if score == "bdice":
            return np.mean([1 - reference.loss("dml1", x >= t, y >= t) for t in THRESHOLDS])
        return 1 - reference.loss({"dice": "dml1", "jaccard": "jml1"}[score], x, y)

    if per == "batch":
        expected = np.mean([one(prob[:, c], hot[:, c]) for c in range(3)])
    else:
        expected = np.mean([[one(prob[b, c], hot[b, c]) for c in range(3)] for b in range(2)])
    result = backend.run(
        ds.region_score, logits, target, score=score, activation="softmax", per=per
    )
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


def test_region_score_leaves_out(backend: Backend) -> None:
    pred = np.zeros((2, 3, 4))
    pred[0, 0], pred[1, 1] = 1, 1
    label = np.array([[0, 0, 0, 9], [2, 2, 2, 2]])

    def run(**options):
        return backend.run(ds.region_score, pred, label, ignore_index=9, **options)

    for score in ("dice", "jaccard", "bdice"):
        nan = math.nan
        table = run(score=score, empty="skip", reduction="none")
        np.testing.assert_array_equal(table, [[1, nan, nan], [nan, 0, 0]])
        assert float(run(score=score, empty="skip")) == 0.5
        assert float(run(score=score)) == pytest.approx(2 / 3)
        table = run(score=score, classes="present", reduction="none")
        np.testing.assert_array_equal(table, [[1, nan, nan], [nan, nan, 0]])
        assert float(run(score=score, classes=(0,), per="batch")) == 1
        assert float(run(score=score, reduction="sum")) == 4
    hidden = np.zeros((2, 4), bool)
    nothing = backend.run(ds.region_score, pred, label, ignore_index=9, mask=hidden, empty="skip")
    assert math.isnan(nothing)


def test_faint_labels_are_present(backend: Backend) -> None:
    pred, target = np.full((1, 1, 3), 0.02), np.full((1, 1, 3), 0.05)
    result = backend.run(ds.region_score, pred, target, score="bdice", classes="present")
    assert float(result) == 1


@pytest.mark.parametrize("score", ["dice", "jaccard", "bdice"])
def test_present_classes_take_one_overlap(monkeypatch, score) -> None:
    summed = Mock(wraps=ds.region_overlap)
    monkeypatch.setattr("dice_semimetric.region_scores.region_overlap", summed)
    ds.region_score(np.full((1, 2, 4), 0.5), np.zeros((1, 4), int), score=score, classes="present")
    assert summed.call_count == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ds.dice_score(x, x[:2]), r"one shape, got \(3,\) and \(2,\)"),
        (lambda x: ds.dice_score(x, x * 2), r"target must lie in \[0, 1\]"),
        (lambda x: ds.dice_score(x, x, empty="drop"), "empty must be one of"),
        (lambda x: ds.jaccard_score(x, x, empty=0.5), "empty must be one of"),
        (lambda x: ds.binarized_dice(x * np.nan, x), "pred must lie in .* got NaN"),
        (lambda x: ds.binarized_dice(x, x, thresholds=()), "thresholds must be"),
        (lambda x: ds.binarized_dice(x, x, thresholds=(0.0,)), "thresholds must be"),
        (lambda x: ds.threshold_counts(x, x, thresholds=(1.5,)), "thresholds must be"),
        (lambda x: ds.region_score(x, x), "pred must have shape"),
        (lambda x: ds.region_score(x[None], x[None], score="iou"), "score must be one of"),
        (lambda x: ds.region_score(x[None], x[None], thresholds=(0.5,)), "score='bdice'"),
        (lambda x: ds.region_score(x[None], x[None], per="pixel"), "per must be one of"),
        (lambda x: ds.region_score(x[None], x[None], classes=(0, 3)), "classes must"),
        (lambda x: ds.region_score(x[None], x[None], classes=(-4,)), "classes must"),
        (lambda x: ds.region_loss(x[None], x[None], classes=(3,)), "classes must"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.array([0.5, 1.0, 0.0]))


def test_bdice_of_real_predictions() -> None:
    nibabel = pytest.importorskip("nibabel")
    reference_cases = DATA / "lidc4-nodules" / "lidc-nodule" / "Testing"
    predictions = DATA / "lidc4-predictions" / "dml_soft"
    if not predictions.is_dir() or not reference_cases.is_dir():
        pytest.skip(f"the real data is not at {DATA}; set DSM_DATA")

    def read(path: Path) -> np.ndarray:
        return np.asanyarray(nibabel.load(path).dataobj)

    scores = []
    for case in sorted(predictions.iterdir()):
        [path] = case.glob("*.nii.gz")
        raters = [read(p) for p in sorted((reference_cases / case.name).glob("task01_seg*"))]
        soft = np.mean(raters, axis=0, dtype=np.float32)
        scores.append(float(ds.binarized_dice(read(path), soft)))
    assert len(scores) == 87
    assert round(float(np.mean(scores)), 4) == 0.8648
