"""Keys and teachers: what is drawn, what is replaced, and what is left alone."""

import numpy as np
import pytest
import reference
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

from dice_semimetric import (
    calibrate_teacher,
    kernel_regression,
    label_boundary,
    sample_keys,
)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_balanced_draws_a_quota_of_each_class(labels: list, n_keys: int, seed: int) -> None:
    label = np.array(labels)
    keys = sample_keys(label, n_keys, rng=np.random.default_rng(seed))
    assert len(set(keys.tolist())) == keys.size
    present = np.unique(label)
    quota = -(-n_keys // present.size)
    for c in present:
        assert (label[keys] == c).sum() == min(quota, (label == c).sum())


def test_every_library_draws_the_same_keys(backend: Backend, rng: np.random.Generator) -> None:
    label = rng.integers(0, 3, (4, 5, 6))
    expected = sample_keys(label, 20, rng=np.random.default_rng(3))
    if not backend.eager:
        with pytest.raises(TypeError, match="eager"):
            backend.native(sample_keys, label, 20, rng=np.random.default_rng(3))
        return
    for sampling in ("balanced", "proportional"):
        expected = sample_keys(label, 20, rng=np.random.default_rng(3), sampling=sampling)
        got = backend.run(sample_keys, label, 20, rng=np.random.default_rng(3), sampling=sampling)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("sampling", ["balanced", "proportional"])
def test_ignored_pixels_are_never_keys(rng: np.random.Generator, sampling: str) -> None:
    label = rng.choice(np.array([0, 1, 255], "uint8"), 200)
    keys = sample_keys(label, 500, rng=rng, sampling=sampling, ignore_index=255)
    np.testing.assert_array_equal(np.sort(keys), np.flatnonzero(label != 255))
    none = sample_keys(label[:1] * 0 + 255, 5, rng=rng, sampling=sampling, ignore_index=255)
    assert none.shape == (0,)


def test_proportional_keys_follow_the_classes(rng: np.random.Generator) -> None:
    label = (np.arange(10_000) < 1000).astype(int)
    keys = sample_keys(label, 2000, rng=rng, sampling="proportional")
    assert keys.size == 2000
    assert 0.08 < label[keys].mean() < 0.12


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"n_keys": 0}, ValueError, "n_keys must be a whole number above 0, got 0"),
        ({"n_keys": 1.5}, ValueError, "n_keys"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator, got int"),
        ({"sampling": "all"}, ValueError, "sampling must be one of"),
        ({"label": np.zeros(3)}, TypeError, "label must be of an integer dtype"),
    ],
)
def test_bad_draws(change: dict, error: type[Exception], words: str) -> None:
    options = {"label": np.array([0, 1]), "n_keys": 2, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=words):
        sample_keys(**options)


def teacher(rng: np.random.Generator, shape: tuple, num_classes: int, dtype: str) -> tuple:
    """Return probabilities (B, C, *shape) and blocky labels, some of them against the teacher."""
    label = np.zeros((2, *shape), int)
    label[:, : shape[0] // 2] = max(num_classes, 2) - 1
    one_hot = reference.one_hot(label, max(num_classes, 2))
    prob = reference.softmax(3 * one_hot + rng.normal(size=one_hot.shape))
    return (prob[:, 1:] if num_classes == 1 else prob).astype(dtype), label


@pytest.mark.parametrize("shape", [(12,), (8, 7), (6, 5, 4)])
@pytest.mark.parametrize("num_classes", [1, 3])
def test_replaces_the_uncertain_pixels_of_each_image(
    backend: Backend, rng: np.random.Generator, dtype: str, shape: tuple, num_classes: int
) -> None:
    prob, label = teacher(rng, shape, num_classes, dtype)
    draw = np.random.default_rng(7)
    keys = [sample_keys(image, 10, rng=draw) for image in label]
    top = (prob[:, 0] >= 0.5) if num_classes == 1 else prob.argmax(axis=1)
    uncertain = label_boundary(label, width=3) | (top != label)
    expected = prob.copy()
    for b, drawn in enumerate(keys):
        rows = prob[b].reshape(prob.shape[1], -1).T
        mean = kernel_regression(rows, rows[drawn], label[b].ravel()[drawn], bandwidth=1e-2)
        expected[b] = np.where(uncertain[b], mean.T.reshape(prob[b].shape), prob[b])
    options = {"bandwidth": 1e-2, "n_keys": 10, "rng": np.random.default_rng(7)}
    if not backend.eager:
        given = [backend.array(k) for k in keys] if backend.name != "dask" else keys
        options = {"bandwidth": 1e-2, "keys": given}
    result = backend.run(calibrate_teacher, prob, label, **options)
    assert result.dtype == dtype
    assert uncertain.any()
    assert not uncertain.all()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


def test_where_all_replaces_all(rng: np.random.Generator) -> None:
    prob, label = teacher(rng, (8, 8), 3, "float64")
    result = calibrate_teacher(prob, label, n_keys=30, bandwidth=1e-2, rng=rng, where="all")
    assert (result != prob).mean() > 0.99
    np.testing.assert_allclose(result.sum(axis=1), 1)


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


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"where": "some"}, ValueError, "where must be one of"),
        ({"bandwidth": 0}, ValueError, "bandwidth"),
        ({"rng": None}, TypeError, "rng must be a numpy.random.Generator"),
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
