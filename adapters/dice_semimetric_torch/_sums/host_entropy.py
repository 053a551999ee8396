"""The cross-entropy over classes on a host, forward and backward in one pass each, by Numba.

It keeps its inputs only, where PyTorch's own keeps the logarithms of all probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import host_kernels
from .host import Call, Part, eligible
from .reader import Mask, Options

Terms = Callable[..., tuple[Tensor, Tensor]]


def takes(logits: Tensor, target: Tensor, mask: Mask) -> bool:
    """Return whether the kernels take these tensors, which nothing transforms."""
    given = [t for t in (logits, target, mask) if t is not None]
    if any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in given):
        return False
    return not target.requires_grad and eligible(logits, target, mask, _options(logits, None))


def sums(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    mask: Mask,
    ignore_index: int | None,
    generic: Terms,
) -> tuple[Tensor, Tensor]:
    """Return the sum over the pixels that count, and what the mean divides it by.

    ``generic`` gives the terms of the same sum by PyTorch's operations, for second derivatives.
    """
    found: tuple[Tensor, Tensor] = _Entropy.apply(  # type: ignore[no-untyped-call]
        logits, target, weight, mask, ignore_index, generic
    )
    return found


class _Entropy(torch.autograd.Function):
    """The sum and the count; only the inputs are saved."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(*arguments[:4])
        ctx.ignore_index, ctx.generic = arguments[4:]
        logits = arguments[0]
        call, weight = _prepared(*arguments[:5])

        def partial(part: Part) -> np.ndarray:
            found = np.zeros(2)
            host_kernels.entropy_forward(*call.arrays, weight, *call.place(part), found)
            return found

        found = np.sum([pair for _, pair in call.map(partial)], axis=0)
        total, count = torch.from_numpy(found).to(logits.dtype).unbind()
        ctx.mark_non_differentiable(count)
        return total.clone(), count.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        logits, *others = ctx.saved_tensors
        if torch.is_grad_enabled():  # for a second derivative
            value = ctx.generic(logits, *others, ctx.ignore_index)[0].sum()
            (result,) = torch.autograd.grad(value, logits, gradients[0], create_graph=True)
            return result, *(None,) * 5
        target, weight, mask = others
        call, factor = _prepared(logits, target, weight, mask, ctx.ignore_index)
        scale, out = np.float32(float(gradients[0])), call.empty()
        call.map(
            lambda part: host_kernels.entropy_backward(
                scale, *call.arrays, factor, *call.place(part), out
            )
        )
        return torch.from_numpy(out.reshape(logits.shape)), *(None,) * 5


def _prepared(
    logits: Tensor, target: Tensor, weight: Tensor | None, mask: Mask, ignore_index: int | None
) -> tuple[Call, np.ndarray]:
    factor = (
        torch.ones(logits.shape[1], dtype=torch.float32)
        if weight is None
        else weight.detach().float()
    )
    call = Call(logits, target, mask, _options(logits, ignore_index))
    return call, factor.contiguous().numpy()


def _options(logits: Tensor, ignore_index: int | None) -> Options:
    return Options(tuple(range(2, logits.ndim)), torch.float32, "softmax", ignore_index)
