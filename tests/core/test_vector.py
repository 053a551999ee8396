"""Vector scaling: the largest likelihood, Platt's scaling, the order that it keeps."""

import numpy as np
import pytest
import reference
from backends import Backend, available, in_float32
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from dice_semimetric import TemperatureScaling, VectorScaling


def draw(rng: np.random.Generator, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return logits with a scale and a bias of each class, and labels drawn without."""
    true = rng.normal(size=(2000, classes)) * 2
    chance = reference.softmax(true) if classes > 1 else np.stack([1 - expit(true), expit(true)], 1)
    draws = rng.random((2000, 1))
    label = (draws > chance.reshape(2000, -1).cumsum(axis=1)).sum(axis=1)
    logits = (true - np.arange(classes)) * (1.5 + np.arange(classes))
    return logits, label.clip(0, max(classes, 2) - 1)


def nll(logits: np.ndarray, label: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> float:
    """Return the mean negative log-likelihood, of the sigmoid for one class."""
    z = logits * scale + bias
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    return -log_softmax(z, axis=1)[np.arange(label.size), label].mean()


@in_float32
@pytest.mark.parametrize("classes", [1, 3])
def test_it_minimises_the_likelihood(
    backend: Backend, rng: np.random.Generator, dtype: str, classes: int
) -> None:
    logits, label = draw(rng, classes)
    logits = logits.astype(dtype)

    def fitted(z: object, y: object) -> object:
        return VectorScaling().fit(z, y).predict_proba(z)

    fitted.__name__ = "VectorScaling"
    got = backend.run(fitted, logits, label)
    wide = logits.astype(float)
    best = minimize(
        lambda v: nll(wide, label, *np.split(v, 2)),
        np.repeat([1.0, 0.0], classes),
        method="BFGS",
        options={"gtol": 1e-7},
    )
    z = wide * best.x[:classes] + best.x[classes:]
    expected = expit(z) if classes == 1 else reference.softmax(z)
    np.testing.assert_allclose(got, expected, atol=2e-4)
    assert got.dtype == dtype


def test_it_finds_the_scales_and_biases_that_made_the_logits(rng: np.random.Generator) -> None:
    logits, label = draw(rng)
    scaling = VectorScaling().fit(logits, label)
    np.testing.assert_allclose(scaling.scale_, 1 / (1.5 + np.arange(3)), rtol=0.15)
    np.testing.assert_allclose(scaling.bias_, np.arange(3) - 1.0, atol=0.2)
    assert scaling.bias_.sum() == pytest.approx(0, abs=1e-9)
    temperature = TemperatureScaling().fit(logits, label).temperature_
    assert nll(logits, label, scaling.scale_, scaling.bias_) < nll(
        logits, label, np.full(3, 1 / temperature), np.zeros(3)
    )


def test_logits_that_fit_are_left_alone(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(500, 3)) * 2
    scaling = VectorScaling().fit(logits, reference.softmax(logits))
    np.testing.assert_allclose(scaling.scale_, 1, atol=1e-6)
    np.testing.assert_allclose(scaling.bias_, 0, atol=1e-6)


def test_of_one_class_it_keeps_the_order_of_pixels(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(400, 1))
    for label in (rng.integers(0, 2, 400), (logits[:, 0] < 0).astype(int)):
        scaling = VectorScaling().fit(logits, label)
        assert scaling.scale_[0] >= 0.01  # also where the labels say the opposite
        found = scaling.predict_proba(logits)[:, 0]
        assert (np.diff(found[np.argsort(logits[:, 0])]) >= 0).all()


def test_only_a_temperature_keeps_the_order_of_classes(rng: np.random.Generator) -> None:
    logits, label = draw(rng)
    order = np.argsort(logits, axis=1)
    temperature = TemperatureScaling().fit(logits, label).predict_proba(logits)
    assert (np.diff(np.take_along_axis(temperature, order, axis=1), axis=1) >= 0).all()
    np.testing.assert_array_equal(temperature.argmax(axis=1), logits.argmax(axis=1))
    vector = VectorScaling().fit(logits, label).predict_proba(logits)
    assert (vector.argmax(axis=1) != logits.argmax(axis=1)).any()


@pytest.mark.parametrize("classes", [1, 3])
def test_labels_of_one_class_alone(rng: np.random.Generator, classes: int) -> None:
    logits = rng.normal(size=(50, classes))
    scaling = VectorScaling().fit(logits, np.zeros(50, int))
    found = scaling.predict_proba(logits)
    assert np.isfinite(scaling.bias_).all()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], 0 if classes == 1 else 1, atol=1e-3)


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_an_ignored_pixel_holds_has_no_influence(rng, name, bad) -> None:
    backend = available(name)
    logits, label = draw(rng)
    expected = VectorScaling().fit(logits, label)
    logits = np.concatenate([logits, np.full((5, 3), bad)]).astype(np.float32)
    label = np.concatenate([label, np.full(5, 255)])
    scaling = VectorScaling()
    scaling.fit(backend.array(logits), backend.array(label), ignore_index=255)
    np.testing.assert_allclose(scaling.scale_, expected.scale_, rtol=1e-3)
    with pytest.raises(ValueError, match="logits must be finite"):
        scaling.fit(backend.array(logits), backend.array(np.where(label == 255, 0, label)))


def test_awkward_logits(rng: np.random.Generator) -> None:
    logits, label = draw(rng)
    half = VectorScaling().fit(logits.astype("float16"), label)
    assert half.predict_proba(logits.astype("float16")).dtype == "float32"
    np.testing.assert_allclose(half.scale_, VectorScaling().fit(logits, label).scale_, rtol=1e-2)
    huge = VectorScaling().fit((logits * 1e37).astype("float32"), label)
    assert np.isfinite(huge.predict_proba((logits * 1e37).astype("float32"))).all()
    spatial = logits.reshape(5, 20, 20, 3).transpose(0, 3, 1, 2)[:, :, ::-1]
    whole = VectorScaling().fit(spatial, label.reshape(5, 20, 20)[:, ::-1])
    np.testing.assert_allclose(whole.scale_, VectorScaling().fit(logits, label).scale_, rtol=1e-4)
    assert whole.predict_proba(spatial).shape == spatial.shape
    empty = whole.predict_proba(spatial[:0])
    assert empty.shape == (0, 3, 20, 20)


def test_bad_input(rng: np.random.Generator) -> None:
    logits, label = draw(rng)
    with pytest.raises(RuntimeError, match="VectorScaling must be fitted first: call fit"):
        VectorScaling().predict_proba(logits)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        VectorScaling().fit(logits, label * 0 + 9, ignore_index=9)
    with pytest.raises(ValueError, match=r"3 classes along axis 1 as in fit, got 2: shape \(2000"):
        VectorScaling().fit(logits, label).predict_proba(logits[:, :2])
    with pytest.raises(ValueError, match="label must hold labels from 0 to 2"):
        VectorScaling().fit(logits, label + 1)
    with pytest.raises(TypeError, match="logits must be of a floating dtype"):
        VectorScaling().fit(logits.astype(int), label)
