"""The calls that are compared, each on the same seeded input in every library."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import dice_semimetric as ds

Inputs = Callable[[np.random.Generator], tuple[Any, ...]]


class Call(NamedTuple):
    """A function of arrays, how to make them, and whether it has a derivative in the first."""

    name: str
    function: Callable[..., Any]
    inputs: Inputs
    derivative: bool = False


def _tied(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return values in [0, 1] with exact ends and many ties."""
    return np.round(rng.random(shape) * 16) / 16


def _pair(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return _tied(rng, 5, 400), _tied(rng, 5, 400)


def _apart(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return a pair without ties, where every loss has a derivative."""
    x, y = rng.uniform(0.05, 0.95, (2, 3, 40))
    return np.where(abs(x - y) < 0.01, y + 0.02, x), y


def _logits(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return rng.normal(size=(2, 3, 12, 10)), rng.integers(0, 3, (2, 12, 10))


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _probs(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    z, label = _logits(rng)
    return _softmax(2 * z), label


def _soft(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    z, _ = _logits(rng)
    return z, _softmax(rng.normal(size=z.shape))


def _raters(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (rng.integers(0, 2, (5, 20, 18)),)


def _labels(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return (rng.integers(0, 3, (2, 12, 10)),)


def _ensemble(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return 40 + rng.random(30), 40 + rng.random((5, 30))


def _rows(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    prob = rng.dirichlet((0.5, 0.5, 0.5), 60)
    return prob, rng.dirichlet((0.5, 0.5, 0.5), 30), rng.integers(0, 3, 30)


def _labelled(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return rng.dirichlet((0.5, 0.5, 0.5), 60), rng.integers(0, 3, 60)


def _inner_rows(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return rows so far from 0 that the steps of the differences stay inside."""
    prob = rng.dirichlet((9, 9, 9), 20)
    return prob, rng.dirichlet((9, 9, 9), 30), rng.integers(0, 3, 30)


def _inner_labelled(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return rng.dirichlet((9, 9, 9), 20), rng.integers(0, 3, 20)


def _first_class(*args: Any) -> Any:
    """Return the first column of a kernel regression; a whole row sums to 1, whatever it is."""
    return ds.kernel_regression(*args, bandwidth=0.01)[:, 0]


def _losses() -> list[Call]:
    tversky = {"alpha": 0.3, "beta": 0.6}
    options: dict[str, dict[str, float]] = {
        name: {} for name in ("dml1", "dml2", "jml1", "jml2", "sdl", "sjl")
    }
    options |= {"ctl": tversky, "stl": tversky, "cftl": tversky | {"gamma": 1.5}}
    calls = []
    for name, extra in options.items():
        function = getattr(ds, name)
        calls.append(Call(name, partial(function, axis=1, **extra), _pair))
        calls.append(Call(f"{name}, gradient", partial(function, **extra), _apart, derivative=True))
    return calls


def _regions() -> list[Call]:
    soft = partial(ds.region_loss, activation="softmax")
    sigmoid = partial(ds.region_loss, activation="sigmoid", per="image", form="jml2")
    return [
        Call("region_loss, labels", soft, _logits),
        Call("region_loss, labels, gradient", soft, _logits, derivative=True),
        Call("region_loss, soft", sigmoid, _soft),
        Call("region_loss, soft, gradient", sigmoid, _soft, derivative=True),
        Call("calibration_loss", partial(ds.calibration_loss, activation="softmax"), _logits),
        Call("pairwise_loss", ds.pairwise_loss, _pair),
        Call("region_score", partial(ds.region_score, activation="softmax"), _logits),
    ]


def _scores() -> list[Call]:
    loss = partial(ds.log_loss, activation="softmax")
    return [
        Call("overlap", partial(ds.overlap, axis=1), _pair),
        Call("dice_score", partial(ds.dice_score, axis=1), _pair),
        Call("jaccard_score", partial(ds.jaccard_score, axis=1), _pair),
        Call("binarized_dice", partial(ds.binarized_dice, axis=1), _pair),
        Call("threshold_counts", partial(ds.threshold_counts, axis=1), _pair),
        Call("ECE, top_label", ds.expected_calibration_error, _probs),
        Call("ECE, classwise", partial(ds.expected_calibration_error, kind="classwise"), _probs),
        Call("ECE, quantile", partial(ds.expected_calibration_error, strategy="quantile"), _probs),
        Call("brier_score", ds.brier_score, _probs),
        Call("log_loss, logits", loss, _logits),
        Call("log_loss, logits, gradient", loss, _logits, derivative=True),
        Call("crps, normal", partial(ds.crps, distribution="normal"), _ensemble),
        Call("generalized_energy_distance", ds.generalized_energy_distance, _pair),
        Call("reliability_curve", partial(ds.reliability_curve, kind="binary"), _pair),
    ]


def _label_tools() -> list[Call]:
    return [
        Call("one_hot", partial(ds.one_hot, num_classes=3), _labels),
        Call("smooth_labels", partial(ds.smooth_labels, epsilon=0.1, num_classes=3), _labels),
        Call("smooth_boundary", partial(ds.smooth_boundary, epsilon=0.1, num_classes=3), _labels),
        Call("label_boundary", ds.label_boundary, _labels),
        Call("majority_vote", ds.majority_vote, _raters),
        Call("uniform_average", ds.uniform_average, _raters),
        Call("dice_weighted_average", ds.dice_weighted_average, _raters),
        Call("staple, 10 iterations", partial(ds.staple, max_iter=10), _raters),
        Call("staple, labels", partial(ds.staple, num_classes=2, max_iter=10), _raters),
        Call("disagreement", ds.disagreement, _raters),
        Call("rater_agreement, kappa", _kappa, _raters),
    ]


def _kappa(raters: Any) -> Any:
    return ds.rater_agreement(raters).cohen_kappa()


def _kernels() -> list[Call]:
    regression = partial(ds.kernel_regression, bandwidth=0.01)
    error = partial(ds.kernel_calibration_error, bandwidth=0.05)
    return [
        Call("kernel_regression", regression, _rows),
        Call("kernel_regression, gradient", _first_class, _inner_rows, derivative=True),
        Call("kernel_calibration_error", error, _labelled),
        Call("kernel_calibration_error, gradient", error, _inner_labelled, derivative=True),
    ]


CALLS = [*_losses(), *_regions(), *_scores(), *_label_tools(), *_kernels()]
