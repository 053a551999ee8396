"""STAPLE: Warfield's equations, SimpleITK, both forms of the iteration, and its ends."""

import numpy as np
import pytest
import reference
from backends import Backend, frozen
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from realdata import real_cases
from reference import tolerance

from dice_semimetric import majority_vote, staple

MASKS = hnp.arrays(
    bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.booleans()
).map(frozen)


def opinions(rng: np.random.Generator, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return masks of raters that err at rates of their own."""
    truth = rng.random(shape) < 0.3
    rates = rng.uniform(0.02, 0.3, (number, 2))
    return np.stack(
        [np.where(truth, rng.random(shape) > p, rng.random(shape) < q) for p, q in rates]
    )


@pytest.mark.parametrize(
    ("number", "shape"),
    [(3, (12, 10)), (5, (7, 6, 3)), (3, (2, 2)), (18, (9, 10))],
    ids=["patterns", "patterns-3d", "few-pixels", "many-raters"],
)
def test_staple_is_warfields(
    backend: Backend, rng: np.random.Generator, dtype: str, number: int, shape
) -> None:
    raters = opinions(rng, number, shape)
    native = backend.array(np.zeros(1, dtype)).dtype
    got = backend.run(staple, raters, return_performance=True, max_iter=12, tol=0, dtype=native)
    for ours, theirs in zip(got, reference.staple(raters, 12), strict=True):
        assert ours.dtype == dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5 if dtype == "float32" else 1e-8, atol=1e-9
        )


@pytest.mark.parametrize("kind", ["bool", "uint8", "uint16", "int64"])
def test_any_hard_dtype(backend: Backend, rng: np.random.Generator, kind: str) -> None:
    raters = opinions(rng, 3, (5, 8))
    expected = staple(raters)
    got = backend.run(staple, raters.astype(kind))
    assert got.dtype == ("float32" if backend.module == "torch" else "float64")
    np.testing.assert_allclose(got, expected, **tolerance(str(got.dtype)))


def test_it_stops_when_nothing_moves(backend: Backend, rng: np.random.Generator) -> None:
    """Wherever the loop runs, an early stop lands where the full number of iterations does."""
    raters = opinions(rng, 4, (20, 30))
    stopped = backend.run(staple, raters, tol=1e-9, max_iter=10_000)
    np.testing.assert_allclose(stopped, reference.staple(raters, 300)[0], rtol=1e-4, atol=1e-6)
    early = backend.run(staple, raters, tol=1, max_iter=10_000)
    np.testing.assert_allclose(early, reference.staple(raters, 1)[0], rtol=1e-4, atol=1e-9)
    assert np.max(np.abs(early - stopped)) > 1e-4


@pytest.mark.parametrize(("number", "shape"), [(4, (60, 50)), (5, (10, 12, 8)), (20, (15, 40))])
def test_staple_agrees_with_simpleitk(rng: np.random.Generator, number: int, shape) -> None:
    assert_like_simpleitk(opinions(rng, number, shape), 1e-5)


def test_real_masks_agree_with_simpleitk() -> None:
    for raters, _ in real_cases(4):
        assert_like_simpleitk(raters, 1e-5)


def assert_like_simpleitk(raters: np.ndarray, atol: float) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is the independent library here")
    images = [sitk.GetImageFromArray(np.ascontiguousarray(r).astype("uint8")) for r in raters]
    theirs = sitk.STAPLEImageFilter()
    theirs.SetForegroundValue(1)
    expected = sitk.GetArrayFromImage(theirs.Execute(images))
    soft, sensitivity, specificity = staple(raters, return_performance=True)
    np.testing.assert_allclose(soft, expected, atol=atol)
    np.testing.assert_allclose(sensitivity, theirs.GetSensitivity(), atol=atol)
    np.testing.assert_allclose(specificity, theirs.GetSpecificity(), atol=atol)


@pytest.mark.parametrize("number", [1, 3, 18])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("prior", [None, 0.25])
def test_all_empty_and_all_full(backend: Backend, number: int, full: bool, prior) -> None:
    raters = np.full((number, 4, 5), full)
    soft, sensitivity, specificity = backend.run(
        staple, raters, prior=prior, return_performance=True
    )
    np.testing.assert_array_equal(soft, full)
    np.testing.assert_array_equal(np.stack([sensitivity, specificity]), 1)


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_no_pixels(backend: Backend, shape: tuple[int, ...]) -> None:
    got = backend.run(staple, np.ones((3, *shape), bool), return_performance=True)
    assert [a.shape for a in got] == [shape, (3,), (3,)]
    np.testing.assert_array_equal(got[1], 1)


def test_one_rater_is_believed(backend: Backend, rng: np.random.Generator) -> None:
    mask = rng.random((1, 8, 9)) < 0.3
    np.testing.assert_allclose(backend.run(staple, mask), mask[0], atol=1e-4)


def test_one_pixel(backend: Backend) -> None:
    got = backend.run(staple, np.array([[True], [True], [False]]))
    assert 0 <= got[0] <= 1


def test_a_given_prior(backend: Backend, rng: np.random.Generator) -> None:
    """The share of marks given as the prior changes nothing; a lower one lowers the result."""
    raters = opinions(rng, 3, (9, 9))
    share = float(raters.mean())
    expected = backend.run(staple, raters)
    np.testing.assert_allclose(backend.run(staple, raters, prior=share), expected, atol=1e-6)
    assert np.all(backend.run(staple, raters, prior=share / 10) <= expected + 1e-6)


def test_a_better_rater_is_weighed_higher(rng: np.random.Generator) -> None:
    truth = rng.random(10_000) < 0.4
    correct = [0.95, 0.7, 0.7, 0.7, 0.7]
    wrong = rng.random((5, 10_000)) > np.array(correct)[:, None]
    raters = truth ^ wrong
    soft, sensitivity, specificity = staple(raters, prior=0.4, return_performance=True)
    np.testing.assert_allclose(sensitivity, correct, atol=0.03)
    np.testing.assert_allclose(specificity, correct, atol=0.03)
    assert np.mean((soft > 0.5) == truth) > np.mean(majority_vote(raters) == truth) + 0.03


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_raters_and_pixels_stay_finite(rng: np.random.Generator, dtype: str) -> None:
    """A product of 300 rates underflows; a sum of their logarithms does not."""
    truth = rng.random((20, 25)) < 0.3
    raters = truth ^ (rng.random((300, 20, 25)) < 0.3)
    soft, *rates = staple(raters, return_performance=True, dtype=np.dtype(dtype))
    assert np.all(np.isfinite(soft))
    np.testing.assert_array_equal(soft > 0.5, truth)
    np.testing.assert_allclose(rates, 0.7, atol=0.15)


@given(raters=MASKS, data=st.data())
def test_properties(raters: np.ndarray, data: st.DataObject) -> None:
    """Probabilities lie in [0, 1], raters have no order, and equal votes give equal labels."""
    soft, *rates = staple(raters, return_performance=True, max_iter=50)
    for value in (soft, *rates):
        assert np.all((value >= 0) & (value <= 1))
    order = data.draw(st.permutations(range(len(raters))))
    np.testing.assert_allclose(staple(raters[order], max_iter=50), soft, atol=1e-6)
    doubled = staple(np.stack([raters, raters], axis=-1), max_iter=50)
    np.testing.assert_allclose(doubled, np.stack([soft, soft], axis=-1), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_iter": 0}, "max_iter must be at least 1, got 0"),
        ({"tol": -1.0}, "tol must be at least 0, got -1"),
        ({"tol": np.nan}, "tol must be finite, got nan"),
        ({"prior": 0.0}, "prior must lie between 0 and 1, got 0"),
        ({"prior": np.nan}, "prior must be finite, got nan"),
    ],
)
def test_bad_options_are_named(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        staple(np.ones((2, 3), bool), **options)


def test_half_precision_is_only_the_last_step(rng: np.random.Generator) -> None:
    raters = opinions(rng, 3, (400, 300))
    half, full = staple(raters, dtype=np.float16), staple(raters)
    np.testing.assert_allclose(half, full, atol=1e-3)


#: Raters who contradict each other: the likelihood has several peaks.
CONTRADICTING = np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [1, 0, 1, 0, 1]])


def test_a_start_from_the_mean_is_that_of_itk() -> None:
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is the independent library here")
    images = [sitk.GetImageFromArray(r[None].astype(np.uint8)) for r in CONTRADICTING]
    theirs = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0))[0]
    np.testing.assert_allclose(staple(CONTRADICTING, start="mean"), theirs, atol=1e-5)
    np.testing.assert_allclose(theirs, [1, 0, 1, 0, 1], atol=1e-5)
    np.testing.assert_allclose(staple(CONTRADICTING), [1, 0, 0, 0, 0], atol=1e-5)


def test_one_step_from_the_mean(backend: Backend) -> None:
    """By hand: the performances under the mean, then a step and the posterior."""
    prior, hit = CONTRADICTING.mean(), CONTRADICTING.T

    def performance(soft: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = (CONTRADICTING * soft).sum(axis=1) / soft.sum()
        return p, ((1 - CONTRADICTING) * (1 - soft)).sum(axis=1) / (1 - soft).sum()

    def posterior(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        a = prior * np.prod(np.where(hit, p, 1 - p), axis=1)
        b = (1 - prior) * np.prod(np.where(hit, 1 - q, q), axis=1)
        return a / (a + b)

    p, q = performance(posterior(*performance(CONTRADICTING.mean(axis=0))))
    options = {"start": "mean", "max_iter": 1, "return_performance": True}
    found = backend.run(staple, CONTRADICTING, **options)
    for got, expected in zip(found, (posterior(p, q), p, q), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_where_raters_mostly_agree_the_start_does_not_matter(rng: np.random.Generator) -> None:
    truth = rng.random(400) < 0.4
    raters = np.stack([np.where(rng.random(400) < 0.9, truth, ~truth) for _ in range(4)])
    starts = [staple(raters, start=start) for start in ("mean", "performance")]
    np.testing.assert_allclose(*starts, atol=1e-5)


def test_a_start_that_is_unknown() -> None:
    with pytest.raises(
        ValueError, match="start must be one of 'performance', 'mean', 'majority', got 'itk'"
    ):
        staple(CONTRADICTING, start="itk")
