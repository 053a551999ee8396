"""One rule for one half: foreground is above 1/2, and ties go to the lowest class."""

import copy

import numpy as np
import pytest
from backends import Backend, available

import dice_semimetric as ds
from dice_semimetric._lib.fitting import predicted_class, targets_of
from dice_semimetric._lib.namespace import namespace


def classes(prob: object) -> object:
    return predicted_class(namespace(prob=prob), prob)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_half_is_background(backend: Backend, dtype) -> None:
    if dtype == "float16" and backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    above = np.nextafter(np.asarray(0.5, dtype), np.asarray(1.0, dtype))
    foreground = np.array([[[0.0, 0.5, above, 1.0]]], dtype)
    expected = [[0, 0, 1, 1]]
    np.testing.assert_array_equal(backend.run(classes, foreground), expected)
    both = np.concatenate([1 - foreground, foreground], axis=1)
    np.testing.assert_array_equal(backend.run(classes, both), expected)


def test_one_half_in_bfloat16() -> None:
    torch = pytest.importorskip("torch")
    foreground = torch.tensor([[[0.0, 0.5, 0.50390625, 1.0]]], dtype=torch.bfloat16)
    assert classes(foreground).tolist() == [[0, 0, 1, 1]]
    assert classes(torch.cat([1 - foreground, foreground], 1)).tolist() == [[0, 0, 1, 1]]


def test_ties_among_classes_go_to_the_lowest(backend: Backend) -> None:
    prob = np.array([[[0.4, 0.2], [0.4, 0.4], [0.2, 0.4]]], np.float32)
    np.testing.assert_array_equal(backend.run(classes, prob), [[0, 1]])


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("kind", ["top_label", "classwise"])
def test_a_tie_counts_as_background_in_calibration(library, kind) -> None:
    asarray = available(library).array
    label = asarray(np.array([[0, 1, 0, 1]]))
    one = asarray(np.full((1, 1, 4), 0.5, np.float32))
    two = asarray(np.full((1, 2, 4), 0.5, np.float32))
    found = [ds.calibration_bins(p, label, n_bins=2, kind=kind) for p in (one, two)]
    for bins in found:
        rows = np.asarray(bins.correct)
        assert rows[..., 1].sum() == (2 if kind == "top_label" else 4)


def test_a_teacher_at_one_half_is_replaced_where_the_label_is_foreground(rng) -> None:
    prob, label = np.full((1, 1, 6), 0.5), np.array([[0, 0, 0, 0, 0, 0]])
    keys = [np.array([0, 1])]
    same = ds.calibrate_teacher(prob, label, keys=keys)  # right everywhere, and no boundary
    np.testing.assert_array_equal(same, prob)
    replaced = ds.calibrate_teacher(prob, label + 1, keys=keys)  # wrong everywhere
    np.testing.assert_array_equal(replaced, np.ones_like(prob))


CALIBRATORS = {
    "temperature": ds.TemperatureScaling(),
    "vector": ds.VectorScaling(),
    "kernel": ds.KernelCalibrator(bandwidth=0.02, n_keys=10_000),  # so that every pixel is a key
    "kernel, proportional": ds.KernelCalibrator(
        bandwidth=0.02, n_keys=10_000, sampling="proportional"
    ),
}


