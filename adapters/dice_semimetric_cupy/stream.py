"""Case after case on the GPU: while one is worked on, the next is copied and others are read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._lib.typing import Array

Item = TypeVar("Item")
HostArrays = Sequence[NDArray[Any]]


class Upload(Protocol):
    """Where arrays go."""

    def start(self, arrays: HostArrays) -> Any:
        """Begin to copy arrays and return what `finish` needs."""

    def finish(self, started: Any) -> tuple[Array, ...]:
        """Return the arrays so that work on them waits for the copy, but the host does not."""

    def shrink(self) -> None:
        """Give back memory that is not in use."""


class Host:
    """Memory of the host: nothing is copied."""

    def start(self, arrays: HostArrays) -> Any:
        """Return the arrays."""
        return tuple(arrays)

    def finish(self, started: Any) -> tuple[Array, ...]:
        """Return the arrays."""
        return tuple(started)

    def shrink(self) -> None:
        """Do nothing."""


class Gpu:
    """The GPU that CuPy has chosen, through pinned memory and on a stream for copies alone."""

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._device = cupy.cuda.Device()
        self._work = cupy.cuda.get_current_stream()
        self._copies = cupy.cuda.Stream(non_blocking=True)
        self._lock = Lock()
        self._under_way: deque[tuple[Any, list[Any]]] = deque()

    def start(self, arrays: HostArrays) -> Any:
        """Begin to copy arrays from pinned memory; the host does not wait.

        Where there is no pinned memory left, they are copied from where they lie.
        """
        cuda = self._cupy.cuda
        with self._device, self._lock:
            while self._under_way and self._under_way[0][0].done:
                self._under_way.popleft()
            # Memory that was freed may still be read by work that is queued.
            self._copies.wait_event(self._work.record())
            pinned = [self._pin(a) for a in arrays]
            with self._copies:
                found = self._empty(pinned)
            for to, source in zip(found, pinned, strict=True):
                to.set(source, stream=self._copies)
            copied = self._copies.record(cuda.Event(disable_timing=True))
            self._under_way.append((copied, pinned))
        return copied, found

    def _empty(self, arrays: HostArrays) -> list[Array]:
        try:
            return [self._cupy.empty(a.shape, a.dtype) for a in arrays]
        except MemoryError as error:
            needed = sum(a.nbytes for a in arrays)
            free, total = self._device.mem_info
            raise MemoryError(
                f"{needed} bytes find no memory: {free} of {total} are free on the GPU"
            ) from error

    def _pin(self, array: NDArray[Any]) -> NDArray[Any]:
        try:
            memory = self._cupy.cuda.alloc_pinned_memory(max(1, array.nbytes))
        except (MemoryError, self._cupy.cuda.runtime.CUDARuntimeError):
            return np.array(array, order="C")
        pinned = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
        pinned[...] = array
        return pinned

    def finish(self, started: Any) -> tuple[Array, ...]:
        """Let the current stream wait for the copy."""
        copied, found = started
        self._cupy.cuda.get_current_stream().wait_event(copied)
        return tuple(found)

    def shrink(self) -> None:
        """Wait for all work and give the free blocks of CuPy's pool back."""
        self._device.synchronize()
        self._cupy.get_default_memory_pool().free_all_blocks()


def upload_to(device: str) -> Upload:
    """Return where "cpu" or "cuda" puts arrays; ValueError without CuPy or a GPU."""
    if device == "cpu":
        return Host()
    if device != "cuda":
        raise ValueError(f"device must be 'cpu' or 'cuda', got {device!r}")
    try:
        import cupy
    except ImportError as error:
        raise ValueError(f"device 'cuda' needs CuPy: install the extra cupy ({error})") from error
    if not cupy.cuda.is_available():
        raise ValueError("device 'cuda' needs a GPU, and CuPy finds none")
    return Gpu()


class Feeder(Generic[Item]):
    """Reads items ahead in threads, in their order, and hands their arrays out on the device.

    An item is recognised by identity. ``ahead`` items are read before they are asked for.
    """

    def __init__(
        self,
        items: Iterable[Item],
        read: Callable[[Item], HostArrays],
        upload: Upload,
        *,
        ahead: int = 2,
    ) -> None:
        self._items = list(items)
        self._place = {id(item): k for k, item in enumerate(self._items)}
        self._read, self._upload, self._ahead = read, upload, ahead
        self._pool = ThreadPoolExecutor(max(1, ahead), thread_name_prefix="feeder")
        self._waiting: dict[int, Future[tuple[HostArrays, Any]]] = {}

    def take(self, item: Item) -> tuple[Array, ...]:
        """Return the arrays of an item, and begin with those that follow it.

        What `read` raised is raised here. Where the device is full, the items that were read ahead
        are dropped and this one alone is tried again.
        """
        place = self._place[id(item)]
        for k in range(place, min(place + self._ahead + 1, len(self._items))):
            if k not in self._waiting:
                self._waiting[k] = self._pool.submit(self._prepare, self._items[k])
        arrays, started = self._waiting.pop(place).result()
        if started is None:
            self.make_room()
            started = self._upload.start(arrays)
        return self._upload.finish(started)

    def _prepare(self, item: Item) -> tuple[HostArrays, Any]:
        arrays = self._read(item)
        try:
            return arrays, self._upload.start(arrays)
        except MemoryError:
            return arrays, None

    def make_room(self) -> None:
        """Drop what was read ahead and give its memory back; it is read again when asked for."""
        for future in self._waiting.values():
            future.cancel()
        for future in self._waiting.values():
            if not future.cancelled():
                future.exception()  # waits
        self._waiting.clear()
        self._upload.shrink()

    def __enter__(self) -> Self:
        """Return the feeder."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the threads; what is not yet begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def stream(
    items: Iterable[Item],
    read: Callable[[Item], HostArrays],
    *,
    device: str = "cuda",
    ahead: int = 2,
) -> Iterator[tuple[Item, tuple[Array, ...]]]:
    """Yield each item with its arrays on the device.

    While the caller works on one item, the next is copied through pinned memory and others are
    read and decoded in threads. Arrays that the caller lets go of are freed.

    Parameters
    ----------
    items : iterable
        What is to be read, such as the names of files.
    read : callable
        Returns the NumPy arrays of an item; it runs in a thread.
    device : {"cuda", "cpu"}, optional
        "cpu" yields NumPy arrays, read ahead in the same way.
    ahead : int, optional
        How many items are read before they are asked for: so many are in memory beside the one
        that is worked on.

    Yields
    ------
    tuple
        The item, and its arrays in the order of ``read``.

    Raises
    ------
    ValueError
        If there is no such device.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dice_score
    >>> from dice_semimetric_cupy.stream import stream
    >>> masks = {"a": [[1, 0], [1, 1]], "b": [[0, 1], [0, 1]]}
    >>> def read(name):
    ...     return [np.array(mask, bool) for mask in masks[name]]
    >>> for name, (x, y) in stream(masks, read, device="cpu"):
    ...     print(name, round(float(dice_score(x, y)), 3))
    a 0.667
    b 1.0
    """
    items = list(items)
    with Feeder(items, read, upload_to(device), ahead=ahead) as feeder:
        for item in items:
            yield item, feeder.take(item)
