"""Processes on this machine, for ``--jobs``.

They are reached through pipes that only this process has: nothing listens at a port or a socket.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from ..faults import UsageError
from ..files.atomic import abandon_parts
from .batches import Found, Places, in_turn
from .memory import keep_memory

#: Tasks of each process: one that it works on, and one that it goes on with.
_EACH = 2
#: Libraries of linear algebra start no threads of their own: there is a process for each core.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class _Task:
    places: Places
    future: Future[Found]
    pool: ProcessPoolExecutor


class Processes:
    """A pool of processes, each of which can die without harm to the others."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> None:
        self.size, self.room = jobs, _EACH * jobs
        self._items = items
        # The other end is this process's alone, so it closes when this process ends, however.
        self._lifeline, self._end = get_context("spawn").Pipe(duplex=False)
        self._all = [_One(work, self._lifeline) for _ in range(jobs)]

    def send(self, places: Places) -> None:
        """Give some items to the process that has the least to do."""
        self._send(min(self._all, key=lambda one: len(one.tasks)), places)

    def _send(self, one: "_One", places: Places) -> None:
        one.send(places, [self._items[i] for i in places])

    def take(self) -> tuple[Places, Found | None]:
        """Return the items of a task that is done, and the results; None if its process died."""
        done, _ = wait([t.future for one in self._all for t in one.tasks], None, FIRST_COMPLETED)
        one, task = next((one, t) for one in self._all for t in one.tasks if t.future in done)
        try:
            found = task.future.result()
        except BrokenProcessPool:
            # Tasks come back in their order: the process died of the first that did not.
            for waiting in one.restart(task):
                self._send(one, waiting.places)
            return task.places, None
        one.tasks.remove(task)
        one.proven = True
        return task.places, found

    def close(self) -> None:
        """End all processes at once, whatever they do."""
        self._end.close()
        for one in self._all:
            one.pool.shutdown(wait=True, cancel_futures=True)
        self._lifeline.close()


class _One:
    """A process, which is replaced when it dies."""

    def __init__(self, work: Callable[[Any], Any], lifeline: Any) -> None:
        self._start = (work, lifeline)
        self.tasks: deque[_Task] = deque()
        self.proven = False  # that processes can be started here
        self.pool = self._pool()

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=_begin, initargs=self._start
        )

    def send(self, places: Places, items: Sequence[Any]) -> None:
        """Give it some items."""
        try:
            future = _submit(self.pool, _work, items)
        except BrokenProcessPool:  # it died with nothing to do, or its tasks are not taken yet
            self.pool = self._pool()
            future = _submit(self.pool, _work, items)
        self.tasks.append(_Task(places, future, self.pool))

    def restart(self, killed: _Task) -> list[_Task]:
        """Forget a task, and return those that only waited behind it."""
        waiting = [t for t in self.tasks if t.pool is killed.pool and t is not killed]
        self.tasks = deque(t for t in self.tasks if t.pool is not killed.pool)
        if self.pool is killed.pool:
            killed.pool.shutdown(wait=False)
            self.pool = self._pool()
        if not self.proven:
            self._require_start()
        return waiting

    def _require_start(self) -> None:
        """Raise UsageError if a process dies before it has done anything."""
        try:
            self.proven = _submit(self.pool, os.getpid).result() > 0
        except BrokenProcessPool as error:
            raise UsageError(
                "--jobs: the processes that it starts die at once; is there memory for them? A "
                'script of your own must have what it calls below if __name__ == "__main__":'
            ) from error


def _submit(pool: ProcessPoolExecutor, call: Callable[..., Any], *args: Any) -> Future[Any]:
    """Submit a call, which may start the process."""
    with _as_processes_start():
        return pool.submit(call, *args)


@contextmanager
def _as_processes_start() -> Iterator[None]:
    """Have new processes leave Ctrl-C, which all of them get, to this one, from their first moment.

    What is blocked here is blocked in them for ever; here Ctrl-C only waits a moment.
    """
    block = getattr(signal, "pthread_sigmask", None)  # not on Windows
    before = block(signal.SIG_BLOCK, {signal.SIGINT}) if block else None
    added = {name: one for name, one in _ONE_THREAD.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
        if block:
            block(signal.SIG_SETMASK, before)


_todo: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any], lifeline: Any) -> None:
    """Prepare a new process: it ends with the one that started it, and keeps its memory."""
    global _todo  # noqa: PLW0603 - an initializer has no other place
    _todo = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    keep_memory()


def _end_with(lifeline: Any) -> None:
    lifeline.poll(None)  # until the other end is closed
    abandon_parts()
    os._exit(1)


def _work(items: Sequence[Any]) -> Found:
    return in_turn(_todo, items)
