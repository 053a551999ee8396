"""Case after case on several processes: Dask's, started here or running elsewhere.

What travels is the names of files and small records, never an image. The processes that ``--jobs``
starts talk over the loopback interface alone, encrypted where the package cryptography is there.
"""

import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from ..faults import Failure, UsageError, attempt
from .memory import keep_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Tasks on their way for each process: enough that none waits, few when the user stops the run.
_AHEAD = 4
#: Seconds that a task should take, and the most items that it may have.
_MOMENT, _MOST = 0.2, 64
_SETTINGS = {
    # A process that dies is replaced and its task is tried again once, and the task that was
    # running is the only one that it holds.
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.daemon": True,
}
_PATIENCE = "20s"
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    jobs : int
        The number of processes on this machine; 1 is this process itself.
    scheduler : str, optional
        The address of a Dask scheduler, such as ``tcp://node1:8786``, whose workers see the same
        files under the same names.
    """

    jobs: int = 1
    scheduler: str | None = None

    @property
    def here(self) -> bool:
        """Whether this process does all the work."""
        return self.jobs == 1 and self.scheduler is None


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def outcomes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: Workers
) -> Iterator[tuple[int, Result | Failure]]:
    """Yield the index and the result of every item, as they are ready."""
    if workers.here or not items:
        yield from ((i, attempt(work, item)) for i, item in enumerate(items))
        return
    if find_spec("distributed") is None:
        raise UsageError("--jobs and --scheduler need the package distributed: pip install it")
    with _connect(workers, len(items)) as client:
        yield from _stream(client, work, items)


def _stream(
    client: Any, work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result | Failure]]:
    """Keep a few tasks on their way to every process and yield what comes back.

    A task is one item at first, and then as many as take about a moment, since to send one costs
    milliseconds.
    """
    tasks = _Tasks(client, work, items)
    workers = max(1, len(client.scheduler_info()["workers"]))
    waiting, size = deque(range(len(items))), 1
    suspects: list[int] = []
    ready = _dask().as_completed(loop=client.loop)

    def send(count: int) -> None:
        for _ in range(count):
            most = max(1, min(size, len(waiting) // (2 * workers)))  # all end at about one time
            some = [waiting.popleft() for _ in range(min(most, len(waiting)))]
            if some:
                ready.add(tasks.send(some))

    send(_AHEAD * workers)
    for future in ready:
        some, outcome = tasks.take(future)
        if outcome is None:
            suspects += some
        else:
            found, seconds = outcome
            yield from zip(some, found, strict=True)
            size = max(1, min(_MOST, int(_MOMENT * len(some) / max(seconds, 1e-9))))
        send(1)
    for i in suspects:  # one by one: a case that only waited in a process that died is innocent
        (future,) = _dask().as_completed([tasks.send([i])], loop=client.loop)
        _, outcome = tasks.take(future)
        yield i, _KILLED if outcome is None else outcome[0][0]


class _Tasks:
    """Items by their places among all, some to a task."""

    def __init__(self, client: Any, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._client, self._work, self._items = client, work, items
        self._places: dict[str, list[int]] = {}

    def send(self, places: list[int]) -> Any:
        """Return the future of the results of some items."""
        # Two cases may have the same names of files, and still each has its own result.
        some = [self._items[i] for i in places]
        future = self._client.submit(_in_turn, self._work, some, pure=False)
        self._places[future.key] = places
        return future

    def take(self, future: Any) -> tuple[list[int], tuple[list[Any], float] | None]:
        """Return the places of a task's items and what became of them."""
        places = self._places.pop(future.key)
        return places, _outcome(future, len(places))


def _in_turn(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> tuple[list[Result | Failure], float]:
    """Do some items, and return how long it took too.

    A process that has several threads still holds one case in memory.
    """
    with _one_at_a_time:
        start = time.perf_counter()
        return [attempt(work, item) for item in items], time.perf_counter() - start


_KILLED = Failure("the process that worked on it was killed, and again when it was retried")


def _outcome(future: Any, count: int) -> tuple[list[Any], float] | None:
    """Return the results and failures of some items, and seconds; None where a process died.

    Results may be lost after their future was done: they lie in the process, which may be killed
    by the next items before they were fetched. The future is then no longer finished.
    """
    from asyncio import CancelledError  # with distributed, which brings it; slow to import
    from concurrent.futures import CancelledError as Cancelled

    killed = _dask().KilledWorker
    if future.status == "error":
        error = future.exception()
        if isinstance(error, killed):
            return None
        return [Failure(f"the cluster lost it: {error}")] * count, math.inf
    if future.status != "finished":
        return None
    try:
        found: tuple[list[Any], float] = future.result()
        return found
    except (killed, CancelledError, Cancelled):
        return None


@contextmanager
def _connect(workers: Workers, count: int) -> Iterator[Any]:
    """Connect to the scheduler that was named, or to processes of our own."""
    from dask import config

    client_of = partial(_dask().Client, set_as_default=False)
    with config.set(_SETTINGS):
        if workers.scheduler is not None:
            try:
                client = client_of(workers.scheduler, timeout=_PATIENCE)
            except (OSError, ValueError) as error:
                raise UsageError(f"no scheduler at {workers.scheduler}: {error}") from error
            with client:
                yield client
            return
        cluster = _local(max(1, min(workers.jobs, count)))
        try:
            with client_of(cluster) as client:
                client.register_plugin(_ignore_interrupts())
                yield client
        finally:
            with suppress(Exception):  # what is done is done, however the processes end
                cluster.close(timeout=10)


def _local(jobs: int) -> Any:
    return _dask().LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        protocol="tls" if find_spec("cryptography") else "tcp",
        security=True if find_spec("cryptography") else None,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=50,  # a killed process is a fault of its case, reported as such
    )


def _ignore_interrupts() -> Any:
    """Return what makes processes leave Ctrl-C, which all of them get, to the first one.

    They keep their memory from case to case too.
    """
    base: Any = _dask().WorkerPlugin

    class IgnoreInterrupts(base):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            keep_memory()
            with suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    return IgnoreInterrupts()


def _dask() -> Any:
    """Return the package distributed, which is slow to import and only partly typed."""
    return import_module("distributed")
