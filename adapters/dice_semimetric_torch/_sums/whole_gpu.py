"""A whole loss of tensors on a GPU by Triton's kernels; see `whole`.

A step of a small network is bound by the host, which takes longer to launch the operations on a
table of a few numbers than the GPU to sum the pixels: here they are as few as can be, autograd sees
none of them, and nothing waits for a value.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dice_semimetric._lib.checks import values_checked
from dice_semimetric.slopes import TableLoss, loss_and_slope

from . import triton
from .layouts import Reading, resolved
from .reader import Mask, Options
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
    """Return what `whole_host.losses` does; None is also for values that are to be checked."""
    if target.requires_grad or values_checked(host=False):
        return None
    given = resolved(pred, target, mask, reading)
    if given is None or not triton.eligible(pred, *given):
        return None
    with torch.no_grad():
        number = None
        if entropy is None:
            total = triton.forward(pred, *given)
        else:
            weight = _class_weights(entropy.weight, pred.shape[1])
            total, number = triton.forward_with_entropy(pred, *given, weight)
        dtype = given[2].dtype
        table = loss_and_slope(total[..., first_class:], dtype=dtype, **formula)
        divisor = None if number is None or entropy is None else entropy.divisor(number[1])
        shapes = given[0].shape, None if given[1] is None else given[1].shape
        found = _OnGPU(table, given[2], shapes, first_class, entropy, number, divisor, stepwise)
    return recorded(pred, target, mask, found)


@dataclass
class _OnGPU(Found):
    table: TableLoss
    options: Options
    shapes: tuple[torch.Size, torch.Size | None]  #: that target and mask are read in
    first_class: int
    entropy: Entropy | None
    number: Tensor | None
    divisor: Any
    stepwise: Stepwise

    def losses(self, pred: Tensor) -> Losses:
        loss = self.table.loss
        if self.entropy is None or self.number is None:
            return (loss.to(self.options.dtype),)
        first, *rest = self.entropy.joined((loss, self.number[0] / self.divisor))
        return first.to(self.options.dtype), *(value.to(wide(pred)) for value in rest)

    def gradient(self, inputs: list[Any], upstream: tuple[Tensor, ...]) -> Tensor | None:
        pred, target, mask, weight = inputs
        shape, of_mask = self.shapes
        kept = None if of_mask is None else mask.view(of_mask)
        given = target.view(shape), kept, self.options
        images, classes = pred.shape[0], pred.shape[1] - self.first_class
        if self.table.chosen is None:
            of_table = (self.table.slope * upstream[0]).expand(4, images, classes)
        else:
            of_table = self.table.gradient(upstream[0], images, classes)
        if self.first_class:
            of_table = pad(of_table, (self.first_class, 0))
        if self.entropy is None:
            return triton.backward(of_table, pred, *given, (True, False))[0]
        scale = upstream[1] / self.divisor
        weight = _class_weights(weight, pred.shape[1])
        return triton.backward_with_entropy(of_table, pred, *given, weight, scale)


def _class_weights(weight: Tensor | None, num_classes: int) -> Tensor | None:
    """Return a weight for each class, one beside the other."""
    return None if weight is None else weight.expand(num_classes).contiguous()
