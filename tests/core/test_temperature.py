"""Temperature scaling: the largest likelihood, and binary logits."""

import numpy as np
import pytest
import reference
from backends import Backend, available, in_float32
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from dice_semimetric import TemperatureScaling


@in_float32
def test_temperature_minimises_the_likelihood(
    backend: Backend, rng: np.random.Generator, dtype: str
) -> None:
    logits = (rng.normal(size=(3, 4, 10)) * 5).astype(dtype)
    draws = rng.random((3, 1, 10))
    label = (draws > reference.softmax(logits / 3).cumsum(axis=1)).sum(axis=1).clip(0, 3)
    label[0, :5] = 9

    def fitted(z: object, y: object) -> object:
        """Return the temperature as an array of the library; alone it is a number."""
        return z[:1, 0, 0] * 0 + TemperatureScaling().fit(z, y, ignore_index=9).temperature_

    fitted.__name__ = "TemperatureScaling"
    kept = label != 9
    z, y = logits.transpose(0, 2, 1)[kept].astype(float), label[kept]
    best = minimize_scalar(
        lambda t: -log_softmax(z / np.exp(t), axis=1)[np.arange(y.size), y].sum(),
        bounds=(-4.6, 4.6),
        method="bounded",
    )
    [got] = backend.run(fitted, logits, label)
    assert got == pytest.approx(np.exp(best.x), rel=1e-3)


def test_binary_logits_are_of_the_sigmoid(rng: np.random.Generator) -> None:
    logits, label = rng.normal(size=(500, 1)) * 4, rng.integers(0, 2, 500)
    two = np.concatenate([np.zeros_like(logits), logits], axis=1)
    one, both = (TemperatureScaling().fit(z, label) for z in (logits, two))
    assert one.temperature_ == pytest.approx(both.temperature_, rel=1e-6)
    np.testing.assert_allclose(one.predict_proba(logits)[:, 0], both.predict_proba(two)[:, 1])


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, too sharp by 3, and labels drawn from what they should be."""
    logits = np.round(rng.normal(size=(400, 3)) * 8) / 2
    draws = rng.random((400, 1))
    return logits, (draws > reference.softmax(logits / 3).cumsum(axis=1)).sum(axis=1).clip(0, 2)


def best_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    def nll(t: float) -> float:
        return -log_softmax(logits / np.exp(t), axis=1)[np.arange(label.size), label].sum()

    found = minimize_scalar(nll, bounds=(np.log(0.01), np.log(100)), method="bounded")
    return float(np.exp(found.x))


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("offset", [0.0, 1e6, -1e6])
def test_a_common_offset_changes_nothing_in_float32(rng, name, offset) -> None:
    backend = available(name)
    logits, label = draw(rng)
    shifted = backend.array((logits + offset).astype(np.float32))  # halves, exact at 1e6
    scaling = TemperatureScaling().fit(shifted, backend.array(label))
    assert scaling.temperature_ == pytest.approx(best_temperature(logits, label), rel=1e-4)
    found = backend.numpy(scaling.predict_proba(shifted))
    expected = reference.softmax(logits / scaling.temperature_)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-12)


def test_logits_near_the_end_of_float32(rng) -> None:
    logits, label = draw(rng)
    logits = (logits * 1e37).astype(np.float32)
    scaling = TemperatureScaling().fit(logits, label)
    assert scaling.temperature_ == pytest.approx(100, rel=1e-3)  # the largest that is tried
    assert np.isfinite(scaling.predict_proba(logits)).all()


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_an_ignored_pixel_holds_has_no_influence(rng, name, bad) -> None:
    backend = available(name)
    logits, label = draw(rng)
    expected = TemperatureScaling().fit(logits, label).temperature_
    logits = np.concatenate([logits, np.full((5, 3), bad)]).astype(np.float32)
    label = np.concatenate([label, np.full(5, 255)])
    scaling = TemperatureScaling()
    scaling.fit(backend.array(logits), backend.array(label), ignore_index=255)
    assert scaling.temperature_ == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="logits must be finite"):
        scaling.fit(backend.array(logits), backend.array(np.where(label == 255, 0, label)))


def test_half_precision_logits_are_fitted_as_float32_ones(rng) -> None:
    logits, label = draw(rng)
    found = [TemperatureScaling().fit(logits.astype(d), label) for d in ("float16", "float32")]
    assert found[0].temperature_ == pytest.approx(found[1].temperature_, rel=1e-6)
