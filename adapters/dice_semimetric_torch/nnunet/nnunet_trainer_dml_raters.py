"""nnU-Net's trainer for data sets whose labels count the votes of several raters.

nnU-Net imports this file by itself, outside its package: hence no relative imports.
"""

from typing import Any

from batchgeneratorsv2.transforms.utils.seg_to_regions import (  # type: ignore[import-not-found]
    ConvertSegmentationToRegionsTransform,
)
from torch import Tensor

from dice_semimetric_torch._votes import VoteShares
from dice_semimetric_torch.nnunet.nnunet_trainer_dml import nnUNetTrainerDML


class nnUNetTrainerDMLRaters(nnUNetTrainerDML):
    """Trains one sigmoid head on the share of the raters who marked a voxel.

    The data set is one of ``dice-semimetric nnunet``: its labels 1 to L count votes, L stands for
    all raters of a case, and together they are one region. The loss is that of `nnUNetTrainerDML`
    with the share k / L as a soft label; nnU-Net's own Dice, while it trains and at the end,
    compares with the strict majority. A softmax of two classes would be the same function, of the
    difference of its two outputs.

    The second network of a cascade is shown the majority of the first: nnU-Net makes one channel of
    each label, of which the first has L alone.
    """

    loss: Any

    def initialize(self) -> None:
        """Set up network and loss, once it is clear that the labels count votes."""
        self.votes = self._counted_votes()
        # What nnU-Net compares its segmentations with; its head, made for any vote, is still one.
        majority = tuple(range(self.votes // 2 + 1, self.votes + 1))
        self.label_manager._regions = [majority]
        super().initialize()

    def _counted_votes(self) -> int:
        """Return the label that all raters make together."""
        regions = self.label_manager.all_regions or []
        labels = sorted(regions[0]) if len(regions) == 1 and isinstance(regions[0], tuple) else []
        if len(labels) < 2 or labels != list(range(1, labels[-1] + 1)):
            raise ValueError(
                "nnUNetTrainerDMLRaters needs labels that count votes, one region of the labels 1 "
                "to 2 or more, as `dice-semimetric nnunet` writes it, got the labels "
                f"{self.dataset_json['labels']}; nnUNetTrainerDML takes any"
            )
        return int(labels[-1])

    def get_training_transforms(self, *args: Any, **options: Any) -> Any:
        """Return nnU-Net's transforms, with shares in place of regions."""
        return self._with_shares(super().get_training_transforms(*args, **options))

    def get_validation_transforms(self, *args: Any, **options: Any) -> Any:
        """Return nnU-Net's transforms, with shares in place of regions."""
        return self._with_shares(super().get_validation_transforms(*args, **options))

    def _with_shares(self, composed: Any) -> Any:
        shares = VoteShares(self.votes, self.label_manager.ignore_label)
        composed.transforms = [
            shares if isinstance(one, ConvertSegmentationToRegionsTransform) else one
            for one in composed.transforms
        ]
        return composed

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the loss on the shares, and what nnU-Net counts against the strict majority."""
        shares = batch["target"]
        loss = self.loss
        several = isinstance(shares, list)
        majority = [_marked(s) for s in shares] if several else _marked(shares)

        def on_shares(output: Any, _: Any) -> Any:
            there = [s.to(self.device) for s in shares] if several else shares.to(self.device)
            return loss(output, there)

        self.loss = on_shares
        try:
            found: dict[str, Any] = super().validation_step({**batch, "target": majority})
        finally:
            self.loss = loss
        return found


def _marked(shares: Tensor) -> Tensor:
    """Return 1 where most raters marked; where voxels do not count stays as it is."""
    return (shares > 0.5).to(shares.dtype)
