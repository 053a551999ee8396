"""The cross-entropy on a host by the compiled kernels, forward and backward in one pass each.

It keeps its inputs only, where PyTorch's own keeps the logarithms of all probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dice_semimetric._lib.threads import threads

from . import host
from .reader import Mask, Options

Terms = Callable[..., tuple[Tensor, Tensor]]


def takes(logits: Tensor, target: Tensor, mask: Mask) -> bool:
    """Return whether the kernels take these tensors, which nothing transforms."""
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return False
    options = _options(logits, target, sigmoid=False)
    return not target.requires_grad and host.eligible(logits, target, mask, options)


def sums(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    mask: Mask,
    ignore_index: int | None,
    sigmoid: bool,
    generic: Terms,
) -> tuple[Tensor, Tensor]:
    """Return the sum over the pixels that count, and what the mean divides it by.

    ``generic`` gives the terms of the same sum by PyTorch's operations, for second derivatives.
    """
    options = _options(logits, target, sigmoid, ignore_index)
    found: tuple[Tensor, Tensor] = _Entropy.apply(  # type: ignore[no-untyped-call]
        logits, target, weight, mask, options, generic
    )
    return found


def class_weights(weight: Tensor | None, num_classes: int) -> np.ndarray:
    """Return a weight for each class in float64, 1 where there is none."""
    if weight is None:
        return np.ones(num_classes)
    return np.full(num_classes, weight.detach().double().numpy())


class _Entropy(torch.autograd.Function):
    """The sum and the count; only the inputs are saved."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(*arguments[:4])
        ctx.options, ctx.generic = arguments[4:]
        logits, target, weight, mask, options, _ = arguments
        module: Any = host.kernels()
        with threads(torch.get_num_threads()):
            pairs = host.pairs_of(logits, target, mask, options)
            pairs = pairs.at(*host.addresses(logits, target, mask))
            factor = class_weights(weight, logits.shape[1])
            _, found, _ = module.sums_with_entropy(pairs, factor)
        total, count = (
            torch.tensor(float(n), dtype=options.dtype, device=logits.device) for n in found
        )
        ctx.mark_non_differentiable(count)
        return total, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, weight, mask = ctx.saved_tensors
        if torch.is_grad_enabled():  # for a second derivative
            terms = ctx.generic(logits, target, weight, mask, ctx.options.ignore_index)
            (result,) = torch.autograd.grad(terms[0].sum(), logits, gradients[0], create_graph=True)
            return result, *(None,) * 5
        module: Any = host.kernels()
        out, classes = host.tensor(host.room(logits)), logits.shape[1]
        scale = float(gradients[0]) * np.append(class_weights(weight, classes), 1.0)
        with threads(torch.get_num_threads()):
            pairs = host.pairs_of(logits, target, mask, ctx.options, (True, False))
            pairs = pairs.at(*host.addresses(logits, target, mask, out))
            module.gradients(pairs, np.zeros((4, logits.shape[0], classes)), scale)
        return out, *(None,) * 5


def _options(
    logits: Tensor, target: Tensor, sigmoid: bool, ignore_index: int | None = None
) -> Options:
    dtype = torch.float64 if logits.dtype == torch.float64 else torch.float32
    activation: Any = "sigmoid" if sigmoid else "softmax"
    return Options(tuple(range(2, logits.ndim)), dtype, activation, ignore_index)
