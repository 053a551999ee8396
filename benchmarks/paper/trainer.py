"""The training loop: resumable after every epoch with the result of an unbroken run."""

import csv
import io
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_nifti.atomic import write_text
from torch import nn
from tqdm import tqdm

from dice_semimetric import value_checks

from . import checkpoint
from .cases import Case
from .config import Config
from .data import Crops, epoch_loader
from .losses import TrainingLoss
from .model import build_model

POLY_POWER = 0.9


def train(
    config: Config,
    cases: list[Case],
    out: Path,
    *,
    device: torch.device,
    workers: int = 0,
    restart: bool = False,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train, or go on from the checkpoint in ``out``; return the network and the log's lines."""
    path, log = out / "checkpoint.pt", out / "log.csv"
    crops = Crops(cases, config)
    seed_everything(config.seed)
    model = build_model(config.model, cases[0].image.shape[0]).to(device)
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
        history.append(train_epoch(config, model, optimizer, crops, epoch, workers))
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        checkpoint.save(path, config, state | {"history": history})
        write_csv(log, history)
    return model, history


def train_epoch(
    config: Config,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    crops: Crops,
    epoch: int,
    workers: int,
) -> dict[str, Any]:
    """Take one pass over the cases and return the line of the log."""
    start, losses = time.perf_counter(), []
    loss = TrainingLoss(config)
    device = next(model.parameters()).device
    seed_everything(config.seed, epoch)
    model.train()
    loader = epoch_loader(crops, epoch, workers=workers)
    for step, (image, label) in enumerate(loader, start=epoch * len(loader)):
        rate = config.lr * (1 - step / (config.epochs * len(loader))) ** POLY_POWER
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with value_checks("never"):  # a loss that is not finite is told below, on any device
            value = loss(model(image.to(device)), label.to(device))
        value.backward()
        optimizer.step()
        losses.append(value.detach())
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        raise FloatingPointError(f"the loss became {mean} in epoch {epoch + 1}; try a smaller --lr")
    seconds = time.perf_counter() - start
    return {"epoch": epoch + 1, "lr": rate, "loss": mean, "seconds": round(seconds, 3)}


def build_optimizer(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of the configuration."""
    shared = {"lr": config.lr, "weight_decay": config.weight_decay}
    if config.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), **shared)
    return torch.optim.SGD(model.parameters(), momentum=0.9, **shared)


def seed_everything(*seed: int) -> None:
    """Seed every generator that a network or a library may draw from."""
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  (the global one, for libraries that use it)
    torch.manual_seed(number)


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows so that ``path`` never holds half of them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
