"""Items that travel together: some to a task, since to send one costs as much as a small case."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..faults import Failure, attempt

#: Seconds that a task should take, and the most items that it may have.
_MOMENT, _MOST = 0.2, 64
_KILLED = Failure("the process that worked on it was killed, and again when it was retried")

#: Items by their places among all.
Places = list[int]


@dataclass(frozen=True)
class Found:
    """The results and failures of the items of a task, and the seconds that they took."""

    outcomes: list[Any]
    seconds: float


class Pool(Protocol):
    """Processes that take tasks: how many, and how many tasks are to be on their way to them."""

    size: int
    room: int

    def send(self, places: Places) -> None:
        """Give a task to some process."""

    def take(self) -> tuple[Places, Found | None]:
        """Wait for any task and return what became of it; None where its process died."""


def in_turn(work: Callable[[Any], Any], items: Sequence[Any]) -> Found:
    """Do some items, one after the other."""
    start = time.perf_counter()
    return Found([attempt(work, item) for item in items], time.perf_counter() - start)


def stream(pool: Pool, count: int) -> Iterator[tuple[int, Any]]:
    """Keep a few tasks on their way to every process, and yield what comes back with its place.

    A task is one item at first, and then as many as take about a moment. Items whose process died
    are tried once more, each by itself.
    """
    waiting, size = deque(range(count)), 1
    suspects: Places = []

    def send() -> int:
        most = max(1, min(size, len(waiting) // (2 * pool.size)))  # all end at about one time
        some = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        if some:
            pool.send(some)
        return len(some) > 0

    under_way = sum(send() for _ in range(pool.room))
    while under_way:
        places, found = pool.take()
        if found is None:
            suspects += places
        else:
            yield from zip(places, found.outcomes, strict=True)
            size = max(1, min(_MOST, int(_MOMENT * len(places) / max(found.seconds, 1e-9))))
        under_way += send() - 1
    for i in suspects:  # one by one: a case that only waited in a process that died is innocent
        pool.send([i])
        _, found = pool.take()
        yield i, _KILLED if found is None else found.outcomes[0]
