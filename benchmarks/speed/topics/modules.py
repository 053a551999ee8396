"""Metrics that are updated, and JAX's losses with their gradient."""

from typing import Any

import jax
import numpy as np
import optax
import torch
from dice_semimetric_jax import dice_semimetric_loss
from dice_semimetric_torch.metrics import (
    BinarizedDice,
    DiceSemimetricScore,
    ExpectedCalibrationError,
)
from torchmetrics.classification import MulticlassCalibrationError

import dice_semimetric as ds

from ..comparison import Calls, Comparison
from ..inputs import Sizes, classes, cube, generator
from ..libraries import on

TOPIC = "modules"
COUNT = 4


def _updated(metric: Any, *batch: torch.Tensor) -> torch.Tensor:
    metric.reset()
    metric.update(*batch)
    return metric.compute()


def _metrics(side: int) -> list[Comparison]:
    shape = (2, COUNT, *cube(side))
    ours: dict[str, tuple[Any, Any]] = {
        "BinarizedDice": (BinarizedDice(COUNT), lambda p, y: ds.region_score(p, y, score="bdice")),
        "DiceSemimetricScore": (
            DiceSemimetricScore(COUNT),
            lambda p, y: 1 - ds.region_loss(p, y, per="image"),
        ),
        "ExpectedCalibrationError": (
            ExpectedCalibrationError(COUNT),
            ds.expected_calibration_error,
        ),
    }
    theirs = MulticlassCalibrationError(COUNT, n_bins=10, validate_args=False)

    def make(name: str) -> Calls:
        metric, function = ours[name]
        arrays = classes(*shape)
        tensors = [torch.from_numpy(a) for a in arrays]
        peers = {"torchmetrics": lambda: _updated(theirs, *tensors)}
        return Calls(
            {
                "torch": lambda: _updated(metric, *tensors),
                "NumPy": on("NumPy", function, arrays),
            },
            peers if name == "ExpectedCalibrationError" else {},
        )

    return [
        Comparison(TOPIC, name, f"(2, {COUNT}, {side}^3)", lambda name=name: make(name))
        for name in ours
    ]


def _jax_arrays(batch: int, side: int) -> tuple[np.ndarray, ...]:
    rng = generator()
    shape = (batch, side, side, COUNT)
    label = rng.integers(0, COUNT, shape[:-1])
    return rng.normal(size=shape).astype(np.float32), np.eye(COUNT, dtype=np.float32)[label]


def _gradients(batch: int, side: int) -> Comparison:
    """Return the loss in optax's style, its gradient too, eager and jitted."""

    def ours(z: Any, y: Any) -> Any:
        return dice_semimetric_loss(z, y, smooth=1.0).mean()

    def theirs(z: Any, y: Any) -> Any:
        return optax.losses.dice_loss(z, y).mean()

    def make() -> Calls:
        arrays = _jax_arrays(batch, side)
        mine, other = jax.value_and_grad(ours), jax.value_and_grad(theirs)
        return Calls(
            {name: on(name, mine, arrays) for name in ("JAX", "JAX jit")},
            {"optax, jitted": on("JAX jit", other, arrays)},
        )

    shape = f"{'tiny ' if batch == 1 else ''}({batch}, {side}, {side}, {COUNT})"
    return Comparison(TOPIC, "dice_semimetric_loss, gradient", shape, make)


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    return [
        *_metrics(sizes.volume // 2),
        _gradients(1, sizes.tiny),
        _gradients(8, sizes.image),
    ]
