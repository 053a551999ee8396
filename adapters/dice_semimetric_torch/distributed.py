"""Sums over the processes of a group, with their gradient."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from dice_semimetric import Overlap

from ._sums.reader import wide


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


def pool(table: Overlap, process_group: Any = None) -> Overlap:
    """Return the overlap (1, C) of the batch, of all processes of a group where one is given.

    It is summed in float64: how a batch is split over processes shows in the last bits at most.
    """
    fields = stacked(table)
    total = all_reduce(fields.to(wide(fields)).sum(1), process_group)
    return Overlap(*total.to(fields.dtype)[:, None].unbind())


def stacked(table: Overlap) -> Tensor:
    """Return the fields of an overlap along the first axis of one tensor."""
    return torch.stack([table.pred, table.target, table.difference, table.product])
