"""What all losses share: the outputs of deep supervision, and sums that add up over batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._keywords import KnownKeywords
from ._levels import level_weights


class Loss(KnownKeywords, nn.Module):
    """A loss of one output or of several; subclasses say what of."""

    deep_supervision_weights: tuple[float, ...] | None = None
    per: str

    def levels(self, *arguments: Any) -> list[tuple[Any, ...]]:
        """Return for each output the arguments of `sums`; one output is the only one."""
        raise NotImplementedError

    def sums(self, *level: Any) -> tuple[Tensor, ...]:
        """Return the sums over a batch that the loss of one output is a formula on, in float64."""
        raise NotImplementedError

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of one output from such sums, of one batch or of several added."""
        raise NotImplementedError

    def _over_levels(self, values: Callable[..., Tensor], levels: list[tuple[Any, ...]]) -> Tensor:
        """Return the weighted sum over the outputs of a network with deep supervision."""
        weights = level_weights(self.deep_supervision_weights, len(levels))
        found = [w * values(*level) for w, level in zip(weights, levels, strict=True)]
        return torch.stack(found).sum(0)
