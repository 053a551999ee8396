"""Agreement of raters: counts, scores, kappas and the map of where they do not agree."""

import itertools
import math

import numpy as np
import pytest
import reference
from backends import Backend, frozen
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from realdata import real_cases

from dice_semimetric import (
    dice_weighted_average,
    disagreement,
    majority_vote,
    rater_agreement,
    value_checks,
)

MASKS = hnp.arrays(
    bool, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6), elements=st.booleans()
).map(frozen)


def masks(rng: np.random.Generator, shape: tuple[int, ...], kind: str = "bool") -> np.ndarray:
    return (rng.random(shape) < 0.4).astype(kind)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", ["bool", "uint8", "int8", "int64"])
def test_counts(backend: Backend, rng: np.random.Generator, number: int, kind: str) -> None:
    raters = masks(rng, (number, 3, 5), kind)
    got = backend.run(rater_agreement, raters)
    count = raters.sum(axis=0)
    most = count * 2 > number
    for i, j in itertools.product(range(number), repeat=2):
        assert got.both[i, j] == np.sum((raters[i] != 0) & (raters[j] != 0))
    np.testing.assert_array_equal(got.majority, [np.sum((r != 0) & most) for r in raters])
    np.testing.assert_array_equal(got.votes, [np.sum(count == k) for k in range(number + 1)])
    assert {a.dtype.kind for a in (got.both, got.majority, got.votes)} == {"i"}


def test_scores(backend: Backend, rng: np.random.Generator) -> None:
    raters = masks(rng, (4, 6, 7))
    got = backend.run(lambda r: _scores(rater_agreement(r)), raters)
    dice, jaccard, kappa, majority, fleiss = got
    close = {"rtol": 1e-5 if dice.dtype == "float32" else 1e-12}
    vote = majority_vote(raters)
    for i, j in itertools.product(range(4), repeat=2):
        one = reference.dice(raters[i], raters[j])
        np.testing.assert_allclose(dice[i, j], one, **close)
        np.testing.assert_allclose(jaccard[i, j], one / (2 - one), **close)
        np.testing.assert_allclose(
            kappa[i, j], reference.cohen_kappa(raters[i], raters[j]), **close, atol=1e-6
        )
    np.testing.assert_allclose(majority, [reference.dice(r, vote) for r in raters], **close)
    np.testing.assert_allclose(fleiss, reference.fleiss_kappa(raters), **close, atol=1e-6)


def test_copies(backend: Backend, rng: np.random.Generator) -> None:
    raters = masks(rng, (5, 3, 40))
    raters[3] = raters[1]
    raters[4] = raters[0] & raters[1]  # a part is no copy
    got = backend.run(lambda r: rater_agreement(r).copies(), raters)
    assert got.dtype == bool
    np.testing.assert_array_equal(np.argwhere(got), [[1, 3], [3, 1]])


def test_copies_are_judged_over_all_cases_and_classes(rng: np.random.Generator) -> None:
    maps = rng.integers(0, 3, (2, 4, 50))
    maps[:, 2], maps[:, 3] = maps[:, 0], maps[:, 1]
    maps[1, 3, 7] = (maps[1, 3, 7] + 1) % 3
    found = [rater_agreement(case == c) for case in maps for c in range(1, 3)]
    np.testing.assert_array_equal(np.argwhere(np.triu(sum(found).copies())), [[0, 2]])
    assert found[0].copies()[1, 3]


@pytest.mark.parametrize("number", [1, 3])
def test_raters_who_mark_nothing_are_no_copies(backend: Backend, number: int) -> None:
    got = backend.run(lambda r: rater_agreement(r).copies(), np.zeros((number, 7), bool))
    np.testing.assert_array_equal(got, np.zeros((number, number)))


def test_a_real_rater_that_is_a_copy_is_found() -> None:
    """As in set 1 of BU-BIL: one of the raters under a second name."""
    cases = [np.concatenate([r, r[1:2]]) for r, _ in real_cases(4)]
    for number in {len(raters) for raters in cases}:  # of one data set each
        found = sum(rater_agreement(raters) for raters in cases if len(raters) == number)
        np.testing.assert_array_equal(np.argwhere(np.triu(found.copies())), [[1, number - 1]])


def _scores(found):
    return (
        found.dice(),
        found.jaccard(),
        found.cohen_kappa(),
        found.dice_to_majority(),
        found.fleiss_kappa(),
    )


@given(MASKS)
def test_any_masks(raters: np.ndarray) -> None:
    found = rater_agreement(raters)
    number = len(raters)
    for i, j in itertools.product(range(number), repeat=2):
        expected = reference.cohen_kappa(raters[i], raters[j])
        assert found.cohen_kappa()[i, j] == pytest.approx(expected, abs=1e-12)
    if number > 1:
        assert found.fleiss_kappa() == pytest.approx(reference.fleiss_kappa(raters), abs=1e-12)
    assert found.votes.sum() == raters[0].size
    assert (found.votes * np.arange(number + 1)).sum() == np.trace(found.both)
    total = disagreement(raters).sum()
    weights = [4 * k * (number - k) / number**2 for k in range(number + 1)]
    assert total == pytest.approx((found.votes * weights).sum())
    assert not np.isnan(found.dice()).any()
    np.testing.assert_array_equal(found.dice(), found.dice().T)


