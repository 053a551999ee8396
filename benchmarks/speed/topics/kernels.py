"""Kernel regression and what is built on it, beside the published formulas."""

from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.special import gammaln

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, classes, generator
from ..libraries import EAGER, EVERY

TOPIC = "kernel"
CLASSES = 3
NUMPY, TORCH = "published formula, NumPy", "published formula, torch"
BANDWIDTHS = (1e-3, 5e-3, 1e-2)


def rows(count: int) -> np.ndarray:
    """Return softmax rows in float32."""
    z = 3 * generator().normal(size=(count, CLASSES)).astype(np.float32)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def regression_rows(pixels: int, keys: int) -> tuple[np.ndarray, ...]:
    """Return pixels, keys and the keys' labels."""
    drawn = rows(pixels + keys)
    return drawn[:pixels], drawn[pixels:], generator().integers(0, CLASSES, keys)


def labelled_rows(count: int) -> tuple[np.ndarray, ...]:
    """Return probabilities and labels."""
    return rows(count), generator().integers(0, CLASSES, count)


def torch_densities(prob: torch.Tensor, keys: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """Return the unshifted densities, pixel by key."""
    alpha = keys / bandwidth + 1
    constant = torch.lgamma(alpha.sum(1)) - torch.lgamma(alpha).sum(1)
    return torch.exp(torch.log(prob) @ (alpha - 1).T + constant)


def torch_regression(
    prob: torch.Tensor, keys: torch.Tensor, label: torch.Tensor, bandwidth: float
) -> torch.Tensor:
    """Return the published formula, its denominator clamped."""
    kernel = torch_densities(prob, keys, bandwidth)
    value = torch.nn.functional.one_hot(label, CLASSES).float()
    return kernel @ value / kernel.sum(1, keepdim=True).clamp(min=1e-10)


def torch_error(prob: torch.Tensor, label: torch.Tensor, bandwidth: float) -> torch.Tensor:
    """Return ece-kde's canonical error: the sample itself left out."""
    kernel = torch_densities(prob, prob, bandwidth).fill_diagonal_(0)
    value = torch.nn.functional.one_hot(label, CLASSES).float()
    expected = kernel @ value / kernel.sum(1, keepdim=True).clamp(min=1e-10)
    return (expected - prob).abs().sum(1).mean()


def torch_bandwidth(prob: torch.Tensor, _: torch.Tensor) -> float:
    """Return the bandwidth of the largest leave-one-out likelihood."""
    found = [torch_densities(prob, prob, h).fill_diagonal_(0).sum(1) for h in BANDWIDTHS]
    return BANDWIDTHS[int(torch.stack([d.log().mean() for d in found]).argmax())]


def numpy_regression(
    prob: np.ndarray, keys: np.ndarray, label: np.ndarray, bandwidth: float
) -> np.ndarray:
    """Return the same with NumPy and SciPy."""
    alpha = keys / np.float32(bandwidth) + 1
    constant = gammaln(alpha.sum(1)) - gammaln(alpha).sum(1)
    kernel = np.exp(np.log(prob) @ (alpha - 1).T + constant)
    value = np.eye(CLASSES, dtype=np.float32)[label]
    return kernel @ value / np.maximum(kernel.sum(1, keepdims=True), 1e-10)


def _selected(prob: Any, label: Any) -> float:
    return ds.select_bandwidth(prob, label, bandwidths=BANDWIDTHS)


def _calibrator(prob: Any, label: Any) -> Any:
    return ds.KernelCalibrator(bandwidth=1e-2, n_keys=100).fit(prob, label).predict_proba(prob)


def _teacher(prob: Any, label: Any) -> Any:
    return ds.calibrate_teacher(prob, label, n_keys=100, bandwidth=1e-2, rng=0)


def _keys(label: Any) -> Any:
    return ds.sample_keys(label, 100, rng=0)


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic.

    The published formula is wrong at small bandwidths, where densities leave float32: what is
    compared is its time.
    """
    tiny = (f"tiny {sizes.tiny} x {sizes.tiny}", sizes.tiny, sizes.tiny)
    small = (f"{sizes.pixels // 16} x {sizes.keys}", sizes.pixels // 16, sizes.keys)
    full = (f"{sizes.pixels} x {sizes.keys}", sizes.pixels, sizes.keys)
    found = []
    for bandwidth, given in ((1e-3, tiny), (1e-2, small), (5e-5, small), (1e-3, full)):
        name, pixels, keys = given
        found += functions(
            TOPIC,
            "kernel_regression",
            partial(ds.kernel_regression, bandwidth=bandwidth),
            [Input(f"{name}, h {bandwidth:g}", lambda n=pixels, m=keys: regression_rows(n, m))],
            {NUMPY: partial(numpy_regression, bandwidth=bandwidth)},
            torch_peers={TORCH: partial(torch_regression, bandwidth=bandwidth)},
            libraries=("NumPy", "torch") if given is full else EVERY,
            differs=[NUMPY, TORCH],
        )
    samples = [
        Input(f"{size}{n} samples", lambda n=n: labelled_rows(n))
        for size, n in (("tiny ", sizes.tiny**2), ("", sizes.pixels // 128))
    ]
    image = [
        Input(f"{size}(2, 3, {n}, {n})", lambda n=n: classes(2, 3, n, n))
        for size, n in (("tiny ", 2 * sizes.tiny), ("", sizes.image))
    ]
    label = [
        Input(each.name.replace("2, 3", "2"), lambda each=each: each.make()[1:]) for each in image
    ]
    return [
        *found,
        *functions(
            TOPIC,
            "kernel_calibration_error",
            partial(ds.kernel_calibration_error, bandwidth=1e-2),
            samples,
            torch_peers={TORCH: partial(torch_error, bandwidth=1e-2)},
            differs=[TORCH],
        ),
        *functions(
            TOPIC,
            "select_bandwidth",
            _selected,
            samples[1:],
            torch_peers={TORCH: torch_bandwidth},
            libraries=EAGER,
            differs=[TORCH],
        ),
        *functions(TOPIC, "sample_keys", _keys, label, libraries=EAGER),
        *functions(TOPIC, "calibrate_teacher", _teacher, image, libraries=EAGER),
        *functions(TOPIC, "KernelCalibrator", _calibrator, image, libraries=EAGER),
    ]
