"""Fusion: majority vote, random rater, uniform and Dice-weighted average, and bad input."""

import numpy as np
import pytest
import reference
from backends import Backend, frozen, in_float32
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from realdata import real_cases
from reference import tolerance

from dice_semimetric import (
    dice_weighted_average,
    majority_vote,
    random_rater,
    staple,
    uniform_average,
    value_checks,
)

KINDS = ["bool", "uint8", "int8", "uint16", "int64"]
MASKS = hnp.arrays(
    bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.booleans()
).map(frozen)


def masks(rng: np.random.Generator, shape: tuple[int, ...], kind: str = "bool") -> np.ndarray:
    return (rng.random(shape) < 0.4).astype(kind)


def maps(rng: np.random.Generator, shape: tuple[int, ...], classes: int) -> np.ndarray:
    return rng.integers(0, classes, shape).astype("int32")


def native(backend: Backend, dtype: str):
    """Return the library's own dtype of that name."""
    return backend.array(np.zeros(1, dtype)).dtype


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_majority_is_strict(
    backend: Backend, rng: np.random.Generator, number: int, kind: str
) -> None:
    raters = masks(rng, (number, 3, 5), kind)
    got = backend.run(majority_vote, raters)
    assert got.dtype == kind
    np.testing.assert_array_equal(got, reference.votes(raters, 2)[1] * 2 > number)


