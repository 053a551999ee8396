"""Resizing and augmentation: against SciPy, and image and labels always alike."""

import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("torch")

from benchmarks.paper.datasets.augment import augment, fit, resize

SIZES = [
    ((9, 13), (18, 26)),
    ((40, 30), (16, 16)),
    ((7, 5), (7, 11)),
    ((1, 1), (3, 2)),
    ((8, 6), (1, 1)),
]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_linear_is_scipys_zoom_at_pixel_centres(old, new, rng) -> None:
    image = rng.normal(size=(2, *old)).astype(np.float32)
    rate = (1, new[0] / old[0], new[1] / old[1])
    expected = ndimage.zoom(image, rate, order=1, mode="nearest", grid_mode=True)
    found = resize(image, new)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
def test_nearest_takes_the_pixel_under_the_centre(old, new, dtype, rng) -> None:
    label = rng.integers(0, 3, size=(2, *old)).astype(dtype)
    found = resize(label, new)
    assert found.dtype == dtype
    for row in range(new[0]):
        for column in range(new[1]):
            y = int((row + 0.5) * old[0] / new[0])
            x = int((column + 0.5) * old[1] / new[1])
            np.testing.assert_array_equal(found[:, row, column], label[:, y, x])


def test_resize_keeps_what_fits_and_refuses_nothing() -> None:
    image = np.ones((3, 4), np.float16)
    assert resize(image, (3, 4)) is image
    assert resize(image, (6, 5)).dtype == np.float16
    with pytest.raises(ValueError, match="at least 1 x 1"):
        resize(image, (0, 4))


def disc(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return (y - 0.4 * side) ** 2 + (x - 0.6 * side) ** 2 < (side / 6) ** 2


@pytest.mark.parametrize("seed", range(20))
def test_image_and_labels_go_together(seed: int) -> None:
    mask = disc(64)
    image = np.stack([mask, ~mask]).astype(np.float32)
    kinds = (np.stack([mask, mask]).astype(np.uint8), mask[None].astype(np.float32), mask)
    first, *others = (augment(image, label, np.random.default_rng(seed)) for label in kinds)
    seen, hard = first
    assert seen.shape == image.shape
    assert hard.dtype == np.uint8
    inside = seen.sum(axis=0) > 0.99  # not around the image
    # The nearest of four pixels has at least a quarter of the weight.
    assert np.abs(seen[0] - hard[0])[inside].max() <= 0.75 + 1e-6
    np.testing.assert_array_equal(hard[0], hard[1])
    for same, label in others:
        np.testing.assert_array_equal(same, seen)
        assert label.shape[-2:] == seen.shape[-2:]
    np.testing.assert_allclose(others[0][1][0], seen[0], atol=1e-6)  # soft is linear too
    np.testing.assert_array_equal(others[1][1], hard[0].astype(bool))


def test_scale_is_uniform_and_mirror_fair() -> None:
    mask = np.zeros((1, 90, 90), np.uint8)
    mask[:, 30:60, 30:45] = 1
    image = mask.astype(np.float32)
    areas, left = [], []
    for index in range(400):
        rng = np.random.default_rng([3, 0, index])
        found = augment(image, mask, rng, crop=(200, 200))[1][0]
        areas.append(found.sum() / mask.sum())
        left.append(found[:, :100].sum() > found[:, 100:].sum())
    factors = np.sqrt(areas)
    assert 0.47 < factors.min() < 0.55
    assert 1.95 < factors.max() < 2.03
    assert abs(factors.mean() - 1.25) < 0.06
    assert 0.42 < np.mean(left) < 0.58


def test_same_generator_same_sample(rng) -> None:
    image, label = rng.normal(size=(1, 20, 30)).astype(np.float32), np.ones((20, 30), np.uint8)
    key = [1, 7, 3]
    one, two = (augment(image, label, np.random.default_rng(key), crop=(24, 24)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    other = augment(image, label, np.random.default_rng([1, 8, 3]), crop=(24, 24))
    assert np.any(other[0] != one[0])


def test_around_the_image_is_dark_and_background(rng) -> None:
    image = rng.normal(size=(2, 10, 10)).astype(np.float32)
    label = np.ones((3, 10, 10), np.uint8)
    seen, mask = augment(image, label, rng, scale=(0.5, 0.5), mirror=0, label_fill=255)
    np.testing.assert_array_equal(seen[:, 0, 0], image.min(axis=(1, 2)))
    assert mask[:, 3:8, 3:8].min() == mask[:, 3:8, 3:8].max() == 1
    assert (mask == 255).sum() == 3 * 75


def test_fit_cuts_and_pads() -> None:
    array = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(fit(array, (3, 2)), array[:, 1:3])
    np.testing.assert_array_equal(fit(array, (3, 2), (0, 0)), array[:, :2])
    np.testing.assert_array_equal(fit(array, (3, 2), (0, 0.999)), array[:, 2:])
    np.testing.assert_array_equal(fit(array, (5, 2), fill=9)[[0, 4]], 9)
    np.testing.assert_array_equal(fit(fit(array, (8, 9)), (3, 4)), array)


def test_wrong_arguments_are_refused(rng) -> None:
    image = np.zeros((1, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"one size, got \(8, 8\) and \(8, 9\)"):
        augment(image, np.zeros((8, 9)), rng)
    with pytest.raises(ValueError, match="scale must be a range above 0"):
        augment(image, np.zeros((8, 8)), rng, scale=(0, 1))
