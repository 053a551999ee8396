"""nnU-Net's trainer, its Dice loss replaced by a Dice semimetric loss and nothing else changed.

nnU-Net imports this file by itself, outside its package: hence no relative imports.
"""

from typing import Literal

import torch
from nnunetv2.training.loss.deep_supervision import (  # type: ignore[import-not-found]
    DeepSupervisionWrapper,
)
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import (  # type: ignore[import-not-found]
    nnUNetTrainer,
)
from torch import nn

from dice_semimetric_torch.nnunet.loss import NNUNetLoss


class nnUNetTrainerDML(nnUNetTrainer):  # type: ignore[misc]
    """Trains with cross-entropy and DML1, weighted 1 : 1 as in nnU-Net.

    Set the class attributes in a subclass for another variant or the paper's 0.25 : 0.75.
    """

    variant: Literal["dml1", "dml2"] = "dml1"
    weight_ce = 1.0
    weight_dice = 1.0

    def _build_loss(self) -> nn.Module:
        batch = bool(self.configuration_manager.batch_dice)
        loss = NNUNetLoss(
            regions=self.label_manager.has_regions,
            ignore_label=self.label_manager.ignore_label,
            batch=batch,
            weight_ce=self.weight_ce,
            weight_dice=self.weight_dice,
            variant=self.variant,
            process_group=torch.distributed.group.WORLD if self.is_ddp and batch else None,
        )
        theirs = super()._build_loss()
        if isinstance(theirs, DeepSupervisionWrapper):
            theirs.loss = loss  # keeps nnU-Net's weights of the resolutions
            wrapped: nn.Module = theirs
            return wrapped
        return loss
