"""Train a student against hard labels and a teacher's probabilities, resumable like `trainer`."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_torch import DistillationLoss
from torch import Tensor, nn
from tqdm import tqdm

from dice_semimetric import calibrate_teacher, uniform_average, value_checks

from . import checkpoint
from .cases import Case
from .config import Config, option
from .data import Crops, epoch_loader
from .evaluate import predict
from .model import MULTIPLE, build_model
from .trainer import POLY_POWER, build_optimizer, seed_everything, write_csv

RUNGS = ("hard", "ce", "dml", "temperature", "kde")


@dataclass(frozen=True)
class DistillConfig(Config):
    """One student: the fields of `Config`, and what it hears from which teacher."""

    rung: str = option("kde", "the row of Table 5, or a teacher with a temperature", RUNGS)
    bandwidth: float = option(1e-3, "of the kernel, for kde")
    n_keys: int = option(500, "keys an image, for kde")
    key_labels: str = option("majority", "labels of the keys", ("majority", "uniform"))
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
    """The loss of one rung; the keys it draws are decided by the seed and the epoch."""

    def __init__(self, config: DistillConfig, epoch: int) -> None:
        super().__init__()
        self.config = config
        self.rng = np.random.default_rng([config.seed, epoch, RUNGS.index("kde")])
        entropy, region = config.ce_weight, 1 - config.ce_weight
        self.loss = DistillationLoss(
            sigmoid=True,
            variant=config.loss,
            batch=config.per == "batch",
            smooth_nr=0.0,
            smooth_dr=0.0,
            lambda_ce=entropy,
            lambda_dice=region,
            lambda_kd_ce=0.0 if config.rung == "hard" else entropy,
            lambda_kd_dice=0.0 if config.rung in ("hard", "ce") else region,
        )

    def forward(self, logits: Tensor, label: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        """Return the loss; everything is (B, 1, H, W)."""
        value: Tensor = self.loss(logits, label, self.signal(label, teacher, mean))
        return value

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


def train_student(
    config: DistillConfig,
    cases: list[Case],
    out: Path,
    *,
    device: torch.device,
    restart: bool = False,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train on cases of `with_teacher`, or go on; return the network and the log's lines."""
    path = out / "checkpoint.pt"
    crops = Crops(cases, config)
    seed_everything(config.seed)
    model = build_model(config.model, cases[0].image.shape[0] - 2).to(device)
    optimizer = build_optimizer(config, model)
    history: list[dict[str, Any]] = []
    state = None if restart else checkpoint.load(path, config, device)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history = state["history"]
    epochs = range(len(history), config.epochs)
    for epoch in tqdm(
        epochs, desc=out.name, initial=len(history), total=config.epochs, disable=None
    ):
        history.append(student_epoch(config, model, optimizer, crops, epoch))
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        checkpoint.save(path, config, state | {"history": history})
        write_csv(out / "log.csv", history)
    return model, history


def student_epoch(
    config: DistillConfig,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    crops: Crops,
    epoch: int,
) -> dict[str, Any]:
    """Take one pass over the cases and return the line of the log."""
    start, losses = time.perf_counter(), []
    loss = StudentLoss(config, epoch)
    device = next(model.parameters()).device
    seed_everything(config.seed, epoch)
    model.train()
    loader = epoch_loader(crops, epoch)
    for step, (stack, label) in enumerate(loader, start=epoch * len(loader)):
        rate = config.lr * (1 - step / (config.epochs * len(loader))) ** POLY_POWER
        for group in optimizer.param_groups:
            group["lr"] = rate
        image, teacher, mean = stack.to(device).split([stack.shape[1] - 2, 1, 1], dim=1)
        optimizer.zero_grad(set_to_none=True)
        with value_checks("never"):  # a loss that is not finite is told below, on any device
            value = loss(model(image.contiguous()), label.to(device), teacher, mean)
        value.backward()
        optimizer.step()
        losses.append(value.detach())
    mean_loss = float(torch.stack(losses).mean())
    if not math.isfinite(mean_loss):
        raise FloatingPointError(f"the loss became {mean_loss} in epoch {epoch + 1}")
    seconds = round(time.perf_counter() - start, 3)
    return {"epoch": epoch + 1, "lr": rate, "loss": mean_loss, "seconds": seconds}
