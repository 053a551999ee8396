"""Labels that count the votes of raters, as nnU-Net's loader hands them to its transforms.

This lies outside the folder that nnU-Net looks for trainers in, and forgets once it has found one:
the processes that load data could not find the class there again.
"""

from typing import Any

import torch
from torch import Tensor


class VoteShares:
    """A transform for nnU-Net that turns counts of votes into what a sigmoid head is trained on.

    It takes the place of the one that makes regions of labels. Channel 0 is the share of the raters
    who marked a voxel; with an ignore label, channel 1 is 1 where voxels do not count, as nnU-Net
    has it for regions.

    Parameters
    ----------
    votes : int
        The label of voxels that all raters marked.
    ignore_label : int, optional
        The label of voxels that do not count.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch._votes import VoteShares
    >>> VoteShares(4)(segmentation=torch.tensor([[0, 1, 2, 4]]))["segmentation"]
    tensor([[0.0000, 0.2500, 0.5000, 1.0000]])
    """

    def __init__(self, votes: int, ignore_label: int | None = None) -> None:
        self.votes, self.ignore_label = votes, ignore_label

    def __call__(self, **data: Any) -> dict[str, Any]:
        """Return the data of a patch with shares in place of the labels in channel 0."""
        labels: Tensor = data["segmentation"][0]
        if self.ignore_label is None:
            return data | {"segmentation": self._shares(labels)[None]}
        ignored = labels == self.ignore_label
        shares = self._shares(torch.where(ignored, 0, labels))
        return data | {"segmentation": torch.stack([shares, ignored.to(shares.dtype)])}

    def _shares(self, labels: Tensor) -> Tensor:
        low, high = (int(end) for end in torch.aminmax(labels))
        if low < 0 or high > self.votes:
            value = low if low < 0 else high
            raise ValueError(
                f"labels must count 0 to {self.votes} votes, as dataset.json has it, got {value}: "
                "write the data set again with `dice-semimetric nnunet`"
            )
        return labels.to(torch.float32) / self.votes
