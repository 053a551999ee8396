"""Blocks of a prediction and its target, as probabilities beside what they are compared with."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._lib.blocks import Place
from dice_semimetric._lib.special import widen
from dice_semimetric._lib.typing import Activation

from .blocks import Blocks
from .memory import Scratch

Mask = Tensor | None
Needs = tuple[bool, bool]  #: whether the gradient of pred and that of target are asked for
Gradients = tuple[Tensor | None, Tensor | None]
Reduce = Callable[..., Tensor]

#: Up to this number of classes it is faster to take them one by one than to reduce an axis.
FEW_CLASSES = 8

#: Sums of exponentials from here to its inverse keep full precision in float32.
SAFE = 1e-18


class Options(NamedTuple):
    """How the sums are taken; see `dice_semimetric.overlap.overlap_sums`."""

    axis: tuple[int, ...]
    dtype: torch.dtype
    activation: Activation = None
    ignore_index: int | None = None
    checked: bool = False


def wide(pred: Tensor) -> torch.dtype:
    """Return the dtype that sums are returned in: float64, which Apple's GPUs do not have."""
    return torch.float32 if pred.device.type == "mps" else torch.float64


class Reader:
    """Reads block after block into memory that is used again."""

    def __init__(
        self, pred: Tensor, target: Tensor, mask: Mask, options: Options, cut: int = 1
    ) -> None:
        self.labels = target.ndim < pred.ndim
        self.options, self.dtypes = options, (pred.dtype, target.dtype)
        regional = self.labels or options.activation == "softmax"
        tensors = (pred, target[:, None] if self.labels else target, mask)
        self.blocks = Blocks(tensors, options.axis, regional=regional, cut=cut)
        self.scratch = Scratch(options.dtype, pred.device)
        views: list[Any] = self.blocks.views
        self._pred, self._target, self._mask = views
        if self.labels:  # one class alone is the foreground, label 1
            first = 1 if pred.shape[1] == 1 else 0
            stop = first + pred.shape[1]
            numbers = torch.arange(first, stop, dtype=options.dtype, device=pred.device)
            self._numbers = numbers[:, None]

    def fork(self) -> "Reader":
        """Return a reader of the same tensors with memory of its own, for another thread."""
        other = copy.copy(self)
        other.scratch = Scratch(self.options.dtype, self._pred.device)
        return other

    def read(self, place: Place) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the probabilities and the target of a block, and which of them do not count.

        What does not count is finite, though not 0, whatever it was before.
        """
        target = self.blocks.matrix(self._target, place)
        keep = None if self._mask is None else self.blocks.matrix(self._mask, place)
        counts = None
        if self.labels and self.options.ignore_index is not None:
            counts = widen(xp, target, self.options.ignore_index) != self.options.ignore_index
            keep = counts if keep is None else keep & counts
        hidden = None if keep is None else ~keep
        x = self._activated(self.blocks.matrix(self._pred, place), hidden)
        if self.labels:
            label = self.scratch.copy("label", target)
            if self.options.checked and not self._are_known(label, counts):
                raise ValueError("a label is no class")  # `blockwise` words it
            out = self.scratch.empty("target", x.shape)
            return x, torch.eq(label, self._numbers, out=out), hidden
        scattered = self.options.checked and not target.is_contiguous()  # aminmax would copy it
        if target.dtype != self.options.dtype or hidden is not None or scattered:
            target = self.scratch.copy("target", target)
        return x, target if hidden is None else target.masked_fill_(hidden, 0), hidden

    def _are_known(self, label: Tensor, counts: Tensor | None) -> bool:
        """Return whether the labels that are not ignored are classes, mostly in one pass."""
        most = max(self._numbers.shape[0], 2)
        for some in (label,) if counts is None else (label, label.where(counts, 0)):
            low, high = torch.aminmax(some)
            if low >= 0 and high < most:
                return True
        return False

    def _activated(self, block: Tensor, hidden: Tensor | None) -> Tensor:
        x = block
        if block.dtype != self.options.dtype or hidden is not None:
            x = self.scratch.copy("input", block)
        if hidden is not None:  # a softmax needs the classes that do not count beside those that do
            every = self.options.activation == "softmax" and hidden.shape[1] > 1
            x.masked_fill_(hidden.all(1, keepdim=True) if every else hidden, 0)
        if self.options.activation is None:
            return x
        out = self.scratch.empty("pred", block.shape)
        if self.options.activation == "sigmoid":
            return torch.sigmoid(x, out=out)
        return self._softmax(x, out)

    def _softmax(self, x: Tensor, out: Tensor) -> Tensor:
        """Return exp(x) over its sum, shifted by the largest entry only where that is needed.

        As long as no sum is near the ends of the dtype's range nothing was lost without the shift,
        which costs as much as the rest. To look at the sums would synchronise with a GPU.
        """
        total = self.scratch.empty("row", (x.shape[0], x.shape[2]))
        if x.device.type == "cpu":
            sum_over_classes(torch.exp(x, out=out), total)
            low, high = torch.aminmax(total)
            if low > SAFE and high < 1 / SAFE:
                return out.div_(total[:, None])
        torch.sub(x, max_over_classes(x, total)[:, None], out=out).exp_()
        return out.div_(sum_over_classes(out, total)[:, None])


def _over_classes(whole: Reduce, pair: Reduce, x: Tensor, out: Tensor) -> Tensor:
    """Reduce axis 1 by ``pair``, one class after another, or many classes by ``whole`` at once."""
    if not 1 < x.shape[1] <= FEW_CLASSES:
        return whole(x, 1, out=out)
    first, second, *others = x.unbind(1)
    pair(first, second, out=out)
    for other in others:
        pair(out, other, out=out)
    return out


max_over_classes = partial(_over_classes, torch.amax, torch.maximum)
sum_over_classes = partial(_over_classes, torch.sum, torch.add)
