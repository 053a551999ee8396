"""What a student learns from: hard labels, and a teacher's probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from dice_semimetric import calibrate_teacher, uniform_average

from .calibration import Predictor
from .cases import Case
from .config import RUNGS, Config
from .losses import TrainingLoss, counted
from .networks.build import MULTIPLE
from .trainer import Objective

Network = Callable[[Tensor], Tensor]


def reach(cases: Sequence[Case], config: Config) -> int:
    """Return the side of the central square that training crops can lie in."""
    side = config.crop + 2 * config.jitter
    side += -side % MULTIPLE
    smallest = min(min(case.image.shape[1:]) for case in cases)
    if not config.crop or side > smallest:
        raise ValueError(f"crop must be above 0 and crop + 2 jitter at most {smallest}")
    return side


def with_teacher(cases: Sequence[Case], probs: Sequence[np.ndarray]) -> list[Case]:
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
    """The loss of one rung; the keys that it draws are decided by the seed and the epoch.

    The terms with the teacher are those with the labels again, so that any loss can be distilled
    with; for DML they are `dice_semimetric_torch.DistillationLoss`.
    """

    def __init__(self, config: Config, epoch: int) -> None:
        super().__init__()
        self.config = config
        self.rng = np.random.default_rng([config.seed, epoch, RUNGS.index("kde")])
        self.labels = TrainingLoss(config)
        self.teacher = TrainingLoss(config, regional=config.rung != "ce")

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
        if not self.config.distilled:
            return value
        distilled: Tensor = self.teacher(logits, self.signal(label, teacher, mean), counts)
        return value + distilled

    def signal(self, label: Tensor, teacher: Tensor, mean: Tensor) -> Tensor:
        """Return what the student learns from the teacher."""
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


def student_data(
    config: Config, teacher: Predictor, cases: Sequence[Case]
) -> tuple[Sequence[Case], Objective]:
    """Return what a student trains on, and its objective.

    Either the teacher sees the very crops that the student sees, or it sees each image once, as
    far as crops can lie in it, and its probabilities are cut and mirrored with the image.
    """
    if config.teacher_sees == "image":
        side, channels = reach(cases, config), cases[0].image.shape[0]
        cases = with_teacher(cases, [teacher.predict(case, side) for case in cases])

        def step(loss: StudentLoss, network: Network, stack: Tensor, label: Tensor) -> Tensor:
            image, prob, mean = stack.split([channels, 1, 1], dim=1)
            value: Tensor = loss(network(image.contiguous()), label, prob, mean)
            return value
    else:

        def step(loss: StudentLoss, network: Network, stack: Tensor, label: Tensor) -> Tensor:
            label, counts = counted(config, label)
            prob = teacher.probabilities(stack)
            value: Tensor = loss(network(stack), label, prob, label, counts)
            return value

    def objective(epoch: int) -> Callable[..., Tensor]:
        loss = StudentLoss(config, epoch)
        return lambda network, stack, label: step(loss, network, stack, label)

    return cases, objective


def signals(config: Config, teacher: Predictor, cases: Sequence[Case]) -> list[np.ndarray]:
    """Return what a student learns from the teacher on each case, (H, W)."""
    side, loss = reach(cases, config), StudentLoss(config, epoch=0)
    found = []
    for case in cases:
        stack = with_teacher([case], [teacher.predict(case, side)])[0].image[None]
        prob, mean = (torch.tensor(stack[:, [k]]) for k in (-2, -1))
        label = (mean > 0.5).to(torch.float32)
        found.append(loss.signal(label, prob, mean)[0, 0].numpy())
    return found
