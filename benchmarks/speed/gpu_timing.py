"""Time and memory of a function on a GPU, or on a processor that stands for one."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .gpu_cases import GpuCase

#: Seconds that the repeats of one function may take, that a GPU is busy before them, since an idle
#: one has a slow clock, and that one repeat takes: of a short function, many calls.
_BUDGET, _WARM, _SPAN = 2.0, 0.2, 0.01


def measure(case: GpuCase, device: str, repeats: int, copy: float) -> Iterator[dict[str, Any]]:
    """Yield a row for each function as soon as it is measured.

    One that raises, or whose result is not that of ours, says so in its row and stops no other.
    """
    ours: dict[str, float] = {}
    for name, function in case.functions.items():
        row: dict[str, Any] = {"case": case.name, "function": name}
        try:
            row["result"] = float(function())
            row |= _figures(case, name, device, repeats, copy)
        except (MemoryError, torch.OutOfMemoryError):
            row["error"] = "out of memory"
        except Exception as error:  # the time on the GPU is short: the others are still measured
            row["error"] = f"{type(error).__name__}: {error}"
        else:
            ours = ours or row
            row["times_ours"] = row["seconds"] / ours["seconds"]
            far = abs(row["result"] - ours["result"]) > 1e-3 * max(1.0, abs(ours["result"]))
            if case.same and far:
                row["error"] = f"the result is {row['result']}, ours {ours['result']}"
        yield row


def _figures(case: GpuCase, name: str, device: str, repeats: int, copy: float) -> dict[str, float]:
    function = case.functions[name]
    seconds = median_seconds(function, device, repeats)
    found = {"seconds": seconds, "of_copy": case.floor_bytes / seconds / copy}
    if device == "cuda" and name != "CuPy":  # whose memory PyTorch does not see
        found["peak_memory"] = peak_memory(function) / case.unit_bytes
    return found


def median_seconds(function: Callable[[], Any], device: str, repeats: int) -> float:
    """Return the median time, by the device's own clock on a GPU; slow ones are repeated less."""
    timed = _seconds_on_gpu if device == "cuda" else _seconds
    calls = _calls(function) if device == "cuda" else 1
    for _ in range(min(3, repeats)):
        function()
    times: list[float] = []
    while len(times) < repeats and sum(times) * calls < _BUDGET:
        times.append(timed(function, calls))
    return statistics.median(times)


def _calls(function: Callable[[], Any]) -> int:
    """Keep the GPU busy and return how many calls make one repeat."""
    begin, each = time.perf_counter(), 0.0
    while time.perf_counter() - begin < _WARM:
        each = _seconds_on_gpu(function, 1)
    return max(1, round(_SPAN / each))


def _seconds_on_gpu(function: Callable[[], Any], calls: int) -> float:
    """Return the time of a call among many, that of the host where it is the slower one."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        function()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / calls


def _seconds(function: Callable[[], Any], calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - begin) / calls


def peak_memory(function: Callable[[], Any]) -> float:
    """Return the bytes that PyTorch takes on the GPU beside what it holds already."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    function()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


def copy_rate(device: str, count: int, repeats: int) -> float:
    """Return the bytes a second of a copy, what is read and what is written taken together."""
    source = torch.rand(2 * count, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source), device, repeats)
