"""Sums over the processes of a group, with their gradient."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _AllReduce(torch.autograd.Function):
    """The sum over processes; each one's gradient reaches every summand.

    DistributedDataParallel averages the gradients of the parameters afterwards. Since the loss is
    the same on all N processes, the sum of its N gradients, averaged, is the gradient of the loss
    on the joined batch.
    """

    @staticmethod
    def forward(tensor: Tensor, group: Any) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Any], output: Tensor) -> None:
        ctx.group = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return all_reduce(gradient, ctx.group), None


def all_reduce(tensor: Tensor, group: Any) -> Tensor:
    """Return the sum over the processes of a group, or the tensor itself for the group None."""
    if group is None:
        return tensor
    result: Tensor = _AllReduce.apply(tensor, group)  # type: ignore[no-untyped-call]
    return result
