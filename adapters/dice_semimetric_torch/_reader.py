"""Blocks of a prediction and its target, as probabilities beside what they are compared with."""

from typing import NamedTuple

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._blocks import Place
from dice_semimetric._special import widen
from dice_semimetric._typing import Activation

from ._blocks import Blocks, Scratch

#: Up to so many classes it is faster to reduce over them one by one than along a strided axis.
FEW_CLASSES = 8


class Options(NamedTuple):
    """How the sums are taken; see `dice_semimetric.overlap.overlap_sums`."""

    axis: tuple[int, ...]
    dtype: torch.dtype
    activation: Activation = None
    ignore_index: int | None = None
    checked: bool = False


class Reader:
    """Reads block after block into memory that is used again."""

    def __init__(self, pred: Tensor, target: Tensor, mask: Tensor | None, options: Options) -> None:
        self.labels = target.ndim < pred.ndim
        self.options = options
        regional = self.labels or options.activation == "softmax"
        self.blocks = Blocks(pred, options.axis, regional=regional)
        self.scratch = Scratch(options.dtype, pred.device)
        self._pred = self.blocks.view(pred)
        self._target = self.blocks.view(target[:, None] if self.labels else target)
        self._mask = None if mask is None else self.blocks.view(mask)
        if self.labels:  # one class alone is the foreground, label 1
            first = 1 if pred.shape[1] == 1 else 0
            stop = first + pred.shape[1]
            self._numbers = torch.arange(first, stop, dtype=options.dtype, device=pred.device)

    def read(self, place: Place) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the probabilities and the target of a block, and which of them count."""
        target = self.blocks.matrix(self._target, place)
        keep = None if self._mask is None else self.blocks.matrix(self._mask, place)
        if self.labels and self.options.ignore_index is not None:
            counts = widen(xp, target, self.options.ignore_index) != self.options.ignore_index
            keep = counts if keep is None else keep & counts
        x = self._activated(self.blocks.matrix(self._pred, place), copied=keep is not None)
        if self.labels:
            label = self.scratch.copy("label", target)
            out = self.scratch.empty("target", x.shape)
            return x, torch.eq(label, self._numbers[:, None], out=out), keep
        if target.dtype != self.options.dtype or keep is not None:
            target = self.scratch.copy("target", target)
        return x, target, keep

    def _activated(self, block: Tensor, *, copied: bool) -> Tensor:
        same = block.dtype == self.options.dtype
        if self.options.activation is None:
            return block if same and not copied else self.scratch.copy("pred", block)
        x = block if same else self.scratch.copy("pred", block)
        out = self.scratch.empty("pred", block.shape)
        if self.options.activation == "sigmoid":
            return torch.sigmoid(x, out=out)
        row = self.scratch.empty("row", (x.shape[0], 1, x.shape[2]))
        torch.sub(x, max_over_classes(x, row), out=out).exp_()
        return out.mul_(sum_over_classes(out, row).reciprocal_())


def max_over_classes(x: Tensor, out: Tensor) -> Tensor:
    """Return the largest entry along axis 1, kept as an axis of one."""
    if not 1 < x.shape[1] <= FEW_CLASSES:
        return torch.amax(x, 1, keepdim=True, out=out)
    torch.maximum(x[:, :1], x[:, 1:2], out=out)
    for c in range(2, x.shape[1]):
        torch.maximum(out, x[:, c : c + 1], out=out)
    return out


def sum_over_classes(x: Tensor, out: Tensor) -> Tensor:
    """Return the sum along axis 1, kept as an axis of one."""
    if not 1 < x.shape[1] <= FEW_CLASSES:
        return torch.sum(x, 1, keepdim=True, out=out)
    torch.add(x[:, :1], x[:, 1:2], out=out)
    for c in range(2, x.shape[1]):
        out.add_(x[:, c : c + 1])
    return out
