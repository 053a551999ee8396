"""A Dask cluster that runs elsewhere, for ``--scheduler``.

Its workers see the same files under the same names. What travels is the names of files and small
records, never an image.
"""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from dice_semimetric._lib.extras import install

from ..faults import Failure, UsageError
from .batches import Found, Places, in_turn
from .logs import log

#: Tasks on their way for each process: enough that none waits, few when the user stops the run.
_AHEAD = 4
_PATIENCE = "20s"
_ENCRYPTED = "tls://"
_one_at_a_time = threading.Lock()


@contextmanager
def connected(
    address: str, work: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator["Scheduler"]:
    """Connect to a scheduler, or raise UsageError."""
    dask = _distributed()
    if not address.startswith(_ENCRYPTED):
        log.warning(
            "--scheduler %s is neither encrypted nor asks who you are: whoever reaches that port "
            "can run programs as you, here too; a cluster with certificates has %s addresses",
            address,
            _ENCRYPTED,
        )
    try:
        client = dask.Client(address, timeout=_PATIENCE, set_as_default=False)
    except Exception as error:
        hint = ""
        if address.startswith(_ENCRYPTED):
            hint = (
                "; the certificates are those of Dask's configuration, distributed.comm.tls: set "
                "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT "
                "and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
            )
        raise UsageError(f"no scheduler at {address}: {error}{hint}") from error
    with client:
        yield Scheduler(client, work, items)


class Scheduler:
    """The processes of a cluster."""

    def __init__(self, client: Any, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.size = max(1, len(client.scheduler_info()["workers"]))
        self.room = _AHEAD * self.size
        self._client, self._work, self._items = client, work, items
        self._places: dict[str, Places] = {}
        self._ready = _distributed().as_completed(loop=client.loop)

    def send(self, places: Places) -> None:
        """Give some items to the cluster."""
        # Two cases may have the same names of files, and still each has its own result.
        some = [self._items[i] for i in places]
        future = self._client.submit(_alone, self._work, some, pure=False)
        self._places[future.key] = places
        self._ready.add(future)

    def take(self) -> tuple[Places, Found | None]:
        """Return the items of a task that is done, and the results; None if its process died."""
        future = next(self._ready)
        places = self._places.pop(future.key)
        return places, _found(future, len(places))


def _alone(work: Callable[[Any], Any], items: Sequence[Any]) -> Found:
    """Do some items: a process that has several threads still holds one case in memory."""
    with _one_at_a_time:
        return in_turn(work, items)


def _found(future: Any, count: int) -> Found | None:
    """Return the results and failures of some items; None where a process died.

    Results may be lost after their future was done: they lie in the process, which may be killed
    by the next items before they were fetched. The future is then no longer finished.
    """
    from asyncio import CancelledError  # with distributed, which brings it; slow to import
    from concurrent.futures import CancelledError as Cancelled

    killed = _distributed().KilledWorker
    if future.status == "error":
        error = future.exception()
        if isinstance(error, killed):
            return None
        return Found([Failure(f"the cluster lost it: {error}")] * count, math.inf)
    if future.status != "finished":
        return None
    try:
        found: Found = future.result()
        return found
    except (killed, CancelledError, Cancelled):
        return None


def _distributed() -> Any:
    """Return the package distributed, which is slow to import and only partly typed."""
    try:
        return import_module("distributed")
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "distributed"
        why = "" if missing else f", which cannot be imported here: {error}"
        raise UsageError(
            f"--scheduler needs the package distributed{why}: {install('cluster')}"
        ) from error
