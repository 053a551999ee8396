"""Case after case on several processes: Dask's, started here or running elsewhere.

What travels is the names of files and small records, never an image. The processes that ``--jobs``
starts talk over the loopback interface alone, encrypted where the package cryptography is there.
"""

import asyncio
import concurrent.futures
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

from .faults import Failure, UsageError, attempt
from .memory import keep_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Cases on their way for each process: enough that none waits, few when the user stops the run.
_AHEAD = 4
_SETTINGS = {
    # A process that dies is replaced and its case is tried again once, and the case that was
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


def outcomes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: Workers
) -> Iterator[tuple[int, Result | Failure]]:
    """Yield the index and the result of every item, as they are ready.

    Raises
    ------
    UsageError
        If Dask is not installed, or no scheduler answers.
    """
    if find_spec("distributed") is None:
        raise UsageError("--jobs and --scheduler need the package distributed: pip install it")
    with _connect(workers, len(items)) as client:
        yield from _stream(client, work, items)


def _stream(
    client: Any, work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result | Failure]]:
    """Keep a few items on their way to every process and yield what comes back."""
    index: dict[Any, int] = {}
    waiting = iter(enumerate(items))

    def send(count: int) -> Iterator[Any]:
        for i, item in islice(waiting, count):
            # Two cases may have the same names of files, and still each has its own result.
            future = client.submit(_alone, work, item, pure=False)
            index[future.key] = i
            yield future

    count = _AHEAD * max(1, len(client.scheduler_info()["workers"]))
    ready = _dask().as_completed(list(send(count)), loop=client.loop)
    suspects: list[int] = []
    for future in ready:
        i = index.pop(future.key)
        outcome = _outcome(future)
        if outcome is None:
            suspects.append(i)
        else:
            yield i, outcome[0]
        for sent in send(1):
            ready.add(sent)
    for i in suspects:  # one by one: a case that only waited in a process that died is innocent
        future = client.submit(_alone, work, items[i], pure=False)
        next(_dask().as_completed([future], loop=client.loop))
        outcome = _outcome(future)
        yield i, _KILLED if outcome is None else outcome[0]


def _alone(work: Callable[[Item], Result], item: Item) -> Result | Failure:
    """Do one item; a process that has several threads still holds one case in memory."""
    with _one_at_a_time:
        return attempt(work, item)


_KILLED = Failure("the process that worked on it was killed, and again when it was retried")


def _outcome(future: Any) -> tuple[Any] | None:
    """Return the result or the failure of what is done; None where a process died with it.

    A result may be lost after its future was done: it lies in the process, which may be killed by
    the next item before it was fetched. The future is then no longer finished.
    """
    killed = _dask().KilledWorker
    if future.status == "error":
        error = future.exception()
        return None if isinstance(error, killed) else (Failure(f"the cluster lost it: {error}"),)
    if future.status != "finished":
        return None
    try:
        return (future.result(),)
    except (killed, asyncio.CancelledError, concurrent.futures.CancelledError):
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
        silence_logs=50,  # a killed process is a fault of its case, said as such
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
