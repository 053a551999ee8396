"""The training losses: cross-entropy and a regional loss, both against soft labels."""

from dice_semimetric_torch import (
    DiceSemimetricLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
)
from torch import Tensor, nn

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
    """The weighted sum of cross-entropy and the regional loss that a configuration names."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.ce_weight = config.ce_weight
        self.entropy = nn.BCEWithLogitsLoss()
        self.region = MODULES[config.loss](
            variant=config.loss,
            sigmoid=True,
            batch=config.per == "batch",
            smooth_nr=0.0,
            smooth_dr=0.0,
        )

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the loss of logits and soft labels (B, 1, H, W)."""
        entropy: Tensor = self.entropy(logits, label)
        region: Tensor = self.region(logits, label)
        return self.ce_weight * entropy + (1 - self.ce_weight) * region
