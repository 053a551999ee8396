"""The teacher: its training, and how calibrated it is on cases that nobody has fitted to."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study.calibrate.calibrators import (
    FLOOR,
    MOST_PIXELS,
    MapCalibrator,
    Method,
    case_generator,
    draw,
)
from dice_semimetric_study.files.atomic import prepare_folder
from torch import nn

from dice_semimetric import uniform_average

from . import checkpoint
from .cases import Case
from .compare import finished
from .config import Config
from .distill_scores import score
from .evaluate import predict
from .model import build_model
from .train import run_cases

KEYS = 1000  # of the teacher's post-hoc kernel calibrator


def train_teacher(
    config: Config, cases: dict[str, list[Case]], out: Path, device: str
) -> nn.Module:
    """Train the teacher, or read it, and return it."""
    prepare_folder(out)
    if finished(config, out) is None:
        run_cases(config, cases["train"], cases["test"], out, device=device)
    place = torch.device(device)
    state = checkpoint.load(out / "checkpoint.pt", config, place)
    if state is None:
        raise ValueError(f"{out} holds no checkpoint")
    model = build_model(config.model, cases["train"][0].image.shape[0]).to(place)
    model.load_state_dict(state["model"])
    return model


def fit_calibrators(probs: list[np.ndarray], cases: list[Case]) -> dict[str, MapCalibrator]:
    """Fit both post-hoc calibrators to the raters' means of held-out cases."""
    fitted: dict[str, MapCalibrator] = {}
    sizes: dict[Method, int] = {"temperature": MOST_PIXELS, "kernel": KEYS}
    for method, size in sizes.items():
        drawn = [
            draw(
                prob,
                uniform_average(case.raters),
                above=FLOOR[method],
                size=size,
                rng=case_generator(0, case.name, ""),
            )
            for prob, case in zip(probs, cases, strict=True)
        ]
        fitted[method] = MapCalibrator(method).fit(sum(drawn[1:], drawn[0]))
    return fitted


def judge_teacher(
    teacher: nn.Module, cases: dict[str, list[Case]], crop: int
) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]], MapCalibrator]:
    """Return the teacher's scores on unseen cases before and after calibration.

    The calibrators are fitted to "held" and judged on "test". Besides come the scores of each case,
    and the fitted temperature.
    """
    held, test = (
        [predict(teacher, case, crop) for case in cases[name]] for name in ("held", "test")
    )
    fitted = fit_calibrators(held, cases["held"])
    maps = {"raw": test} | {name: [c.predict(p) for p in test] for name, c in fitted.items()}
    table, rows = {}, {}
    for name, probs in maps.items():
        each, table[name] = score(probs, cases["test"])
        rows[name] = {key: np.array([r[key] for r in each]) for key in each[0] if key != "case"}
    return (
        table | {"fits": {n: c.parameters for n, c in fitted.items()}},
        rows,
        fitted["temperature"],
    )
