"""Calibrated teachers: what is replaced, and what is left alone."""

import functools

import numpy as np
import pytest
import reference
from backends import Backend, in_float32

import dice_semimetric as ds
from dice_semimetric import (
    calibrate_teacher,
    kernel_regression,
    label_boundary,
    sample_keys,
)


def teacher(rng: np.random.Generator, shape: tuple, num_classes: int, dtype: str) -> tuple:
    """Return probabilities (B, C, *shape) and blocky labels, some of them against the teacher."""
    label = np.zeros((2, *shape), int)
    label[:, : shape[0] // 2] = max(num_classes, 2) - 1
    one_hot = reference.one_hot(label, max(num_classes, 2))
    prob = reference.softmax(3 * one_hot + rng.normal(size=one_hot.shape))
    return (prob[:, 1:] if num_classes == 1 else prob).astype(dtype), label


@in_float32
@pytest.mark.parametrize("shape", [(12,), (8, 7), (6, 5, 4)])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_replaces_the_uncertain_pixels_of_each_image(
    backend: Backend, rng: np.random.Generator, dtype: str, shape: tuple, num_classes: int
) -> None:
    prob, label = teacher(rng, shape, num_classes, dtype)
    draw = np.random.default_rng(7)
    keys = [sample_keys(image, 10, rng=draw) for image in label]
    top = (prob[:, 0] > 0.5) if num_classes == 1 else prob.argmax(axis=1)
    uncertain = label_boundary(label, width=3) | (top != label)
    expected = prob.copy()
    for b, drawn in enumerate(keys):
        rows = prob[b].reshape(prob.shape[1], -1).T
        mean = kernel_regression(rows, rows[drawn], label[b].ravel()[drawn], bandwidth=1e-2)
        expected[b] = np.where(uncertain[b], mean.T.reshape(prob[b].shape), prob[b])

    def draws(prob: object, label: object) -> object:
        generator = np.random.default_rng(7)
        return calibrate_teacher(prob, label, bandwidth=1e-2, n_keys=10, rng=generator)

    def is_given(prob: object, label: object, *keys: object) -> object:
        return calibrate_teacher(prob, label, bandwidth=1e-2, keys=keys)

    result = backend.run(is_given, prob, label, *keys)
    if backend.eager:
        np.testing.assert_array_equal(backend.run(draws, prob, label), result)
    assert result.dtype == dtype
    assert uncertain.any()
    assert not uncertain.all()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


def test_where_all_replaces_all(rng: np.random.Generator) -> None:
    prob, label = teacher(rng, (8, 8), 3, "float64")
    result = calibrate_teacher(prob, label, n_keys=30, bandwidth=1e-2, rng=rng, where="all")
    assert (result != prob).mean() > 0.99
    np.testing.assert_allclose(result.sum(axis=1), 1)


def test_where_all_is_the_regression_at_each_pixel(backend: Backend, rng) -> None:
    """The misclassified and the sure alike; "uncertain" leaves the sure ones as they are."""
    prob, label = teacher(rng, (6, 5), 3, "float64")
    keys = [np.arange(0, 30, 3), np.arange(1, 30, 3)]

    def run(where: str) -> np.ndarray:
        def call(prob: object, label: object, *keys: object) -> object:
            return calibrate_teacher(prob, label, bandwidth=1e-2, keys=keys, where=where)

        return backend.run(call, prob, label, *keys)

    every, uncertain = run("all"), run("uncertain")
    for b, drawn in enumerate(keys):
        rows = prob[b].reshape(3, -1).T
        mean = kernel_regression(rows, rows[drawn], label[b].ravel()[drawn], bandwidth=1e-2)
        np.testing.assert_allclose(every[b].reshape(3, -1), mean.T, rtol=0, atol=1e-6)
    sure = (uncertain == prob).all(axis=1)
    assert sure.any()
    assert (every != prob).any(axis=1)[sure].all()


def test_ignored_pixels_and_images_stay(rng: np.random.Generator) -> None:
    prob, label = teacher(rng, (8, 8), 3, "float64")
    label[0] = 255
    label[1, :, 0] = 255
    result = calibrate_teacher(
        prob, label, n_keys=9, bandwidth=1e-2, rng=rng, where="all", ignore_index=255
    )
    np.testing.assert_array_equal(result[0], prob[0])
    np.testing.assert_array_equal(result[1, :, :, 0], prob[1, :, :, 0])
    assert (result[1, :, :, 1:] != prob[1, :, :, 1:]).any()


@pytest.mark.parametrize("hot", [bool, np.uint8, np.int64])
def test_one_hot_labels_are_labels_to_every_calibrator(rng: np.random.Generator, hot) -> None:
    prob, label = reference.softmax(rng.normal(size=(2, 3, 40))), rng.integers(0, 3, (2, 40))
    one_hot = reference.one_hot(label, 3).astype(hot)
    seed = functools.partial(np.random.default_rng, 1)
    rows, row_label = np.moveaxis(prob, 1, -1).reshape(-1, 3), label.reshape(-1)

    def calibrator(y: np.ndarray) -> ds.KernelCalibrator:
        return ds.KernelCalibrator(bandwidth=0.01, n_keys=20, rng=seed()).fit(prob, y)

    for function in (
        lambda y, _: calibrate_teacher(prob, y, n_keys=20, bandwidth=0.01, rng=seed()),
        lambda y, _: (
            ds.KernelCalibrator(bandwidth=0.01, n_keys=20, rng=seed())
            .fit(prob, y)
            .predict_proba(prob)
        ),
        lambda y, _: ds.TemperatureScaling().fit(np.log(prob), y).temperature_,
        lambda _, y: ds.kernel_regression(rows, rows, y, bandwidth=0.01),
        lambda _, y: ds.kernel_calibration_error(rows, y, bandwidth=0.01),
    ):
        hard = function(label, row_label)
        soft = function(one_hot, np.moveaxis(one_hot, 1, -1).reshape(-1, 3))
        np.testing.assert_allclose(soft, hard, rtol=1e-9)


def test_one_class_and_fewer_pixels_than_keys(rng: np.random.Generator) -> None:
    prob = rng.dirichlet([1, 1, 1], (1, 5)).transpose(0, 2, 1)
    result = calibrate_teacher(
        prob, np.full((1, 5), 1), n_keys=500, bandwidth=1e-3, rng=rng, where="all"
    )
    np.testing.assert_array_equal(result, np.broadcast_to([[[0], [1], [0]]], prob.shape))


def test_soft_labels_are_the_keys_values(rng: np.random.Generator) -> None:
    prob, label = teacher(rng, (6, 6), 3, "float64")
    soft = reference.one_hot(label, 3)
    results = [
        calibrate_teacher(prob, y, n_keys=9, bandwidth=1e-2, rng=np.random.default_rng(0))
        for y in (label, soft)
    ]
    np.testing.assert_array_equal(*results)


def test_the_default_call() -> None:
    prob, label = np.full((2, 3, 4), 1 / 3), np.zeros((2, 4), int)
    np.testing.assert_array_equal(calibrate_teacher(prob, label), prob)  # all certain
    np.testing.assert_allclose(calibrate_teacher(prob, label + 1)[:, 1], 1)  # all wrong
    seeded = [calibrate_teacher(prob, label + np.arange(4) % 2, rng=r, n_keys=3) for r in (0, 0)]
    np.testing.assert_array_equal(*seeded)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"where": "some"}, ValueError, "where must be one of"),
        ({"bandwidth": 0}, ValueError, "bandwidth"),
        ({"rng": 0.5}, TypeError, "rng must be None, an integer.*write rng=0"),
        ({"label": np.full((2, 4), 3)}, ValueError, "label must hold labels from 0 to 2"),
        ({"label": np.zeros((2, 5), int)}, ValueError, "label must be integer labels of shape"),
        ({"prob": np.full((2, 3, 4), np.nan)}, ValueError, "prob must lie in"),
        ({"prob": np.full((2, 3, 4), 0.5)}, ValueError, "prob must sum to 1"),
        ({"keys": [np.array([0])]}, ValueError, "keys must hold indices for each of the 2 images"),
    ],
)
def test_bad_teachers(change: dict, error: type[Exception], words: str) -> None:
    options = {
        "prob": np.full((2, 3, 4), 1 / 3),
        "label": np.zeros((2, 4), int),
        "rng": np.random.default_rng(0),
    } | change
    with pytest.raises(error, match=words):
        calibrate_teacher(options.pop("prob"), options.pop("label"), **options)
