"""Labels made from labels, beside NumPy, PyTorch, MONAI and SciPy."""

from functools import partial
from typing import Any

import numpy as np
import torch
from monai.networks.utils import one_hot as monai_one_hot
from scipy.ndimage import grey_dilation, grey_erosion

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, cube, marks, named

TOPIC = "labels"
CLASSES, EPSILON = 4, 0.1
PLAIN = "formula in NumPy"


def plain_one_hot(label: np.ndarray) -> np.ndarray:
    """Rows of the identity."""
    return np.moveaxis(np.eye(CLASSES, dtype=np.float32)[label], -1, 1)


def plain_smooth(label: np.ndarray) -> np.ndarray:
    """Between one-hot labels and the mean of the classes."""
    return (1 - EPSILON) * plain_one_hot(label) + np.float32(EPSILON / CLASSES)


def scipy_boundary(label: np.ndarray) -> np.ndarray:
    """Where the largest and the smallest label of the neighbours differ."""
    size = (1, *[3] * (label.ndim - 1))
    low, high = (f(label, size, mode="nearest") for f in (grey_erosion, grey_dilation))
    return low != high


def scipy_smooth(label: np.ndarray) -> np.ndarray:
    """Smooth at the boundary alone."""
    return np.where(scipy_boundary(label)[:, None], plain_smooth(label), plain_one_hot(label))


def _torch_one_hot(label: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(label, CLASSES).movedim(-1, 1).float()


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    half = sizes.volume // 2

    def drawn(*shape: int) -> Any:
        return marks(2, *shape, top=CLASSES)

    inputs = [
        Input(f"tiny {named(sizes.tiny, 2)}", lambda: drawn(sizes.tiny, sizes.tiny)),
        Input(f"2 x {named(half)}", lambda: drawn(*cube(half))),
    ]
    smooth: dict[str, Any] = {"num_classes": CLASSES, "epsilon": EPSILON}
    boundary = partial(ds.smooth_boundary, **smooth)
    return [
        *functions(
            TOPIC,
            "one_hot",
            partial(ds.one_hot, num_classes=CLASSES),
            inputs,
            {PLAIN: plain_one_hot},
            torch_peers={
                "torch": _torch_one_hot,
                "MONAI": lambda label: monai_one_hot(label[:, None], CLASSES),
            },
        ),
        *functions(
            TOPIC,
            "smooth_labels",
            partial(ds.smooth_labels, **smooth),
            inputs,
            {PLAIN: plain_smooth},
        ),
        *functions(TOPIC, "label_boundary", ds.label_boundary, inputs, {"SciPy": scipy_boundary}),
        *functions(TOPIC, "smooth_boundary", boundary, inputs, {"SciPy": scipy_smooth}),
    ]
