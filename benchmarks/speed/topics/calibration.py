"""Calibration errors and curves, beside the formulas in NumPy, torchmetrics and scikit-learn."""

from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, classes, confidences, cube, logits, named
from ..libraries import EAGER, Function

TOPIC = "calibration"
EDGES = [k / 10 for k in range(11)]
PLAIN = "formula in NumPy"


def plain_ece(confidence: np.ndarray, correct: np.ndarray, edges: Any = EDGES) -> float:
    """Bin after bin."""
    error = 0.0
    for low, high in pairwise(edges):
        inside = (confidence >= low) & ((confidence < high) if high != edges[-1] else True)
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean(dtype=float)
            error += inside.mean() * abs(gap)
    return float(error)


def plain_top_label(prob: np.ndarray, label: np.ndarray) -> float:
    """The largest probability, then bin after bin."""
    return plain_ece(prob.max(axis=1).ravel(), (prob.argmax(axis=1) == label).ravel())


def plain_classwise(prob: np.ndarray, label: np.ndarray) -> float:
    """The mean over the classes, each bin after bin."""
    return float(np.mean([plain_ece(prob[:, c], label == c) for c in range(prob.shape[1])]))


def plain_quantile(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Edges at the deciles, then bin after bin."""
    return plain_ece(confidence, correct, np.quantile(confidence, EDGES))


def plain_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Minimise the negative log-likelihood of the labels."""
    rows = np.moveaxis(logits, 1, -1).reshape(-1, logits.shape[1])
    one = np.arange(len(rows)), label.ravel()

    def loss(log_t: float) -> float:
        return -float(log_softmax(rows / np.float32(np.exp(log_t)), axis=1)[one].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5)).x))


def _curve(prob: Any, label: Any, **options: Any) -> list[Any]:
    return list(ds.reliability_curve(prob, label, kind="binary", **options))[:2]


def _sklearn(prob: np.ndarray, label: np.ndarray, **options: Any) -> list[np.ndarray]:
    frequency, confidence = calibration_curve(label.ravel(), prob.ravel(), n_bins=10, **options)
    return [confidence, frequency]


def _netcal() -> dict[str, Function]:
    if find_spec("netcal") is None:
        return {}
    from netcal.metrics import ECE

    return {"netcal": lambda p, y: ECE(10).measure(p.ravel(), y.ravel())}


def _torchmetrics(prob: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    flat = prob.float().flatten(), label.flatten().int()
    return binary_calibration_error(*flat, n_bins=10, validate_args=False)


def _torchmetrics_top(prob: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return multiclass_calibration_error(prob, label, prob.shape[1], n_bins=10, validate_args=False)


def _bins(prob: Any, label: Any) -> list[Any]:
    found = ds.calibration_bins(prob, label, kind="binary")
    return [found.count, found.confidence, found.correct]


def plain_bins(prob: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    """Three histograms."""
    p, y = prob.ravel(), label.ravel()
    return [np.histogram(p, 10, (0, 1), weights=w)[0] for w in (None, p, y.astype(p.dtype))]


def _temperature(logits: Any, label: Any) -> Any:
    return ds.TemperatureScaling().fit(logits, label).temperature_


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    side, half = sizes.volume, sizes.volume // 2
    tiny = Input(f"tiny {named(sizes.tiny, 2)}", lambda: confidences(sizes.tiny, sizes.tiny))
    image = Input(named(sizes.image, 2), lambda: confidences(sizes.image, sizes.image))
    volume = Input(named(side), lambda: confidences(*cube(side)))
    kinds = [
        Input(f"{named(side)} {d}", lambda d=d: confidences(*cube(side), dtype=d))
        for d in ("float16", "float64")
    ]
    strided = Input(
        f"{named(side)} every second row",
        lambda: tuple(a[:, ::2] for a in confidences(side, 2 * side, side)),
    )
    batches = [
        Input(f"tiny (1, 3, {sizes.tiny}, {sizes.tiny})", lambda: classes(1, 3, *[sizes.tiny] * 2)),
        Input(f"(2, 4, {half}^3)", lambda: classes(2, 4, *cube(half))),
    ]
    ece = ds.expected_calibration_error
    binary = partial(ece, kind="binary")
    no_sort = ("NumPy", "torch", "JAX", "JAX jit")
    return [
        *functions(
            TOPIC,
            "ECE, binary",
            binary,
            [tiny, image, volume, *kinds, strided],
            {PLAIN: plain_ece, **_netcal()},
            torch_peers={"torchmetrics": _torchmetrics},
        ),
        *functions(
            TOPIC,
            "ECE, top label",
            ece,
            batches,
            {PLAIN: plain_top_label},
            torch_peers={"torchmetrics": _torchmetrics_top},
        ),
        *functions(
            TOPIC,
            "ECE, classwise",
            partial(ece, kind="classwise"),
            batches,
            {PLAIN: plain_classwise},
        ),
        *functions(
            TOPIC,
            "ECE, quantile",
            partial(binary, strategy="quantile"),
            [tiny, image],
            {PLAIN: plain_quantile},
            libraries=no_sort,
        ),
        *functions(TOPIC, "calibration_bins", _bins, [tiny, volume], {PLAIN: plain_bins}),
        *functions(TOPIC, "reliability_curve", _curve, [image, volume], {"scikit-learn": _sklearn}),
        *functions(
            TOPIC,
            "reliability_curve, quantile",
            partial(_curve, strategy="quantile"),
            [image],
            {"scikit-learn": partial(_sklearn, strategy="quantile")},
            libraries=no_sort,
            differs=["scikit-learn"],  # its bins are closed on the right
        ),
        *functions(
            TOPIC,
            "TemperatureScaling.fit",
            _temperature,
            [Input(f"(2, 4, {half}^3)", lambda: logits(2, 4, *cube(half)))],
            {PLAIN: plain_temperature},
            libraries=EAGER,
        ),
    ]
