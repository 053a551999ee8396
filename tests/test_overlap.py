"""Overlap: the four sums, their addition, masks, labels, memory layouts and bad input."""

import numpy as np
import pytest
import reference
from backends import Backend
from conftest import tolerance

from dice_semimetric import Overlap, overlap, region_overlap

FIELDS = ("pred", "target", "difference", "product")


def pair(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple:
    """Return soft arrays with ties and exact zeros and ones."""
    x, y = np.round(rng.random((2, *shape)) * 8) / 8
    return x.astype(dtype), y.astype(dtype)


def assert_overlap(result: Overlap, expected: np.ndarray, dtype: str) -> None:
    for field, value in zip(FIELDS, np.moveaxis(expected, -1, 0), strict=True):
        got = getattr(result, field)
        assert got.dtype == dtype
        assert got.shape == value.shape
        np.testing.assert_allclose(got, value, **tolerance(dtype))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (1, 2), ()])
def test_sums_over_any_axes(backend: Backend, rng: np.random.Generator, dtype: str, axis) -> None:
    x, y = pair(rng, (3, 4, 5), dtype)
    axes = tuple(range(3)) if axis is None else np.atleast_1d(np.array(axis, int)) % 3
    kept = [a for a in range(3) if a not in axes]
    expected = np.empty([x.shape[a] for a in kept] + [4])
    for index in np.ndindex(*expected.shape[:-1]):
        place = [slice(None)] * 3
        for a, i in zip(kept, index, strict=True):
            place[a] = i
        expected[index] = reference.sums(x[tuple(place)], y[tuple(place)])
    assert_overlap(backend.run(overlap, x, y, axis=axis), expected, dtype)


def test_mask_hides_even_nan(backend: Backend, rng: np.random.Generator, dtype: str) -> None:
    x, y = pair(rng, (2, 30), dtype)
    mask = rng.random((2, 30)) < 0.5
    x[~mask] = np.nan
    y[~mask] = 7
    expected = np.array(reference.sums(x[mask], y[mask]))
    assert_overlap(backend.run(overlap, x, y, mask=mask), expected, dtype)
