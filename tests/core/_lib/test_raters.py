"""Raters along any axis: as if the axis were moved by hand, and bad input."""

import numpy as np
import pytest
from backends import Backend, numbers

from dice_semimetric import (
    dice_weighted_average,
    disagreement,
    majority_vote,
    random_rater,
    rater_agreement,
    staple,
    uniform_average,
)
from dice_semimetric._lib.raters import require_raters

OF_RATERS: dict[str, tuple[object, dict[str, object]]] = {
    "majority of masks": (majority_vote, {}),
    "majority of maps": (majority_vote, {"num_classes": 3}),
    "random rater": (random_rater, {"rng": 3}),
    "random rater of each image": (random_rater, {"rng": 3, "per": "image"}),
    "average": (uniform_average, {}),
    "average of maps": (uniform_average, {"num_classes": 3}),
    "average of maps, classes last": (uniform_average, {"num_classes": 3, "axis": -1}),
    "weighted average": (dice_weighted_average, {"return_weights": True}),
    "weighted average of each image": (
        dice_weighted_average,
        {"num_classes": 3, "per": "image", "return_weights": True},
    ),
    "STAPLE": (staple, {"return_performance": True, "max_iter": 20}),
    "agreement": (rater_agreement, {}),
    "disagreement": (disagreement, {}),
}


def assert_equal(got: object, expected: object) -> None:
    for one, other in zip(numbers(got), numbers(expected), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rater_axis", [1, -1])
@pytest.mark.parametrize("case", OF_RATERS)
def test_raters_along_any_axis(
    backend: Backend, rng: np.random.Generator, case: str, rater_axis: int
) -> None:
    function, options = OF_RATERS[case]
    classes = 3 if "num_classes" in options else 2
    raters = rng.integers(0, classes, (4, 3, 5, 6)).astype("int32")
    placed = np.ascontiguousarray(np.moveaxis(raters, 0, rater_axis))
    expected = backend.run(function, raters, **options)
    assert_equal(backend.run(function, placed, rater_axis=rater_axis, **options), expected)


@pytest.mark.parametrize("rater_axis", [0, 1, -1])
@pytest.mark.parametrize("case", OF_RATERS)
def test_strided_raters_along_any_axis(
    rng: np.random.Generator, case: str, rater_axis: int
) -> None:
    function, options = OF_RATERS[case]
    array = rng.integers(0, 2, (4, 6, 5, 8)).astype("int16")[::2, ::-1, :, ::-2]
    expected = function(np.moveaxis(array, rater_axis, 0).copy(), **options)
    assert_equal(function(array, rater_axis=rater_axis, **options), expected)


def test_raters_along_another_axis_are_read_where_they_lie(rng: np.random.Generator) -> None:
    batch = rng.integers(0, 2, (2, 3, 8, 8)).astype("uint8")
    _, view = require_raters(batch, None, 1)
    assert np.shares_memory(view, batch)
    assert np.shares_memory(random_rater(batch, rater_axis=1, rng=0), batch)


def test_an_axis_of_classes_needs_classes() -> None:
    batch = np.zeros((2, 3, 4, 4), bool)
    for function in (uniform_average, dice_weighted_average):
        with pytest.raises(ValueError, match=r"axis=1 is where.*num_classes.*write rater_axis=1$"):
            function(batch, axis=1)


@pytest.mark.parametrize("case", OF_RATERS)
def test_a_wrong_axis_of_raters(case: str) -> None:
    function, options = OF_RATERS[case]
    raters = np.zeros((2, 3, 4), np.int32)
    with pytest.raises(ValueError, match="rater_axis must be from -3 to 2, got 3"):
        function(raters, rater_axis=3, **options)
    with pytest.raises(TypeError, match=r"rater_axis must be an integer, got 1\.0; write 1"):
        function(raters, rater_axis=1.0, **options)
    with pytest.raises(ValueError, match=r"one rater along axis 1, got shape \(2, 0, 4\)"):
        function(np.zeros((2, 0, 4), np.int32), rater_axis=1, **options)


@pytest.mark.parametrize("case", OF_RATERS)
def test_raters_in_a_list(case: str) -> None:
    function, options = OF_RATERS[case]
    one, other = np.zeros((4, 5), np.int32), np.zeros((4, 6), np.int32)
    with pytest.raises(TypeError, match=r"one array.*got a list of 2 arrays of one shape; stack"):
        function([one, one], **options)
    with pytest.raises(
        TypeError, match=r"2 arrays of shapes \(4, 5\), \(4, 6\); bring them to one"
    ):
        function((one, other), **options)