def rated(rng: np.random.Generator, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (B, C, H, W), which serve as logits too, and labels (R, B, H, W)."""
    prob = np.moveaxis(rng.dirichlet([0.7] * max(classes, 2), (2, 5, 6)), -1, 1)[:, -classes:]
    return prob, rng.integers(0, max(classes, 2), (3, 2, 5, 6))


@pytest.mark.parametrize("ignored", [None, 9])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", CALIBRATORS)
def test_the_raters_mean_stands_for_every_rater(rng, kind, classes, ignored) -> None:
    """Fitting to raters is fitting to each of them, as if every one had an image of his own."""
    prob, raters = rated(rng, classes)
    if ignored is not None:
        raters = np.where(rng.random(raters.shape) < 0.3, ignored, raters)
        raters[:, 0, :2] = ignored  # by all
    each = np.concatenate(list(raters))
    repeated = copy.copy(CALIBRATORS[kind]).fit(
        np.concatenate([prob] * 3), each, ignore_index=ignored
    )
    expected = repeated.predict_proba(prob)
    for axis in (0, 1, -1, -4):
        moved = np.moveaxis(raters, 0, axis)
        fitted = copy.copy(CALIBRATORS[kind])
        fitted.fit(prob, moved, ignore_index=ignored, rater_axis=axis)
        np.testing.assert_allclose(fitted.predict_proba(prob), expected, rtol=1e-5, atol=1e-7)
    if ignored is None:
        marks = raters if classes > 1 else raters[:, :, None]
        hot = [ds.one_hot(m, num_classes=3) if classes > 1 else m * 1.0 for m in marks]
        soft = copy.copy(CALIBRATORS[kind]).fit(prob, np.mean(hot, axis=0))
        np.testing.assert_allclose(soft.predict_proba(prob), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("library", ["torch", "jax", "strict"])
@pytest.mark.parametrize("kind", CALIBRATORS)
def test_raters_on_other_libraries(rng, library, kind) -> None:
    backend = available(library)
    prob, raters = rated(rng, 3)
    raters = np.where(rng.random(raters.shape) < 0.3, 9, raters)
    prob = prob.astype(np.float32)
    options = {"ignore_index": 9, "rater_axis": 0}
    expected = copy.copy(CALIBRATORS[kind]).fit(prob, raters, **options).predict_proba(prob)
    fitted = copy.copy(CALIBRATORS[kind])
    fitted.fit(backend.array(prob), backend.array(raters), **options)
    found = backend.numpy(fitted.predict_proba(backend.array(prob)))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", CALIBRATORS)
def test_bad_labels_of_raters(rng, kind) -> None:
    prob, raters = rated(rng, 3)
    calibrator = copy.copy(CALIBRATORS[kind])
    with pytest.raises(ValueError, match=r"along an axis write rater_axis=0$"):
        calibrator.fit(prob, raters)
    with pytest.raises(ValueError, match=r"along an axis write rater_axis=1$"):
        calibrator.fit(prob, np.moveaxis(np.concatenate([raters, raters]), 0, 1))
    with pytest.raises(ValueError, match=r"along an axis write rater_axis=0 or rater_axis=1$"):
        calibrator.fit(prob, raters[:2])  # two images, and two raters
    with pytest.raises(ValueError, match="rater_axis must be from -4 to 3, got 4"):
        calibrator.fit(prob, raters, rater_axis=4)
    with pytest.raises(ValueError, match=r"label must be integer labels of shape \(2, 5, 6\)"):
        calibrator.fit(prob, raters, rater_axis=1)
    with pytest.raises(ValueError, match="at least one rater along axis 0"):
        calibrator.fit(prob, raters[:0], rater_axis=0)
    with pytest.raises(ValueError, match="label must hold labels from 0 to 2"):
        calibrator.fit(prob, raters + 1, rater_axis=0)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        calibrator.fit(prob, raters * 0 + 9, rater_axis=0, ignore_index=9)


@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("ignore_index", [0, 1])
def test_raters_may_ignore_one_of_the_classes(rng, num_classes: int, ignore_index: int) -> None:
    """The mean of the raters who count at a pixel, each pixel and rater by itself."""
    prob = rng.random((2, num_classes, 5))
    labels = rng.integers(0, max(num_classes, 2), size=(4, 2, 5))
    found = targets_of(namespace(prob=prob), prob, labels, ignore_index, 0)
    for b, i in np.ndindex(2, 5):
        counted = [y for y in labels[:, b, i] if y != ignore_index]
        assert found.share[b, i] == pytest.approx(len(counted) / 4)
        for c in range(num_classes):
            hits = [y == (c if num_classes > 1 else 1) for y in counted]
            assert found.soft[b, c, i] == pytest.approx(np.mean(hits) if hits else 0)
