"""Probabilities in place of logits are warned of; what logits look like is not."""

import warnings

import numpy as np
import pytest

from dice_semimetric import TemperatureScaling, VectorScaling, value_checks
from dice_semimetric._lib.hints import warn_of_probabilities

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(0, 4, (6, 1, 9, 8))
CLASSES = RNG.normal(0, 4, (6, 3, 9, 8))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def warned(array: np.ndarray, activation) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = warn_of_probabilities(array, activation, "probabilities")
    assert [str(w.message) for w in caught] == ["probabilities"] * found
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_are_found(dtype) -> None:
    assert warned(sigmoid(LOGITS).astype(dtype), "sigmoid")
    assert warned(softmax(CLASSES).astype(dtype), "softmax")
    assert warned(np.float32([[[0, 1, 0.5]]]), "sigmoid")
    assert not warned(sigmoid(LOGITS).astype(dtype), None)


@pytest.mark.parametrize(
    "logits",
    [
        LOGITS,
        np.abs(LOGITS),  # of a network that ends in a ReLU
        np.zeros((2, 1, 4)),
        np.ones((2, 1, 4)),
        np.full((2, 1, 4), 0.5),
        0.5 + RNG.uniform(-0.4, 0.4, (2, 1, 50)),  # as before a network has learned
        np.where(LOGITS > 5, np.nan, sigmoid(LOGITS)),
        np.concatenate([sigmoid(LOGITS), LOGITS]),
        np.zeros((0, 1, 4)),
        np.zeros((2, 1, 0)),
    ],
)
def test_logits_are_no_probabilities(logits: np.ndarray) -> None:
    assert not warned(logits, "sigmoid")
    assert not warned(logits, "softmax")


@pytest.mark.parametrize("logits", [CLASSES, np.zeros((2, 3, 4)), np.full((2, 2, 4), 0.6)])
def test_logits_of_classes_are_no_probabilities(logits: np.ndarray) -> None:
    assert not warned(logits, "softmax")


def test_no_value_is_read_where_none_is_checked() -> None:
    with value_checks("never"):
        assert not warned(sigmoid(LOGITS), "sigmoid")


@pytest.mark.parametrize("make", [TemperatureScaling, VectorScaling])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_calibrators_warn_of_probabilities(make, dtype) -> None:
    label, classes = RNG.integers(0, 2, (6, 9, 8)), RNG.integers(0, 3, (6, 9, 8))
    with pytest.warns(UserWarning, match=r"before its sigmoid, or log\(p / \(1 - p\)\)") as found:
        make().fit(sigmoid(LOGITS).astype(dtype), label)
    assert [w.filename for w in found] == [__file__]
    with pytest.warns(UserWarning, match=r"before its softmax, or log\(p\)"):
        make().fit(softmax(CLASSES).astype(dtype), classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make().fit(LOGITS.astype(dtype), label)
        make().fit(np.zeros_like(LOGITS), label)
        make().fit(np.log(softmax(CLASSES)).astype(dtype), classes)
