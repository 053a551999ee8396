"""The continuous ranked probability score beside integrals, and beside scoringrules."""

import numpy as np
import pytest
from backends import NUMBERS, available
from scipy import integrate, stats

from dice_semimetric import crps

RNG = np.random.default_rng(2)
SAMPLES, VALUE = RNG.normal(40, 9, (7, 12)), RNG.normal(45, 12, 12)
KINDS = ("empirical", "normal")


def integral(value: float, samples: np.ndarray, distribution: str) -> float:
    """Return the integral of the squared difference of the two distribution functions."""
    if distribution == "empirical":
        edges = np.sort([value, *samples])
        middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
        below = np.mean(samples[:, None] <= middles, axis=0)
        return float(np.sum(widths * (below - (middles >= value)) ** 2))
    normal = stats.norm(samples.mean(), samples.std())
    low, high = samples.mean() - 60 * samples.std(), samples.mean() + 60 * samples.std()
    left = integrate.quad(
        lambda t: normal.cdf(t) ** 2, low, value, points=[samples.mean()], limit=500
    )
    right = integrate.quad(
        lambda t: normal.sf(t) ** 2, value, high, points=[samples.mean()], limit=500
    )
    return left[0] + right[0]


@pytest.mark.parametrize("distribution", KINDS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_it_is_the_integral(distribution, axis) -> None:
    wanted = [integral(v, s, distribution) for v, s in zip(VALUE, SAMPLES.T, strict=True)]
    found = crps(VALUE, np.moveaxis(SAMPLES, 0, axis), axis=axis, distribution=distribution)
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
    one = crps(VALUE[0], SAMPLES[:, 0], distribution=distribution)
    np.testing.assert_allclose(one, wanted[0], rtol=1e-7)


@pytest.mark.parametrize("distribution", KINDS)
def test_it_is_the_distance_where_all_agree_and_for_one_sample(distribution) -> None:
    for samples in (np.full((5, 12), 0.1), np.full((3, 12), 1e9), SAMPLES[:1]):
        found = crps(VALUE, samples, distribution=distribution)
        np.testing.assert_allclose(found, abs(VALUE - samples[0]), rtol=1e-12)
        assert not crps(samples[0], samples, distribution=distribution).any()


@pytest.mark.parametrize("distribution", KINDS)
def test_far_from_the_samples_and_nearly_equal_ones(distribution) -> None:
    """Where others cut the integral off, at three standard deviations."""
    samples = np.array([10.0, 10.0, 10.0 + 1e-9])
    for value in (10.0, 11.0, 1e6):
        found = crps(np.array(value), samples, distribution=distribution)
        assert np.isfinite(found)
        np.testing.assert_allclose(found, value - 10, atol=1e-8)
    huge = crps(np.array(1e30), np.array([0.0, 1e-30]), distribution=distribution)
    np.testing.assert_allclose(huge, 1e30)


@pytest.mark.parametrize("distribution", KINDS)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_dtypes(distribution, dtype) -> None:
    value, samples = (
        np.array([1, 0]).astype(dtype),
        np.array([[0, 1], [1, 1], [0, 0]]).astype(dtype),
    )
    found = crps(value, samples, distribution=distribution)
    wanted = crps(value.astype(float), samples.astype(float), distribution=distribution)
    assert found.dtype == ("float32" if dtype in ("float16", "float32") else "float64")
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("distribution", KINDS)
def test_nan_stays_where_it_is_and_nothing_gives_nothing(distribution) -> None:
    samples = SAMPLES.copy()
    samples[2, 3] = np.nan
    found = crps(VALUE, samples, distribution=distribution)
    assert np.flatnonzero(np.isnan(found)).tolist() == [3]
    assert crps(VALUE[:0], samples[:, :0], distribution=distribution).shape == (0,)


def test_bad_input() -> None:
    with pytest.raises(
        ValueError, match=r"value must have the shape of samples .* \(12,\) and \(7, 12\)"
    ):
        crps(VALUE, SAMPLES, axis=1)
    with pytest.raises(ValueError, match="hold at least one"):
        crps(VALUE, SAMPLES[:0])
    with pytest.raises(TypeError, match=r"value must be an array .* np.asarray\(value\)|got float"):
        crps(3.0, SAMPLES[:, 0])
    with pytest.raises(ValueError, match="axis must be None for an array without axes"):
        crps(VALUE[0], SAMPLES[0, 0])


@pytest.mark.parametrize("library", NUMBERS)
@pytest.mark.parametrize("distribution", KINDS)
def test_every_library(library, distribution) -> None:
    given = VALUE.astype("float32"), SAMPLES.astype("float32")
    found = available(library).run(crps, *given, distribution=distribution)
    np.testing.assert_allclose(found, crps(*given, distribution=distribution), rtol=1e-4)


def test_gradients_in_torch() -> None:
    torch = pytest.importorskip("torch")
    for distribution in KINDS:
        given = [torch.tensor(a, requires_grad=True) for a in (VALUE[:4], SAMPLES[:3, :4])]
        assert torch.autograd.gradcheck(
            lambda v, s, d=distribution: crps(v, s, distribution=d), given
        )
        equal = torch.full((3, 4), 2.0, requires_grad=True)
        crps(torch.full((4,), 3.0), equal, distribution=distribution).sum().backward()
        assert torch.isfinite(equal.grad).all()


def test_parity_with_scoringrules() -> None:
    rules = pytest.importorskip("scoringrules")
    wanted = rules.crps_ensemble(VALUE, SAMPLES.T, estimator="nrg")
    np.testing.assert_allclose(crps(VALUE, SAMPLES), wanted, rtol=1e-6)
    wanted = rules.crps_normal(VALUE, SAMPLES.mean(axis=0), SAMPLES.std(axis=0))
    np.testing.assert_allclose(crps(VALUE, SAMPLES, distribution="normal"), wanted, rtol=1e-6)


@pytest.mark.parametrize("library", NUMBERS)
def test_whole_numbers_are_exact_beyond_float32(library) -> None:
    """Numbers of voxels of large structures, on libraries that compute in float32."""
    value, samples = np.array([20_000_001]), np.array([[20_000_001], [20_000_002]])
    found = available(library).run(crps, value, samples)
    assert np.asarray(found) == pytest.approx(0.25)
