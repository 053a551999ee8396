"""
Distillation from a calibrated teacher
======================================

A teacher is trained on the majority of the raters and is too sure of itself at the borders. Kernel
regression calibrates its probabilities, image by image. A small student then learns from the labels
and from the teacher, by cross-entropy and DML with both; DML is made for the teacher's soft labels.
"""

import argparse
import time

import matplotlib.pyplot as plt
import torch
from dice_semimetric_study import phantom
from dice_semimetric_torch import DiceSemimetricCELoss, DistillationLoss
from torch import Tensor, nn

from dice_semimetric import (
    binarized_dice,
    calibrate_teacher,
    expected_calibration_error,
    majority_vote,
    uniform_average,
)

parser = argparse.ArgumentParser(description="Train a student with a calibrated teacher.")
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()
torch.manual_seed(0)

# %%
# Data and networks
# -----------------

cases = [phantom(number, shape=(64, 64)) for number in range(32)]
image = torch.stack([torch.from_numpy(case.image).float()[None] for case in cases]) / 100
raters = torch.stack([torch.from_numpy(case.masks) for case in cases], 1)  # (R, B, H, W)
hard = majority_vote(raters).float()[:, None]
soft = uniform_average(raters).float()[:, None]
training, testing = slice(0, 24), slice(24, 32)


def network(width: int) -> nn.Sequential:
    """Return convolutions at half the resolution, (B, 1, H, W) to logits of that shape."""
    layers: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, padding=1)]
    for dilation in (1, 2, 4):
        layers += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)]
    return nn.Sequential(*layers, nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, padding=1))


def train(model: nn.Module, criterion: nn.Module, *targets: Tensor) -> float:
    """Train on batches of eight, and return the seconds of a step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=options.steps)
    start = time.perf_counter()
    for step in range(options.steps):
        batch = slice(step % 3 * 8, step % 3 * 8 + 8)
        loss = criterion(model(image[batch]), *(target[batch] for target in targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return (time.perf_counter() - start) / options.steps


@torch.no_grad()
def probabilities(model: nn.Module) -> Tensor:
    return torch.sigmoid(model(image))


def scores(prob: Tensor, which: slice) -> dict[str, float]:
    """Return BDice and ECE with the mean of the raters."""
    near = soft[which] > 0  # the pixels that a rater marked
    error = expected_calibration_error(prob[which], soft[which], kind="binary", mask=near)
    return {"BDice": float(binarized_dice(prob[which], soft[which])), "ECE": float(error)}


# %%
# The teacher, raw and calibrated
# -------------------------------
# Each image is calibrated on keys of its own: pixels whose labels are known, here the mean of the
# raters. ``where="uncertain"``, the paper's choice, would leave all but the borders as they are.

teacher = network(16)
criterion = DiceSemimetricCELoss(sigmoid=True, batch=True)
seconds = {"a teacher's step": train(teacher, criterion, hard)}
raw = probabilities(teacher)
start = time.perf_counter()
calibrated = calibrate_teacher(
    raw[training], soft[training], where="all", sampling="proportional", rng=0
)
seconds["calibration of an image"] = (time.perf_counter() - start) / 24
teachers = {"raw": scores(raw, training), "calibrated": scores(calibrated, training)}
for name, found in teachers.items():
    print(f"teacher, {name:10}", {key: round(value, 3) for key, value in found.items()})

shown = {"image": image, "teacher, raw": raw, "teacher, calibrated": calibrated, "raters": soft}
figure, panels = plt.subplots(1, 4, figsize=(9, 2.5), layout="constrained")
for panel, (title, planes) in zip(panels, shown.items(), strict=True):
    limits = {"cmap": "gray", "vmin": -0.6} if title == "image" else {"cmap": "magma", "vmin": 0}
    panel.imshow(planes[8, 0], vmax=1.0, **limits)
    panel.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# The students
# ------------
# One learns from the majority alone, the other from the calibrated teacher too.

students = {}
for name, criterion, targets in (
    ("labels", DiceSemimetricCELoss(sigmoid=True, batch=True), (hard,)),
    ("labels and teacher", DistillationLoss(sigmoid=True, batch=True), (hard, calibrated)),
):
    torch.manual_seed(1)
    student = network(12)
    seconds[f"a student's step, {name}"] = train(student, criterion, *targets)
    students[name] = scores(probabilities(student), testing)
    print(f"student, {name:18}", {key: round(value, 3) for key, value in students[name].items()})

# %%
# What it costs
# -------------

for name, value in seconds.items():
    print(f"{name:40}{1000 * value:8.1f} ms")
