"""Spread blocks over threads, each of which runs PyTorch's operations serially.

The other way round, each small operation would split its block over threads and wait for the last
of them: thousands of meetings, which cost more than the work as soon as something else, such as a
data loader, keeps a core busy.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


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

    pool = _pool(torch.get_num_threads())
    for future in [pool.submit(work) for _ in range(count)]:
        future.result()
    return [results[number] for number in range(len(todo))]


def _pool(count: int) -> ThreadPoolExecutor:
    with _lock:
        if count not in _pools:
            _pools[count] = _serial_pool(count)
        return _pools[count]


def _serial_pool(count: int) -> ThreadPoolExecutor:
    """Start threads in which an operation takes one thread; the caller keeps its own number."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="dice_semimetric")
    started = threading.Barrier(count + 1)

    def begin() -> None:
        torch.set_num_threads(1)  # of this thread, and of threads yet to come
        started.wait()

    for _ in range(count):
        pool.submit(begin)
    started.wait()
    torch.set_num_threads(count)
    return pool


def _forget() -> None:
    """Let a forked child, where a lock may be held by a thread that is gone, start anew."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
