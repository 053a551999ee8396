"""Temperature scaling: the largest likelihood, and binary logits."""

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from dice_semimetric import (
    TemperatureScaling,
)


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
