"""Spread work that releases the interpreter's lock over threads, never threads within threads."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: The number that the library in use says; None is for this module to find.
_given: ContextVar[int | None] = ContextVar("threads", default=None)


class Pools:
    """Pools of threads, each kept for the next time; a forked child starts its own."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Start anew: a child's lock may be held by a thread that is gone there."""
        self._lock = threading.Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def of(self, count: int) -> ThreadPoolExecutor:
        """Return so many threads, or raise RuntimeError where they may not be started."""
        with self._lock:
            if count not in self._pools:
                self._pools[count] = self.started(count)
            return self._pools[count]

    def started(self, count: int) -> ThreadPoolExecutor:
        """Return new threads that all run."""
        pool = ThreadPoolExecutor(count, thread_name_prefix="dice_semimetric")
        ready = threading.Barrier(count + 1)

        def begin() -> None:
            self.begin()
            ready.wait()

        try:
            for _ in range(count):
                pool.submit(begin)
        except RuntimeError:
            ready.abort()
            pool.shutdown(wait=False)
            raise
        ready.wait()
        return pool

    def begin(self) -> None:
        """Do what comes first in each thread."""


_pools = Pools()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let work inside the context take so many threads."""
    token = _given.set(count)
    try:
        yield
    finally:
        _given.reset(token)


def thread_count() -> int:
    """Return how many threads work may take: the cores allowed to the process.

    It is one inside a worker, a thread or process that something else has started, since the
    others are busy too. ``OMP_NUM_THREADS`` sets a limit, as for NumPy's own linear algebra.
    """
    given = _given.get()
    if given is not None:
        return given
    if threading.current_thread() is not threading.main_thread():
        return 1
    if multiprocessing.parent_process() is not None:
        return 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = _cores()
    return max(1, min(cores, int(limit))) if limit.isdecimal() else cores


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_parts(function: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """Return the result for each part, in their order, from as many threads as may be taken.

    The caller is one of them. Which thread takes a part is left to chance, so a result must not
    depend on it.
    """
    count = min(thread_count(), len(parts)) if len(parts) > 1 else 1
    if count <= 1:
        return [function(part) for part in parts]
    results: dict[int, R] = {}
    numbers = iter(range(len(parts)))  # one that threads may share

    def work() -> None:
        for number in numbers:
            results[number] = function(parts[number])

    others: list[Future[None]] = []
    with suppress(RuntimeError):  # the interpreter is shutting down, or may start no thread
        pool = _pools.of(count - 1)
        others.extend(pool.submit(work) for _ in range(count - 1))
    try:
        work()
    finally:
        wait(others)  # what they read must stay until then
    for other in others:
        other.result()
    return [results[number] for number in range(len(parts))]
