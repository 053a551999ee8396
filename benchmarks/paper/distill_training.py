"""Train a student against hard labels and a teacher's probabilities."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dice_semimetric import calibrate_teacher, uniform_average

from .cases import Case
from .config import Config, option
from .evaluate import predict
from .losses import TrainingLoss, counted
from .model import MULTIPLE
from .trainer import Objective, train

RUNGS = ("hard", "ce", "dml", "temperature", "kde")


@dataclass(frozen=True)
class DistillConfig(Config):
    """One student: the fields of `Config`, and what it hears from which teacher."""

    rung: str = option("kde", "the row of Table 5, or a teacher with a temperature", RUNGS)
    bandwidth: float = option(1e-3, "of the kernel, for kde")
    n_keys: int = option(500, "keys an image, for kde")
    key_labels: str = option("majority", "labels of the keys", ("majority", "uniform"))
    teacher_model: str = option("unet-wide", "the teacher's network")
    teacher_labels: str = option("uniform", "what the teacher was trained on")
    teacher_epochs: int = option(150, "passes that the teacher made")


def reach(cases: list[Case], config: Config) -> int:
    """Return the side of the central square that training crops can lie in."""
    side = config.crop + 2 * config.jitter
    side += -side % MULTIPLE
    smallest = min(min(case.image.shape[1:]) for case in cases)
    if not config.crop or side > smallest:
        raise ValueError(f"crop must be above 0 and crop + 2 jitter at most {smallest}")
    return side


def teacher_probs(teacher: nn.Module, cases: list[Case], config: Config) -> list[np.ndarray]:
    """Return the teacher's probabilities (H, W) wherever a training crop can lie, 0 elsewhere.

    They are computed once: the student sees them in the crop of the image, mirrored as it is.
    """
    side = reach(cases, config)
    return [predict(teacher, case, side) for case in cases]


def with_teacher(cases: list[Case], probs: list[np.ndarray]) -> list[Case]:
    """Return cases with two channels more: the teacher's probability and the raters' mean."""
    return [
        Case(
            c.name,
            np.concatenate([c.image, p[None], uniform_average(c.raters, dtype=np.float32)[None]]),
            c.raters,
        )
        for c, p in zip(cases, probs, strict=True)
    ]


class StudentLoss(nn.Module):
    """The loss of one rung; the keys it draws are decided by the seed and the epoch.

    The terms with the teacher are those with the labels again, so that any loss can be distilled
    with; for DML they are `dice_semimetric_torch.DistillationLoss`.
    """

    def __init__(self, config: DistillConfig, epoch: int) -> None:
        super().__init__()
        self.config = config
        self.rng = np.random.default_rng([config.seed, epoch, RUNGS.index("kde")])
        self.labels = TrainingLoss(config)
        self.teacher = TrainingLoss(config, region_weight=0.0 if config.rung == "ce" else None)

    def forward(
        self,
        logits: Tensor,
        label: Tensor,
        teacher: Tensor,
        mean: Tensor,
        counts: Tensor | None = None,
    ) -> Tensor:
        """Return the loss over the pixels that count; everything is (B, 1, H, W)."""
        value: Tensor = self.labels(logits, label, counts)
        if self.config.rung == "hard":
            return value
        distilled: Tensor = self.teacher(logits, self.signal(label, teacher, mean), counts)
        return value + distilled

    def signal(self, label: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        """Return what the student hears of the teacher."""
        if self.config.rung != "kde":
            return teacher
        signal: Tensor = calibrate_teacher(
            teacher,
            mean if self.config.key_labels == "uniform" else label[:, 0].to(torch.int64),
            n_keys=self.config.n_keys,
            bandwidth=self.config.bandwidth,
            rng=self.rng,
        )
        return signal


def teacher_of(config: DistillConfig) -> Config:
    """Return the configuration of the teacher: the student's own but for network and labels.

    Students of all losses hear one teacher, whose loss is DML1.
    """
    shared = {item.name: getattr(config, item.name) for item in fields(Config)}
    return Config(
        **shared
        | {
            "model": config.teacher_model,
            "loss": "dml1",
            "labels": config.teacher_labels,
            "epochs": config.teacher_epochs,
        }
    )


def listening(config: DistillConfig, teacher: nn.Module) -> Objective:
    """Return the objective of a student whose teacher sees the very crops that it sees."""
    teacher.eval().requires_grad_(False)

    def objective(epoch: int) -> Callable[..., Tensor]:
        loss = StudentLoss(config, epoch)

        def step(network: Callable[[Tensor], Tensor], image: Tensor, label: Tensor) -> Tensor:
            label, counts = counted(config, label)
            heard = torch.sigmoid(teacher(image))
            value: Tensor = loss(network(image), label, heard, label, counts)
            return value

        return step

    return objective


def train_student(
    config: DistillConfig,
    cases: list[Case],
    out: Path,
    *,
    device: torch.device,
    restart: bool = False,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train on cases of `with_teacher`, or go on; return the network and the log's lines."""
    channels = cases[0].image.shape[0] - 2

    def objective(epoch: int) -> Callable[..., Tensor]:
        loss = StudentLoss(config, epoch)

        def step(network: Callable[[Tensor], Tensor], stack: Tensor, label: Tensor) -> Tensor:
            image, teacher, mean = stack.split([channels, 1, 1], dim=1)
            value: Tensor = loss(network(image.contiguous()), label, teacher, mean)
            return value

        return step

    return train(
        config, cases, out, device=device, restart=restart, objective=objective, channels=channels
    )