@pytest.mark.parametrize("shape", [(4,), (4, 0), (4, 2, 0, 3), (4, 2, 3, 2, 2)])
def test_shapes(backend: Backend, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    raters = masks(rng, shape)
    count = raters.sum(axis=0)
    np.testing.assert_array_equal(backend.run(majority_vote, raters), count > 2)
    np.testing.assert_array_equal(backend.run(uniform_average, raters), count / 4)
    soft, weights = backend.run(dice_weighted_average, raters, return_weights=True)
    assert soft.shape == shape[1:]
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_plurality_gives_ties_to_the_lowest(
    backend: Backend, rng: np.random.Generator, number: int
) -> None:
    raters = maps(rng, (number, 2, 30), 4)
    got = backend.run(majority_vote, raters, num_classes=4)
    assert got.dtype == "int32"
    np.testing.assert_array_equal(got, np.argmax(reference.votes(raters, 4), axis=0))


def test_two_classes_vote_as_masks(backend: Backend, rng: np.random.Generator) -> None:
    raters = masks(rng, (4, 30), "uint8")
    expected = backend.run(majority_vote, raters)
    for num_classes in (1, 2):
        got = backend.run(majority_vote, raters, num_classes=num_classes)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_many_raters_do_not_overflow(backend: Backend, kind: str) -> None:
    raters = np.ones((300, 2), kind)
    raters[:140, 1] = 0
    np.testing.assert_array_equal(backend.run(majority_vote, raters), [1, 1])
    np.testing.assert_allclose(backend.run(uniform_average, raters), [1, 160 / 300], rtol=1e-6)


def test_voting_agrees_with_simpleitk(rng: np.random.Generator) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is the independent library here")
    raters = maps(rng, (5, 20, 30), 3).astype("uint8")
    images = [sitk.GetImageFromArray(r) for r in raters]
    theirs = sitk.GetArrayFromImage(sitk.LabelVoting(images, 255))
    ours = majority_vote(raters, num_classes=3)
    undecided = theirs == 255
    assert 0 < undecided.sum() < undecided.size
    np.testing.assert_array_equal(ours[~undecided], theirs[~undecided])
    ordered = np.sort(reference.votes(raters, 3), axis=0)
    np.testing.assert_array_equal(undecided, ordered[-1] == ordered[-2])


@pytest.mark.parametrize("number", [1, 3, 10])
def test_uniform_average_is_the_nearest_fraction(
    backend: Backend, rng: np.random.Generator, dtype: str, number: int
) -> None:
    raters = masks(rng, (number, 40))
    got = backend.run(uniform_average, raters, dtype=native(backend, dtype))
    assert got.dtype == dtype
    expected = np.array([float(c) / number for c in raters.sum(axis=0)]).astype(dtype)
    np.testing.assert_array_equal(got, expected)


def test_three_of_ten_reach_the_threshold(backend: Backend, dtype: str) -> None:
    raters = np.arange(10)[:, None] < np.arange(11)
    got = backend.run(uniform_average, raters, dtype=native(backend, dtype))
    for k in range(11):
        assert got[k] >= np.asarray(k / 10, dtype)
    times = raters.sum(axis=0) * np.asarray(0.1, dtype)  # what a product with 1 / R would give
    assert np.any(times != got)


@pytest.mark.parametrize("function", [uniform_average, dice_weighted_average, staple])
def test_half_precision_is_only_the_last_step(backend: Backend, function) -> None:
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    raters = np.ones((3, 70_000), bool)
    raters[0, ::2] = False
    got = backend.run(function, raters, dtype=native(backend, "float16"))
    wide = backend.run(function, raters, dtype=native(backend, "float32"))
    assert got.dtype == "float16"
    np.testing.assert_array_equal(got, wide.astype("float16"))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("function", [uniform_average, dice_weighted_average])
def test_class_axis(backend: Backend, rng: np.random.Generator, function, axis: int) -> None:
    raters = maps(rng, (4, 2, 15), 3)
    got = backend.run(function, raters, num_classes=3, axis=axis)
    weights = np.full(4, 0.25)
    if function is dice_weighted_average:
        weights = class_weights(raters, 3)
    hot = np.stack([reference.one_hot(r, 3) for r in raters])
    expected = np.moveaxis(np.tensordot(weights, hot, 1), 1, axis)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def class_weights(raters: np.ndarray, num_classes: int) -> np.ndarray:
    """Weigh by the mean Dice over the classes from 1 on that any rater marked."""
    vote = np.argmax(reference.votes(raters, num_classes), axis=0)
    seen = [c for c in range(1, num_classes) if (raters == c).any()]
    dice = [np.mean([reference.dice(r == c, vote == c) for c in seen]) for r in raters]
    return np.array(dice) / np.sum(dice)


def test_classes_that_nobody_marked_do_not_count(
    backend: Backend, rng: np.random.Generator
) -> None:
    raters = maps(rng, (3, 2, 15), 3)
    _, weights = backend.run(dice_weighted_average, raters, num_classes=9, return_weights=True)
    np.testing.assert_allclose(weights, class_weights(raters, 3), rtol=1e-6)
    nothing = np.zeros((3, 2, 15), "int32")
    soft, weights = backend.run(dice_weighted_average, nothing, num_classes=4, return_weights=True)
    np.testing.assert_allclose(weights, 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(soft[:, 0], 1)


def test_one_class_gives_masks_a_class_axis(backend: Backend, rng: np.random.Generator) -> None:
    raters = masks(rng, (3, 2, 5), "uint8")
    for function in (uniform_average, dice_weighted_average):
        flat, stacked = backend.run(function, raters), backend.run(function, raters, num_classes=1)
        assert stacked.shape == (2, 1, 5)
        np.testing.assert_array_equal(stacked[:, 0], flat)


@in_float32
@pytest.mark.parametrize("kind", ["bool", "uint8"])
def test_dice_weights(backend: Backend, rng: np.random.Generator, dtype: str, kind: str) -> None:
    raters = masks(rng, (4, 3, 20), kind)
    soft, weights = backend.run(
        dice_weighted_average, raters, return_weights=True, dtype=native(backend, dtype)
    )
    marks = raters.astype(bool)
    vote = marks.sum(axis=0) > 2
    dice = np.array([reference.dice(r, vote) for r in marks])
    assert soft.dtype == weights.dtype == dtype
    np.testing.assert_allclose(weights, dice / dice.sum(), **tolerance(dtype))
    expected = np.tensordot(dice / dice.sum(), marks.astype(float), 1)
    np.testing.assert_allclose(soft, expected, **tolerance(dtype))


def test_dice_weights_of_each_image(backend: Backend, rng: np.random.Generator) -> None:
    raters = masks(rng, (3, 4, 5, 6), "uint8")
    soft, weights = backend.run(
        dice_weighted_average, raters, per="image", num_classes=2, return_weights=True
    )
    assert weights.shape == (3, 4)
    for b in range(4):
        one, own = dice_weighted_average(raters[:, b], return_weights=True)
        np.testing.assert_allclose(weights[:, b], own, rtol=1e-6)
        np.testing.assert_allclose(soft[b, 1], one, rtol=1e-6)


@pytest.mark.parametrize(
    ("raters", "weights"),
    [
        ([[1, 1, 0], [1, 1, 0], [0, 0, 1]], [0.5, 0.5, 0]),  # disjoint from the majority
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [1 / 3] * 3),  # all disjoint: no majority at all
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], [1 / 3] * 3),  # empty against empty
        ([[0, 0, 0], [0, 0, 0], [0, 1, 0]], [0.5, 0.5, 0]),  # empty majority
        ([[1, 1, 1], [1, 1, 1]], [0.5, 0.5]),
        ([[1, 0, 1]], [1]),
        ([[0, 0, 0]], [1]),
    ],
)
def test_weights_at_their_ends(backend: Backend, raters, weights) -> None:
    raters = np.array(raters)
    soft, got = backend.run(dice_weighted_average, raters, return_weights=True)
    np.testing.assert_allclose(got, weights, rtol=1e-6)
    np.testing.assert_allclose(soft, np.tensordot(weights, raters, 1), rtol=1e-6)


