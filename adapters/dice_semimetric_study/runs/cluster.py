"""Case after case in this process, in several on this machine, or on a cluster."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from ..faults import Failure, attempt
from .batches import stream

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    jobs : int
        The number of processes on this machine; 1 is this process itself. They are reached
        through pipes: no port is opened.
    scheduler : str, optional
        The address of a Dask scheduler, such as ``tls://node1:8786``, whose workers see the same
        files under the same names. Whoever reaches a ``tcp://`` scheduler can run programs as its
        user; for ``tls://`` the certificates are those of Dask's configuration,
        ``distributed.comm.tls``.
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
    elif workers.scheduler is not None:
        from .scheduler import connected  # needs a package, which is slow to import

        with connected(workers.scheduler, work, items) as pool:
            yield from stream(pool, len(items))
    else:
        from .processes import Processes

        with closing(Processes(work, items, max(1, min(workers.jobs, len(items))))) as pool:
            yield from stream(pool, len(items))
