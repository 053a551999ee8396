"""Cases come in order, read ahead, through pinned memory where there is a GPU."""

import threading
import time
import types
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dice_semimetric_cupy.stream")

from dice_semimetric_cupy import stream as module
from dice_semimetric_cupy.ahead import read_ahead
from dice_semimetric_cupy.stream import Feeder, Gpu, Host, stream, upload_to


def numbers(item: int) -> list[np.ndarray]:
    return [np.full(3, item), np.full((2, 2), -item, np.float32)]


@pytest.mark.parametrize("ahead", [0, 1, 3, 20])
def test_items_come_in_order_with_their_arrays(ahead: int) -> None:
    found = list(stream(range(7), numbers, device="cpu", ahead=ahead))
    assert [item for item, _ in found] == list(range(7))
    for item, (x, y) in found:
        np.testing.assert_array_equal(x, np.full(3, item))
        assert y.dtype == np.float32


def test_nothing_to_do() -> None:
    assert list(stream([], numbers, device="cpu")) == []


def test_the_next_is_read_while_one_is_worked_on() -> None:
    second = threading.Event()

    def read(item: int) -> list[np.ndarray]:
        if item == 1:
            second.set()
        return numbers(item)

    items = []
    for item, _ in stream(range(2), read, device="cpu"):
        assert second.wait(10)
        items.append(item)
    assert items == [0, 1]


def test_no_more_is_read_than_asked_for() -> None:
    seen: list[int] = []

    def read(item: int) -> list[np.ndarray]:
        seen.append(item)
        return numbers(item)

    cases = stream(range(50), read, device="cpu", ahead=2)
    next(cases)
    time.sleep(0.05)
    assert max(seen) <= 2
    cases.close()
    assert len(seen) <= 3


def test_what_cannot_be_read_stops_no_other() -> None:
    def read(item: int) -> list[np.ndarray]:
        if item == 1:
            raise OSError("truncated")
        return numbers(item)

    items = list(range(3))
    with Feeder(items, read, Host()) as feeder:
        assert feeder.take(items[0])[0][0] == 0
        with pytest.raises(OSError, match="truncated"):
            feeder.take(items[1])
        assert feeder.take(items[2])[0][0] == 2


def test_an_item_may_be_left_out_or_asked_for_again() -> None:
    items = [object() for _ in range(5)]
    with Feeder(items, lambda item: [np.asarray(items.index(item))], Host(), ahead=1) as feeder:
        assert [int(feeder.take(items[k])[0]) for k in (0, 3, 3, 1)] == [0, 3, 3, 1]


def test_a_full_device_is_tried_again_with_one_item_alone() -> None:
    """Room for one item: those read ahead do not fit until the first is let go."""

    class Small(Host):
        def __init__(self) -> None:
            self.free, self.shrunk = 1, 0

        def start(self, arrays: Any) -> Any:
            if self.free == 0:
                raise MemoryError
            self.free -= 1
            return tuple(arrays)

        def shrink(self) -> None:
            self.shrunk += 1
            self.free = 1

    small = Small()
    items = list(range(4))
    with Feeder(items, numbers, small, ahead=2) as feeder:
        assert [int(feeder.take(item)[0][0]) for item in items] == items
    assert small.shrunk > 0
    small.shrink = lambda: None  # type: ignore[method-assign]
    small.free = 0
    with Feeder(items, numbers, small) as feeder, pytest.raises(MemoryError):
        feeder.take(items[0])


