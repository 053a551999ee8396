"""Reliability, resolution and uncertainty beside their sums in float64."""

import numpy as np
import pytest
from backends import NUMBERS, available

from dice_semimetric import brier_score, calibration_bins, log_loss

RNG = np.random.default_rng(6)
PROB, SOFT = RNG.random(900), RNG.random(900)
HARD = RNG.random(900) < PROB
both = pytest.mark.parametrize("score", ["brier", "log"])
labels = pytest.mark.parametrize("label", [HARD, HARD.astype("uint8"), SOFT])


def distance(y, x, score):
    if score == "brier":
        return (y - x) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = (np.where(a > 0, a * np.log(a / b), 0) for a, b in ((y, x), (1 - y, 1 - x)))
        return sum(sides)


def parts(prob, label, score, n_bins=10):
    """Return the parts, and the confidence of each pixel's bin."""
    place, label = np.minimum((prob * n_bins).astype(int), n_bins - 1), label.astype(float)
    base, means = label.mean(), np.empty(prob.shape)
    reliability = resolution = 0.0
    for k in np.unique(place):
        inside = place == k
        means[inside], share = prob[inside].mean(), inside.mean()
        reliability += share * distance(label[inside].mean(), prob[inside].mean(), score)
        resolution += share * distance(label[inside].mean(), base, score)
    uncertainty = base * (1 - base)
    if score == "log":
        uncertainty = -(base * np.log(base) + (1 - base) * np.log(1 - base))
    return (reliability, resolution, uncertainty), means


@both
@labels
def test_it_is_the_loop_and_exact_for_the_means_of_bins(score, label) -> None:
    found = calibration_bins(PROB, label, kind="binary").decompose(score)
    wanted, means = parts(PROB, label, score)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    mean = (brier_score if score == "brier" else log_loss)(means, label, kind="binary")
    total = found.reliability - found.resolution + found.uncertainty
    np.testing.assert_allclose(total, mean, rtol=1e-12)


@labels
def test_the_rest_is_variance_less_twice_covariance_within_the_bins(label) -> None:
    found = calibration_bins(PROB, label, kind="binary", n_bins=4).decompose()
    place, y = np.minimum((PROB * 4).astype(int), 3), label.astype(float)
    variance = covariance = 0.0
    for k in range(4):
        p, correct = PROB[place == k], y[place == k]
        variance += np.sum((p - p.mean()) ** 2) / PROB.size
        covariance += 2 * np.sum((p - p.mean()) * (correct - correct.mean())) / PROB.size
    total = found.reliability - found.resolution + found.uncertainty + variance - covariance
    np.testing.assert_allclose(total, brier_score(PROB, label, kind="binary"), rtol=1e-12)


def test_the_sum_over_the_classes_belongs_to_the_score_of_all_classes() -> None:
    prob = np.moveaxis(RNG.dirichlet([1] * 3, (2, 40)), -1, 1)
    prob = np.round(prob * 4) / 4
    prob[:, 2] = 1 - prob[:, 0] - prob[:, 1]
    prob = np.where(prob.min(axis=1, keepdims=True) < 0, 1 / 4 * np.array([1, 1, 2])[:, None], prob)
    label = RNG.integers(0, 3, (2, 40))
    found = calibration_bins(prob, label, kind="classwise").decompose()
    total = found.reliability - found.resolution + found.uncertainty
    assert total.shape == (3,)
    np.testing.assert_allclose(total.sum(), brier_score(prob, label), rtol=1e-12)


@both
def test_calibrated_and_constant_predictions(score) -> None:
    y = np.repeat([0, 1], [30, 10])
    constant = calibration_bins(np.full(40, 0.25), y, kind="binary").decompose(score)
    np.testing.assert_allclose(constant[:2], 0, atol=1e-12)
    perfect = calibration_bins(y.astype(float), y, kind="binary").decompose(score)
    assert perfect.reliability == 0
    np.testing.assert_allclose(perfect.resolution, perfect.uncertainty, rtol=1e-12)
    wrong = calibration_bins(1.0 - y, y, kind="binary").decompose(score)
    assert np.isfinite(wrong).all()


@both
def test_without_pixels_all_is_nan_and_sums_are_those_of_all_cases(score) -> None:
    one, none = (calibration_bins(PROB[:n], SOFT[:n], kind="binary") for n in (900, 0))
    assert np.isnan(none.decompose(score)).all()
    halves = (calibration_bins(PROB[h::2], SOFT[h::2], kind="binary") for h in (0, 1))
    np.testing.assert_allclose(sum(halves, none).decompose(score), one.decompose(score), rtol=1e-12)


@pytest.mark.parametrize("library", NUMBERS)
def test_every_library(library) -> None:
    def decomposed(prob, label):
        bins = calibration_bins(prob, label, kind="binary")
        return tuple(bins.decompose()), tuple(bins.decompose("log"))

    given = PROB.astype("float32"), HARD
    found, wanted = available(library).run(decomposed, *given), decomposed(*given)
    np.testing.assert_allclose(found, wanted, rtol=2e-4)
