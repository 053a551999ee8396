"""A whole loss of tensors on a host by its compiled kernels; see `whole`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dice_semimetric._lib.checks import values_checked
from dice_semimetric._lib.threads import threads
from dice_semimetric.slopes import TableLoss, loss_and_slope

from . import host
from .host_entropy import class_weights
from .layouts import Reading, layouts_of
from .reader import Mask
from .whole import Entropy, Found, Losses, Stepwise, recorded, wide


def losses(
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    reading: Reading,
    formula: dict[str, Any],
    first_class: int,
    entropy: Entropy | None,
    stepwise: Stepwise,
) -> Losses | None:
    """Return the regional loss of the classes from the first one on of tensors that are plain.

    With it goes the cross-entropy, by itself or added.

    None is for what the kernels do not take, and for values that are to be refused.
    """
    layouts = layouts_of(pred, target, mask, reading)
    if layouts is None:
        return None
    pairs = layouts.there.at(*host.addresses(pred, target, mask))
    clip, (total, number, wrong) = False, _sums(pairs, entropy, pred.shape[1])
    if wrong and values_checked():  # by rounding perhaps
        clip, (total, number, wrong) = True, _sums(pairs.clipped(), entropy, pred.shape[1])
        if wrong:
            return None
    dtype, weight = pairs.unit.dtype, formula["weight"]
    if weight is not None:
        formula = formula | {"weight": weight.double().numpy()}
    table = loss_and_slope(total[..., first_class:], dtype=dtype, **formula)
    found = _OnHost(table, dtype, first_class, reading, entropy, number, stepwise, clip)
    return recorded(pred, target, mask, found)


def _sums(pairs: Any, entropy: Entropy | None, classes: int) -> tuple[Any, Any, bool]:
    """Return the sums, the cross-entropy and what it counts, and whether a value is wrong."""
    module: Any = host.kernels()
    with threads(torch.get_num_threads()):
        if entropy is None:
            total, wrong = module.sums(pairs)
            return total, None, wrong
        found: tuple[Any, Any, bool] = module.sums_with_entropy(
            pairs, class_weights(entropy.weight, classes)
        )
        return found


@dataclass
class _OnHost(Found):
    table: TableLoss
    dtype: np.dtype
    first_class: int
    reading: Reading
    entropy: Entropy | None
    number: np.ndarray | None
    stepwise: Stepwise
    clip: bool  #: whether values are read as 0 and 1 that are so but for rounding

    def losses(self, pred: Tensor) -> Losses:
        loss = self.table.loss
        if self.entropy is None or self.number is None:
            return (self._tensor(loss),)
        value = float(self.number[0]) / self._divisor()
        first, *rest = self.entropy.joined((loss, value))
        others = (torch.tensor(v, dtype=wide(pred), device=pred.device) for v in rest)
        return self._tensor(first), *others

    def _tensor(self, loss: Any) -> Tensor:
        return torch.from_numpy(np.asarray(loss, self.dtype))

    def _divisor(self) -> float:
        assert self.entropy is not None
        assert self.number is not None
        return float(self.entropy.divisor(float(self.number[1])))

    def gradient(self, inputs: list[Any], upstream: tuple[Tensor, ...]) -> Tensor | None:
        pred, target, mask, weight = inputs
        layouts = layouts_of(pred, target, mask, self.reading)
        if layouts is None:
            return None
        images, classes = pred.shape[:2]
        first = self.first_class
        of_loss = upstream[0].resolve_neg().numpy()
        of_table = self.table.gradient(of_loss, images, classes - first)
        if first:
            of_table = np.concatenate([np.zeros((4, images, first)), of_table], 2)
        scale = None
        if self.entropy is not None:
            weights = np.append(class_weights(weight, classes), 1.0)
            scale = weights * (float(upstream[1]) / self._divisor())
        module: Any = host.kernels()
        result = host.tensor(host.room(pred))
        pairs = layouts.back.at(*host.addresses(pred, target, mask, result))
        pairs = pairs.clipped() if self.clip else pairs
        with threads(torch.get_num_threads()):
            module.gradients(pairs, of_table, scale)
        return result