def test_unknown_or_missing_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'cpu' or 'cuda', got 'gpu'"):
        upload_to("gpu")
    fake = types.SimpleNamespace(cuda=types.SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    with pytest.raises(ValueError, match="finds none"):
        upload_to("cuda")
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(ValueError, match="needs CuPy"):
        upload_to("cuda")


class FakeCuda:
    """The calls of CuPy that `Gpu` makes, recorded; copies happen when a stream is asked to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        calls = self.calls

        class Event:
            done = True

            def __init__(self, disable_timing: bool = False) -> None: ...

        class Stream:
            def __init__(self, non_blocking: bool = False, name: str = "copies") -> None:
                self.name = name

            def __enter__(self) -> None: ...
            def __exit__(self, *_: Any) -> None: ...

            def record(self, event: Any = None) -> Any:
                calls.append(f"{self.name} records")
                return event or Event()

            def wait_event(self, event: Any) -> None:
                assert isinstance(event, Event)
                calls.append(f"{self.name} waits")

        class DeviceArray:
            def __init__(self, shape: Any, dtype: Any) -> None:
                self.host = np.zeros(shape, dtype)

            def set(self, source: Any, stream: Any) -> None:
                calls.append(f"{stream.name} copies")
                self.host[...] = source

        class Device:
            def __enter__(self) -> None: ...
            def __exit__(self, *_: Any) -> None: ...
            def synchronize(self) -> None:
                calls.append("device waits")

        work = Stream(name="work")
        self.empty = DeviceArray
        self.get_default_memory_pool = lambda: types.SimpleNamespace(
            free_all_blocks=lambda: calls.append("pool frees")
        )
        self.cuda = types.SimpleNamespace(
            Device=Device,
            Event=Event,
            Stream=Stream,
            get_current_stream=lambda: work,
            alloc_pinned_memory=bytearray,
            is_available=lambda: True,
        )


def test_copies_and_work_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    found = list(stream([1, 2], numbers, device="cuda", ahead=0))
    for item, (x, y) in found:
        np.testing.assert_array_equal(x.host, np.full(3, item))
        np.testing.assert_array_equal(y.host, np.full((2, 2), -item))
    one = ["work records", "copies waits", "copies copies", "copies copies", "copies records"]
    assert fake.calls == [*one, "work waits"] * 2
    module.Gpu().shrink()
    assert fake.calls[-2:] == ["device waits", "pool frees"]


def test_copies_need_no_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda()

    class CUDARuntimeError(RuntimeError): ...

    def refuse(count: int) -> None:
        raise CUDARuntimeError("cudaErrorMemoryAllocation")

    fake.cuda.runtime = types.SimpleNamespace(CUDARuntimeError=CUDARuntimeError)
    fake.cuda.alloc_pinned_memory = refuse
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    given = np.arange(6.0).reshape(2, 3).T
    gpu = Gpu()
    (found,) = gpu.finish(gpu.start([given]))
    given[:] = -1  # what is under way has memory of its own
    np.testing.assert_array_equal(found.host, np.arange(6.0).reshape(2, 3).T)


def test_a_full_gpu_says_what_was_wanted_and_what_is_free(monkeypatch: Any) -> None:
    fake = FakeCuda()

    def refuse(shape: Any, dtype: Any) -> None:
        raise MemoryError

    fake.empty = refuse
    fake.cuda.Device.mem_info = (10, 80)
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake)
    with pytest.raises(MemoryError, match="56 bytes find no memory: 10 of 80 are free"):
        next(stream([1], lambda item: [np.zeros(3), np.zeros(4)], device="cuda"))


def test_a_thread_reads_ahead() -> None:
    second = threading.Event()

    def items() -> Any:
        yield 1
        second.set()
        yield 2
        raise OSError("truncated")

    found = read_ahead(items())
    assert next(found) == 1
    assert second.wait(10)
    assert next(found) == 2
    with pytest.raises(OSError, match="truncated"):
        next(found)
    assert list(read_ahead([])) == []
    begun = read_ahead(iter(range(10**9)))
    next(begun)
    begun.close()


def test_awkward_arrays_are_copied_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", FakeCuda())
    gpu = Gpu()
    arrays = [np.zeros((0, 3)), np.arange(6).reshape(2, 3).T, np.asarray(True), np.arange(9)[::-2]]
    for got, want in zip(gpu.finish(gpu.start(arrays)), arrays, strict=True):
        np.testing.assert_array_equal(got.host, want)