@given(st.data(), MASKS)
def test_order_and_cuts_do_not_matter(data: st.DataObject, raters: np.ndarray) -> None:
    order = data.draw(st.permutations(range(len(raters))))
    whole, other = rater_agreement(raters), rater_agreement(raters[order])
    np.testing.assert_array_equal(other.both, whole.both[np.ix_(order, order)])
    np.testing.assert_array_equal(other.votes, whole.votes)
    flat = raters.reshape(len(raters), -1)
    cut = data.draw(st.integers(0, flat.shape[1]))
    parts = rater_agreement(flat[:, :cut]) + rater_agreement(flat[:, cut:])
    for name in ("both", "majority", "votes"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_mask(backend: Backend, rng: np.random.Generator) -> None:
    raters, kept = masks(rng, (3, 4, 6)), rng.random((4, 6)) < 0.5
    got = backend.run(rater_agreement, raters, mask=kept)
    expected = rater_agreement(raters[:, kept])
    for name in ("both", "majority", "votes"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    narrow = backend.run(rater_agreement, raters, mask=kept[:1])
    assert narrow.votes.sum() == 4 * kept[:1].sum()


def test_blocks_are_the_whole(rng: np.random.Generator) -> None:
    raters = masks(rng, (3, 5, 2**15))[..., ::2].transpose(0, 2, 1)  # not contiguous
    kept = rng.random(raters.shape[1:]) < 0.5
    got = rater_agreement(raters, mask=kept)
    flat = raters[:, kept]
    np.testing.assert_array_equal(got.both, flat.astype(int) @ flat.astype(int).T)
    np.testing.assert_array_equal(got.votes, np.bincount(flat.sum(axis=0), minlength=4))


@pytest.mark.parametrize("number", [1, 2, 5])
def test_disagreement(backend: Backend, rng: np.random.Generator, number: int) -> None:
    raters = masks(rng, (number, 3, 8))
    share = raters.mean(axis=0)
    got = backend.run(disagreement, raters)
    np.testing.assert_allclose(got, 4 * share * (1 - share), rtol=1e-6, atol=1e-7)
    if number == 2:  # halves are exact
        np.testing.assert_array_equal(got, raters[0] != raters[1])


@pytest.mark.parametrize("full", [False, True])
def test_unanimous(backend: Backend, full: bool) -> None:
    got = backend.run(lambda r: _scores(rater_agreement(r)), np.full((3, 4), full))
    for scores in got:
        np.testing.assert_array_equal(scores, np.ones_like(scores))


def test_nothing_marked_is_what_empty_says() -> None:
    found = rater_agreement(np.array([[0, 0], [0, 0], [0, 1]]))
    assert found.dice(empty=0.0)[0, 1] == 0 == found.dice()[0, 2]
    assert math.isnan(found.jaccard(empty="skip")[0, 1])
    assert math.isnan(found.dice_to_majority(empty="skip")[0])
    assert found.dice_to_majority()[2] == 0
    with pytest.raises(ValueError, match="empty"):
        found.dice(empty=2.0)


def test_no_pixels(backend: Backend) -> None:
    got = backend.run(rater_agreement, np.zeros((2, 0, 3), bool))
    np.testing.assert_array_equal(got.votes, [0, 0, 0])
    assert float(got.fleiss_kappa()) == 1.0
    assert backend.run(disagreement, np.zeros((2, 0, 3), bool)).shape == (0, 3)


def test_weights_of_the_fusion_are_these_scores() -> None:
    for raters, _ in real_cases(3):
        _, weights = dice_weighted_average(raters, return_weights=True)
        score = rater_agreement(raters).dice_to_majority()
        np.testing.assert_allclose(weights, score / score.sum(), rtol=1e-12)


def test_real_masks_have_the_published_figures() -> None:
    for raters, entry in real_cases(40):
        found = rater_agreement(raters)
        number = len(raters)
        upper = np.triu_indices(number, 1)
        assert found.dice()[upper].mean() == pytest.approx(entry["pairwise"], abs=1e-12)
        assert found.dice_to_majority().mean() == pytest.approx(entry["vs_majority"], abs=1e-12)
        np.testing.assert_array_equal(np.diagonal(found.both), entry["areas"])
        disputed, most = found.votes[1:-1].sum(), found.votes[number // 2 + 1 :].sum()
        assert disputed / most == pytest.approx(entry["amb"], abs=1e-12)


def test_bad_input() -> None:
    good = np.zeros((2, 3), bool)
    with pytest.raises(TypeError, match="raters must be of a boolean or integer dtype"):
        rater_agreement(good.astype(float))
    with pytest.raises(ValueError, match="at least one rater"):
        disagreement(np.zeros((0, 3), bool))
    with value_checks("always"), pytest.raises(ValueError, match="0 and 1"):
        rater_agreement(np.array([[0, 2], [0, 1]]))
    with pytest.raises(TypeError, match="mask"):
        rater_agreement(good, mask=np.ones(3))
    with pytest.raises(ValueError, match="mask"):
        rater_agreement(good, mask=np.ones(4, bool))
    with pytest.raises(TypeError, match="dtype must be a floating dtype"):
        disagreement(good, dtype=np.int32)
    with pytest.raises(ValueError, match="as many raters, got 2 and 3"):
        rater_agreement(good) + rater_agreement(np.zeros((3, 3), bool))