@given(raters=MASKS)
def test_properties_of_the_averages(raters: np.ndarray) -> None:
    """Weights sum to 1, labels stay in [0, 1] to the last bit, and raters have no order."""
    soft, weights = dice_weighted_average(raters, return_weights=True, dtype=np.float32)
    mean, vote = uniform_average(raters), majority_vote(raters)
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
    for label in (soft, mean):
        assert np.all((label >= 0) & (label <= 1))
        assert np.all(label[raters.all(axis=0)] == 1)
        assert np.all(label[~raters.any(axis=0)] == 0)
    np.testing.assert_array_equal(mean > 0.5, vote)
    turned = raters[::-1]
    np.testing.assert_array_equal(majority_vote(turned), vote)
    np.testing.assert_array_equal(uniform_average(turned), mean)
    np.testing.assert_allclose(dice_weighted_average(turned), soft, rtol=1e-6)


@given(mask=MASKS, copies=st.integers(1, 7))
def test_copies_of_one_rater_give_it_back(mask: np.ndarray, copies: int) -> None:
    raters = np.broadcast_to(mask, (copies, *mask.shape))
    np.testing.assert_array_equal(majority_vote(raters), mask)
    np.testing.assert_array_equal(uniform_average(raters), mask)
    np.testing.assert_array_equal(dice_weighted_average(raters), mask)
    np.testing.assert_array_equal(staple(raters) > 0.5, mask)


def test_random_rater(backend: Backend, rng: np.random.Generator) -> None:
    raters = maps(rng, (5, 6, 7), 9)
    seen = set()
    for seed in range(12):
        index = int(np.random.default_rng(seed).integers(5))
        got = backend.run(random_rater, raters, rng=np.random.default_rng(seed))
        assert got.dtype == raters.dtype
        np.testing.assert_array_equal(got, raters[index])
        seen.add(index)
    assert len(seen) > 2


@pytest.mark.parametrize("images", [6, 0])
def test_random_rater_of_each_image(
    backend: Backend, rng: np.random.Generator, images: int
) -> None:
    raters = maps(rng, (5, images, 2, 7), 9)
    index = np.random.default_rng(1).integers(5, size=images)
    got = backend.run(random_rater, raters, rng=np.random.default_rng(1), per="image")
    np.testing.assert_array_equal(got, raters[index, np.arange(images)])
    assert images == 0 or len(set(index)) > 1


@pytest.mark.parametrize("function", [majority_vote, uniform_average, staple])
def test_a_view_gives_what_its_copy_gives(rng: np.random.Generator, function) -> None:
    raters = masks(rng, (8, 6, 4, 5), "uint8")[::2, ::-1].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(function(raters), function(raters.copy()))


