"""Several processes on one training, as torchrun starts them; alone, everything is as without it.

The batch is the same whatever the number of processes: each takes every n-th of its cases. Only
batch normalisation differs: its statistics are each process's own.
"""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


def start(device: str) -> str:
    """Join the processes that torchrun started, if it did; return the device of this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return device


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def first() -> bool:
    """Return whether this process is the one that writes."""
    return rank() == 0


def group() -> Any:
    """Return what sums a loss over the processes, or None."""
    return dist.group.WORLD if size() > 1 else None


def wait() -> None:
    """Wait until every process is here: what the first one wrote can then be read."""
    if size() > 1:
        dist.barrier()


def wrap(model: nn.Module) -> nn.Module:
    """Return the network, its gradients averaged over the processes."""
    if size() == 1:
        return model
    device = next(model.parameters()).device
    places = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(model, device_ids=places)


def mean(value: torch.Tensor) -> float:
    """Return the mean of a number over the processes."""
    if size() > 1:
        dist.all_reduce(value)
    return float(value) / size()


def share(order: list[int], batch_size: int) -> list[list[int]]:
    """Return this process's part of every batch; all parts of a batch have one size."""
    number = size()
    if batch_size % number:
        raise ValueError(f"batch_size must be a multiple of the {number} processes")
    padded = order + order[: -len(order) % number]
    batches = [padded[k : k + batch_size] for k in range(0, len(padded), batch_size)]
    return [batch[rank() :: number] for batch in batches]
