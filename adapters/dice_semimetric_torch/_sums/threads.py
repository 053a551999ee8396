"""Spread blocks over threads, each of which runs PyTorch's operations serially.

The other way round, each small operation would split its block over threads and wait for the last
of them: thousands of meetings, which cost more than the work as soon as something else, such as a
data loader, keeps a core busy.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from dice_semimetric._lib.threads import Pools

T = TypeVar("T")
R = TypeVar("R")


class _SerialPools(Pools):
    """Threads in which an operation takes one thread; the caller keeps its own number."""

    def started(self, count: int) -> ThreadPoolExecutor:
        before = torch.get_num_threads()
        pool = super().started(count)
        torch.set_num_threads(before)
        return pool

    def begin(self) -> None:
        torch.set_num_threads(1)  # of this thread, and of threads yet to come


_pools = _SerialPools()


def map_blocks(start: Callable[[], Callable[[T], R]], blocks: Iterable[T], host: bool) -> list[R]:
    """Return the result for each block, in their order, from as many threads as PyTorch uses.

    ``start`` is called once in each thread and returns the function of a block, which may hold
    memory that no other thread shares.
    """
    todo = list(blocks)
    count = min(torch.get_num_threads(), len(todo)) if host else 1
    if count <= 1:
        function = start()
        return [function(block) for block in todo]
    results: dict[int, R] = {}
    numbers = iter(range(len(todo)))  # one that threads may share

    def work() -> None:
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            function = start()
            for number in numbers:
                results[number] = function(todo[number])

    pool = _pools.of(torch.get_num_threads())
    for future in [pool.submit(work) for _ in range(count)]:
        future.result()
    return [results[number] for number in range(len(todo))]