@pytest.mark.parametrize(
    "function", [majority_vote, uniform_average, dice_weighted_average, staple]
)
@pytest.mark.parametrize(
    ("raters", "error", "words"),
    [
        ([[0, 1]], TypeError, "raters must be an array.*list"),
        (np.ones((2, 3)), TypeError, "raters must be of a boolean or integer.*float64.*> 0.5"),
        (np.full((2, 3), np.nan), TypeError, "raters must be of a boolean or integer.*float64"),
        (np.ones((0, 3), bool), ValueError, r"raters must hold at least one rater.*\(0, 3\)"),
        (np.array(True), ValueError, r"raters must hold at least one rater.*shape \(\)"),
        (np.array([[0, 2]]), ValueError, "raters must hold 0 and 1.*values from 0 to 2"),
        (np.array([[0, 255]], "uint8"), ValueError, "raters must hold 0 and 1.*from 0 to 255"),
        (np.array([[-1, 0]]), ValueError, "raters must hold 0 and 1.*values from -1 to 0"),
    ],
)
def test_bad_raters_are_named(function, raters, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        function(raters)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda m: majority_vote(m, num_classes=2),
            TypeError,
            "raters must be of an integer dtype, got bool",
        ),
        (
            lambda m: majority_vote(m * 5, num_classes=3),
            ValueError,
            "raters must hold labels from 0 to 2, got values from 5 to 5",
        ),
        (lambda m: majority_vote(m * 1, num_classes=0), ValueError, "num_classes must be at least"),
        (lambda m: random_rater(m, rng=0.5), TypeError, "rng must be None, an int.*0.5"),
        (
            lambda m: random_rater(m, rng=np.random.default_rng(0), per="case"),
            ValueError,
            "per must be one of 'batch', 'image', got 'case'",
        ),
        (
            lambda m: random_rater(m[:, 0], rng=np.random.default_rng(0), per="image"),
            ValueError,
            r"raters must have an axis of images.*\(2,\)",
        ),
        (lambda m: random_rater(m * 1.0, rng=np.random.default_rng(0)), TypeError, "raters must"),
        (lambda m: uniform_average(m, dtype=np.int64), TypeError, "dtype must be a floating dtype"),
        (
            lambda m: uniform_average(m * 1, num_classes=2, axis=4),
            ValueError,
            "axis must be .*got 4",
        ),
        (
            lambda m: dice_weighted_average(m, per="class"),
            ValueError,
            "per must be one of",
        ),
    ],
)
def test_bad_options_are_named(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(np.ones((2, 3), bool))


def test_values_are_checked_where_they_are_known(every_backend: Backend) -> None:
    raters = np.array([[0, 3], [0, 3]], "uint8")
    if every_backend.checks_values:
        with pytest.raises(ValueError, match="got values from 0 to 3"):
            every_backend.run(majority_vote, raters)
    else:
        np.testing.assert_array_equal(every_backend.run(majority_vote, raters), [0, 1])
    with value_checks("never"):
        np.testing.assert_array_equal(every_backend.run(uniform_average, raters), [0, 1])


def test_real_masks_agree_as_their_index_says() -> None:
    """The index holds the mean Dice of the raters to the strict majority of each case."""
    for raters, entry in real_cases(5):
        vote = majority_vote(raters)
        dice = np.array([reference.dice(r > 0, vote > 0) for r in raters])
        np.testing.assert_allclose(dice.mean(), entry["vs_majority"], rtol=1e-12)
        soft, weights = dice_weighted_average(raters, return_weights=True)
        np.testing.assert_allclose(weights, dice / dice.sum(), rtol=1e-12)
        np.testing.assert_allclose(soft, np.tensordot(weights, raters, 1), rtol=1e-12)
        np.testing.assert_array_equal(uniform_average(raters), raters.sum(axis=0) / len(raters))
        assert [int(r.sum()) for r in raters] == entry["areas"]


def test_a_class_that_the_vote_lacks_weighs_on_who_marked_it(backend: Backend) -> None:
    """Of the two classes marked by anyone rater 0 has Dice 1 and 0, the others 1 and 1."""
    raters = np.array([[1, 1, 2, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]], "int32")
    _, weights = backend.run(dice_weighted_average, raters, num_classes=3, return_weights=True)
    np.testing.assert_allclose(weights, [0.2, 0.4, 0.4], rtol=1e-6)
