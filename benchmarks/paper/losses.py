"""The training losses: cross-entropy and a regional loss, both against soft labels."""

from typing import Any

from dice_semimetric_torch import (
    CalibrationLoss,
    DiceSemimetricLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
)
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from . import parallel
from .config import Config

MODULES = {
    "dml1": DiceSemimetricLoss,
    "dml2": DiceSemimetricLoss,
    "jml1": JaccardMetricLoss,
    "jml2": JaccardMetricLoss,
    "sdl": SoftDiceLoss,
    "sjl": SoftJaccardLoss,
}


class TrainingLoss(nn.Module):
    """The weighted sum of the losses of a configuration, without the regional one if so wanted."""

    def __init__(self, config: Config, *, regional: bool = True) -> None:
        super().__init__()
        self.ce_weight, self.region_weight = config.ce_weight, regional * (1 - config.ce_weight)
        options: dict[str, Any] = {"batch": config.per == "batch"}
        if options["batch"]:
            options["process_group"] = parallel.group()
        self.region = MODULES[config.loss](
            variant=config.loss, sigmoid=True, smooth_nr=0.0, smooth_dr=0.0, **options
        )
        self.calibration_weight = config.calibration_weight
        self.calibration = CalibrationLoss(sigmoid=True, **options)

    def forward(self, logits: Tensor, label: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return the loss of logits and soft labels (B, 1, H, W), over the pixels that count."""
        value: Tensor = self.ce_weight * entropy(logits, label, counts)
        if self.region_weight:
            value = value + self.region_weight * self.region(logits, label, counts)
        if self.calibration_weight:
            value = value + self.calibration_weight * self.calibration(logits, label, counts)
        return value


def counted(config: Config, label: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the label and which pixels count: those around a shrunk image have none, marked -1."""
    if config.augment == "shift":
        return label, None
    return label.clamp(min=0), label >= 0


def entropy(logits: Tensor, label: Tensor, counts: Tensor | None) -> Tensor:
    """Return the mean cross-entropy over the pixels that count."""
    if counts is None:
        return binary_cross_entropy_with_logits(logits, label)
    pixels = binary_cross_entropy_with_logits(logits, label, reduction="none")
    return (pixels * counts).sum() / counts.sum().clamp(min=1)
