"""A whole loss as one function of autograd: one pass over the logits there, and one back.

The sums and the cross-entropy are taken in the same pass, the formula and its slope on a table as
small as the batch has images and classes: on a host by `whole_host`, on a GPU by `whole_gpu`. What
PyTorch transforms or compiles, second derivatives and bad input are left to the functions that take
one step each.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

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

    def divisor(self, count: Any) -> Any:
        """Return what the sum is divided by: a count, or 1 for a count of 0."""
        return 1.0 if self.reduction == "sum" else count + (count == 0)

    def joined(self, losses: tuple[Any, Any]) -> tuple[Any, ...]:
        """Return the sum of regional loss and cross-entropy, or both where there are no factors."""
        if self.factors is None:
            return losses
        return (self.factors[0] * losses[0] + self.factors[1] * losses[1],)

    def upstream(self, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the gradients of both from those of what `joined` returns."""
        if self.factors is None:
            return given
        return self.factors[0] * given[0], self.factors[1] * given[0]


class Found:
    """What the forward pass has found, on a host or a GPU."""

    entropy: Entropy | None
    stepwise: Stepwise

    def losses(self, pred: Tensor) -> Losses:
        """Return the losses: the first in the dtype of the sums, the other in that of pred."""
        raise NotImplementedError

    def gradient(self, inputs: list[Any], upstream: tuple[Tensor, ...]) -> Tensor | None:
        """Return the gradient of pred, or None for what the kernels do not take.

        The inputs are pred, target, mask and the weights of the cross-entropy.
        """
        raise NotImplementedError


def recorded(pred: Tensor, target: Tensor, mask: Mask, found: Found) -> Losses:
    """Return the losses, differentiable in pred."""
    if torch.is_grad_enabled() and pred.requires_grad:
        results: Losses = _Whole.apply(pred, target, mask, found)  # type: ignore[no-untyped-call]
        return results
    return found.losses(pred)


def wide(pred: Tensor) -> torch.dtype:
    """Return the dtype of a cross-entropy."""
    return torch.float64 if pred.dtype == torch.float64 else torch.float32


class _Whole(torch.autograd.Function):
    """The losses; only the inputs are saved, and a slope for each image and class."""

    @staticmethod
    def forward(ctx: Any, pred: Tensor, target: Tensor, mask: Mask, found: Found) -> Losses:
        weight = None if found.entropy is None else found.entropy.weight
        ctx.save_for_backward(pred, target, mask, weight)
        ctx.found = found
        return found.losses(pred)

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        inputs, found, result = list(ctx.saved_tensors), ctx.found, None
        upstream = given if found.entropy is None else found.entropy.upstream(given)
        transformed = torch._C._functorch.is_functorch_wrapped_tensor(given[0])
        if not (torch.is_grad_enabled() or transformed):  # for a derivative of this one
            result = found.gradient(inputs, upstream)
        if result is None:
            result = _stepwise_gradient(found.stepwise, inputs[:3], upstream)
        return result, None, None, None


def _stepwise_gradient(
    stepwise: Stepwise, inputs: list[Any], upstream: tuple[Tensor, ...]
) -> Tensor:
    """Return the gradient of pred as PyTorch takes it, which has a derivative of its own."""
    with torch.enable_grad():
        values = stepwise(*inputs)
    (result,) = torch.autograd.grad(values, inputs[0], upstream, create_graph=True)
    found: Tensor = result
    return found
