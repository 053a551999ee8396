"""Memory that blocks share, and what is done where a GPU has too little of it."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


def first_with_room(attempts: Sequence[Callable[[], Result]]) -> Result:
    """Return the result of the first attempt that finds memory.

    The last one's error is PyTorch's own, which names what was asked for and what is free.
    """
    *larger, least = attempts
    for attempt in larger:
        try:
            return attempt()
        except torch.OutOfMemoryError:
            pass  # and its traceback, which holds what was allocated, is gone
    return least()


class Scratch:
    """Memory that the blocks share."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._held: dict[tuple[str, torch.Size | tuple[int, ...]], Tensor] = {}
        self._largest: dict[str, Tensor] = {}

    def empty(self, name: str, shape: Sequence[int]) -> Tensor:
        """Return memory of that shape, as the last block left it."""
        key = (name, tuple(shape))
        if key not in self._held:
            count = math.prod(shape)
            if name not in self._largest or self._largest[name].numel() < count:
                self._largest[name] = torch.empty(count, dtype=self._dtype, device=self._device)
            self._held[key] = self._largest[name][:count].view(key[1])
        return self._held[key]

    def copy(self, name: str, block: Tensor) -> Tensor:
        """Return a copy in this memory's dtype."""
        return self.empty(name, block.shape).copy_(block)
