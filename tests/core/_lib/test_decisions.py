"""Joint decisions of raters: each one that occurs, however it is counted."""

from typing import Any

import numpy as np
import pytest
from backends import Backend

from dice_semimetric._lib import decisions as module
from dice_semimetric._lib.decisions import decisions, vote_patterns

PIXELS = 600


def alike(rng: np.random.Generator, number: int, base: int) -> np.ndarray:
    """Return labels of raters who mostly agree."""
    labels = rng.integers(0, base, (number + 1, PIXELS))
    return np.where(rng.random((number, PIXELS)) < 0.97, labels[0], labels[1:])


def table_and_raters(raters: Any, base: int) -> tuple[Any, ...]:
    """Return the table, and what each rater says at each pixel by way of it."""
    found = decisions(raters, base)
    number = found.table.shape[0] - 1
    return found.table, *(found.of_pixels(found.table[r, :], (PIXELS,)) for r in range(number))


@pytest.mark.parametrize(
    ("number", "base"),
    [(1, 2), (3, 2), (5, 4), (16, 2), (17, 2), (70, 2), (9, 5), (33, 3), (2, 300), (1, 70_000)],
)
def test_they_are_the_distinct_columns(
    backend: Backend, rng: np.random.Generator, number: int, base: int
) -> None:
    raters = alike(rng, number, base)
    table, *rows = backend.run(table_and_raters, raters, base=base)
    np.testing.assert_array_equal(rows, raters)
    said, counts = np.unique(raters, axis=1, return_counts=True)
    occurring = table[:, table[-1] > 0]
    distinct, place = np.unique(occurring[:-1], axis=1, return_inverse=True)
    np.testing.assert_array_equal(distinct, said)
    np.testing.assert_array_equal(np.bincount(place.ravel(), occurring[-1]), counts)


@pytest.mark.parametrize(("number", "base"), [(17, 2), (40, 3)])
def test_only_what_occurs_has_a_column(rng: np.random.Generator, number: int, base: int) -> None:
    raters = alike(rng, number, base)
    found = decisions(raters, base)
    assert found.table.shape[1] == np.unique(raters, axis=1).shape[1]


def test_where_no_two_pixels_are_alike_each_has_its_column(rng: np.random.Generator) -> None:
    raters = rng.integers(0, 300, (4, PIXELS))
    found = decisions(raters, 300)
    assert found.codes is None
    np.testing.assert_array_equal(found.table, [*raters, np.ones(PIXELS)])


def test_one_rater_at_a_time(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    """As raters of many classes are joined, whose decisions fit no table."""
    monkeypatch.setattr(module, "TABLE", 1)
    raters = alike(rng, 6, 4)
    table, *rows = table_and_raters(raters, 4)
    np.testing.assert_array_equal(rows, raters)
    assert table[-1].sum() == PIXELS


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int64"])
def test_what_is_no_class_is_taken_for_a_class(backend: Backend, dtype: str) -> None:
    raters = np.array([[0, 1, 2, 100], [2, 2, 1, 0]]).astype(dtype)
    codes, counts = backend.run(vote_patterns, raters, base=3)
    np.testing.assert_array_equal(codes[:3], [6, 7, 5])
    assert counts.sum() == 4
