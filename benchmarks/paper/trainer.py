"""The training loop: resumable after every epoch with the result of an unbroken run."""

import hashlib
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study.files.atomic import write_bytes, write_text
from torch import Tensor, nn
from tqdm import tqdm

from dice_semimetric import value_checks

from . import parallel
from .cases import Case
from .config import Config
from .crops import Crops, epoch_loader
from .losses import TrainingLoss, counted
from .networks.build import build_model
from .records import csv_text

POLY_POWER = 0.9
HALF = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}

#: The loss of one step, of the network (images to logits in float32), images and labels.
StepLoss = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]
#: What gives the loss of an epoch's steps; it may draw, from the number of the epoch.
Objective = Callable[[int], StepLoss]


def label_objective(config: Config) -> Objective:
    """Return the objective of a network that learns from labels alone."""
    loss = TrainingLoss(config)
    return lambda epoch: lambda network, image, label: loss(network(image), *counted(config, label))


def train(
    config: Config,
    cases: Sequence[Case],
    out: Path,
    *,
    device: torch.device,
    workers: int = 0,
    restart: bool = False,
    objective: Objective | None = None,
    channels: int | None = None,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train, or go on from the checkpoint in ``out``; return the network and the log's lines."""
    path = out / "checkpoint.pt"
    seed_everything(config.seed)
    model = build_model(config.model, channels or cases[0].image.shape[0]).to(device)
    optimizer = build_optimizer(config, model)
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scaler": scaler}
    identity = fingerprint(cases)
    state = None if restart else load_checkpoint(path, config, device)
    history = [] if state is None else restore(parts, state, identity, path)
    network, crops = parallel.wrap(model), Crops(cases, config)
    step = Step(config, network, optimizer, scaler, crops, workers, device)
    objective = objective or label_objective(config)
    for epoch in tqdm(
        range(len(history), config.epochs),
        desc=f"{out.parent.name}/{out.name}",
        initial=len(history),
        total=config.epochs,
        disable=None if parallel.first() else True,
    ):
        history.append(step.epoch(epoch, objective(epoch)))
        if parallel.first():
            last = epoch + 1 == config.epochs  # then the optimiser's state only takes space
            kept = {"model": model} if last else parts
            states = {name: part.state_dict() for name, part in kept.items()}
            save_checkpoint(path, config, states | {"history": history, "cases": identity})
            write_log(out, history)
    if parallel.first():
        write_log(out, history)  # a kill may have come between the checkpoint and its log
    return model, history


@dataclass
class Step:
    """What stays the same from epoch to epoch of one training."""

    config: Config
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    crops: Crops
    workers: int
    device: torch.device

    def network(self, image: Tensor) -> Tensor:
        """Return the logits in float32, computed in the precision of the configuration."""
        half = HALF[self.config.precision]
        with torch.autocast(self.device.type, half, enabled=half is not None):
            logits: Tensor = self.model(image)
        return logits.float()

    def epoch(self, epoch: int, loss: StepLoss) -> dict[str, Any]:
        """Take one pass over the cases and return the line of the log."""
        start, losses, config = time.perf_counter(), [], self.config
        seed_everything(config.seed, epoch)
        self.model.train()
        loader = epoch_loader(self.crops, epoch, workers=self.workers)
        for step, (image, label) in enumerate(loader, start=epoch * len(loader)):
            rate = config.lr * (1 - step / (config.epochs * len(loader))) ** POLY_POWER
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            with value_checks("never"):  # the mean below shows a loss that is not finite
                value = loss(self.network, image.to(self.device), label.to(self.device))
            self.scaler.scale(value).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            losses.append(value.detach())
        mean = parallel.mean(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the loss became {mean} in epoch {epoch + 1}; try a smaller --lr"
            )
        seconds = round(time.perf_counter() - start, 3)
        return {"epoch": epoch + 1, "lr": rate, "loss": mean, "seconds": seconds}


def restore(
    parts: dict[str, Any], state: dict[str, Any], identity: str, path: Path
) -> list[dict[str, Any]]:
    """Give every part its saved state and return the log's lines; refuse what is not ours."""
    if state.get("cases", identity) != identity:
        raise ValueError(
            f"the checkpoint {path} was trained on other cases: the data have changed; "
            "choose another --out, or start over with --restart"
        )
    try:
        for name, part in parts.items():
            if name in state:
                part.load_state_dict(state[name])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(
            f"the checkpoint {path} is of another network: {str(error).splitlines()[0]}; "
            "start over with --restart"
        ) from error
    history: list[dict[str, Any]] = state["history"]
    return history


def fingerprint(cases: Sequence[Case]) -> str:
    """Return a digest of the training cases: their number, names and first size."""
    names = getattr(cases, "names", None) or [case.name for case in cases]
    text = "\n".join([str(cases[0].image.shape), *names])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


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


def write_log(out: Path, history: list[dict[str, Any]]) -> None:
    """Write log.csv, without the times: a resumed run has the log of an unbroken one."""
    names = [name for name in history[0] if name != "seconds"]
    write_text(out / "log.csv", csv_text([{n: line[n] for n in names} for line in history]))


def save_checkpoint(path: Path, config: Config, state: dict[str, Any]) -> None:
    """Write the state so that ``path`` never holds half of it."""
    content = BytesIO()
    torch.save({"config": asdict(config), **state}, content)
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, config: Config, device: torch.device) -> dict[str, Any] | None:
    """Return the state that `save_checkpoint` wrote, or None where there is none.

    Raises ValueError if it cannot be read or is of another configuration.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        saved = state["config"]
    except Exception as error:  # torch has no one error for a file that is not a checkpoint
        raise ValueError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); "
            "start over with --restart"
        ) from error
    differences = config.differences(saved)
    if differences:
        raise ValueError(
            f"the checkpoint {path} is of another configuration ({'; '.join(differences)}); "
            "choose another --out, or start over with --restart"
        )
    return state
