"""Where a GPU's memory is short: the same in smaller blocks."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

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
