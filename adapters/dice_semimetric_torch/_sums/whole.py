"""A whole loss of tensors on a host as one function of autograd: one pass there, and one back.

The sums and the cross-entropy are taken in the same pass over the logits, the formula and its slope
on a table as small as the batch has images and classes. What PyTorch transforms or compiles, second
derivatives and bad input are left to the functions that take one step each.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dice_semimetric._lib.checks import values_checked
from dice_semimetric._lib.threads import threads
from dice_semimetric.slopes import TableLoss, loss_and_slope

from . import host
from .host_entropy import class_weights
from .layouts import Layouts, Reading, layouts_of
from .reader import Mask

Losses = tuple[Tensor, ...]
#: The same losses of pred, target and mask by functions that can be differentiated twice.
Stepwise = Callable[[Tensor, Tensor, Mask], Losses]


class Entropy(NamedTuple):
    """The cross-entropy beside a regional loss.

    With ``factors`` the loss is the sum of both, each times its factor.
    """

    weight: Tensor | None
    reduction: str
    factors: tuple[float, float] | None = None


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
    """Return the regional loss of the classes from the first one on of tensors that are `plain`.

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
    dtype = pairs.unit.dtype
    table = loss_and_slope(total[..., first_class:], dtype=dtype, **formula)
    found = _Found(table, first_class, reading, entropy, number, stepwise, clip)
    if torch.is_grad_enabled() and pred.requires_grad:
        results: Losses = _Whole.apply(pred, target, mask, found, dtype)  # type: ignore[no-untyped-call]
        return results
    return found.tensors(pred, dtype)


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


class _Found(NamedTuple):
    """What the forward pass has found."""

    table: TableLoss
    first_class: int
    reading: Reading
    entropy: Entropy | None
    number: np.ndarray | None
    stepwise: Stepwise
    clip: bool  #: whether values are read as 0 and 1 that are so but for rounding

    def tensors(self, pred: Tensor, dtype: np.dtype) -> Losses:
        """Return the losses: the first in the dtype of the sums, the other in that of pred."""
        loss = self.table.loss
        if self.entropy is None or self.number is None:
            return (torch.from_numpy(np.asarray(loss, dtype)),)
        value = float(self.number[0]) / self.divisor()
        if self.entropy.factors is not None:
            of_loss, of_entropy = self.entropy.factors
            total = of_loss * loss + of_entropy * value
            return (torch.from_numpy(np.asarray(total, dtype)),)
        wide = torch.float64 if pred.dtype == torch.float64 else torch.float32
        mean = torch.tensor(value, dtype=wide, device=pred.device)
        return torch.from_numpy(np.asarray(loss, dtype)), mean

    def divisor(self) -> float:
        """Return what the sum of the cross-entropy is divided by."""
        assert self.entropy is not None
        assert self.number is not None
        return 1.0 if self.entropy.reduction == "sum" else float(self.number[1]) or 1.0

    def upstream(self, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the gradient of each loss."""
        if self.entropy is None or self.entropy.factors is None:
            return given
        of_loss, of_entropy = self.entropy.factors
        return of_loss * given[0], of_entropy * given[0]


class _Whole(torch.autograd.Function):
    """The losses; only the inputs are saved, and a slope for each image and class."""

    @staticmethod
    def forward(
        ctx: Any, pred: Tensor, target: Tensor, mask: Mask, found: _Found, dtype: np.dtype
    ) -> Losses:
        weight = None if found.entropy is None else found.entropy.weight
        ctx.save_for_backward(pred, target, mask, weight)
        ctx.found = found
        return found.tensors(pred, dtype)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        (*inputs, weight), found = ctx.saved_tensors, ctx.found
        upstream = found.upstream(given)
        transformed = torch._C._functorch.is_functorch_wrapped_tensor(given[0])
        layouts = None
        if not (torch.is_grad_enabled() or transformed):  # for a derivative of this one
            pred, target, mask = inputs
            layouts = layouts_of(pred, target, mask, found.reading)
        if layouts is None:
            result = _stepwise_gradient(found.stepwise, inputs, upstream)
        else:
            result = _gradient(found, layouts, inputs, weight, upstream)
        return result, None, None, None, None


def _stepwise_gradient(
    stepwise: Stepwise, inputs: list[Any], upstream: tuple[Tensor, ...]
) -> Tensor:
    """Return the gradient of pred as PyTorch takes it, which has a derivative of its own."""
    with torch.enable_grad():
        values = stepwise(*inputs)
    (result,) = torch.autograd.grad(values, inputs[0], upstream, create_graph=True)
    found: Tensor = result
    return found


def _gradient(
    found: _Found,
    layouts: Layouts,
    inputs: list[Any],
    weight: Tensor | None,
    upstream: tuple[Tensor, ...],
) -> Tensor:
    images, classes = inputs[0].shape[:2]
    first, entropy = found.first_class, found.entropy
    of_table = found.table.gradient(upstream[0].resolve_neg().numpy(), images, classes - first)
    if first:
        of_table = np.concatenate([np.zeros((4, images, first)), of_table], 2)
    scale = None
    if entropy is not None:
        weights = np.append(class_weights(weight, classes), 1.0)
        scale = weights * (float(upstream[1]) / found.divisor())
    module: Any = host.kernels()
    out = host.room(inputs[0])
    result = host.tensor(out)
    pairs = layouts.back.at(*host.addresses(*inputs, result))
    pairs = pairs.clipped() if found.clip else pairs
    with threads(torch.get_num_threads()):
        module.gradients(pairs, of_table, scale)
    return result
