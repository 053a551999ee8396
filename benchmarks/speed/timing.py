"""Time functions side by side: interleaved, median of several, with memory and the machine."""

import json
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """What is compared: our function first, then its peers, on inputs of so many bytes."""

    name: str
    functions: dict[str, Callable[[], Any]]
    input_bytes: int


def measure(case: Case, repeats: int, bandwidth: float) -> list[dict[str, Any]]:
    """Return one row a function; raise if a result is not that of ours.

    Processor time is what a ratio is taken of: it counts all threads, and other programs on the
    machine lengthen it less than the time on the clock.
    """
    results = {name: float(f()) for name, f in case.functions.items()}  # warm up
    clock: dict[str, list[float]] = {name: [] for name in results}
    cpu: dict[str, list[float]] = {name: [] for name in results}
    for _ in range(repeats):
        for name, function in case.functions.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            function()
            clock[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - start_cpu)
    ours = next(iter(results))
    rows = []
    for name, function in case.functions.items():
        if abs(results[name] - results[ours]) > 1e-3:
            raise AssertionError(f"{case.name}: {ours} {results[ours]}, {name} {results[name]}")
        seconds = statistics.median(clock[name])
        rows.append(
            {
                "case": case.name,
                "function": name,
                "seconds": seconds,
                "cpu_seconds": statistics.median(cpu[name]),
                "ratio": seconds / statistics.median(clock[ours]),
                "cpu_ratio": statistics.median(cpu[name]) / statistics.median(cpu[ours]),
                "peak_memory": peak_memory(function) / case.input_bytes,
                "bandwidth": case.input_bytes / seconds / bandwidth,
            }
        )
    return rows


def peak_memory(function: Callable[[], Any]) -> int:
    """Return the bytes that Python and NumPy allocate on the way; PyTorch's are not seen."""
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def read_bandwidth(repeats: int = 5) -> float:
    """Return the bytes a second of a copy, what is read and what is written taken together."""
    source = np.ones(1 << 25, np.float32)
    target = np.empty_like(source)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / statistics.median(times)


def environment(packages: list[str]) -> dict[str, Any]:
    """Return the machine and the versions that a run depends on."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": len(names),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table; ratios are how many times slower than ours."""
    print(
        f"{'case':34} {'function':26} {'ms':>8} {'x ours':>7} {'cpu ms':>8} {'x ours':>7}"
        f" {'memory':>7} {'copy':>6}"
    )
    for row in rows:
        print(
            f"{row['case']:34} {row['function']:26} {row['seconds'] * 1e3:8.1f}"
            f" {row['ratio']:7.2f} {row['cpu_seconds'] * 1e3:8.1f} {row['cpu_ratio']:7.2f}"
            f" {row['peak_memory']:7.1%} {row['bandwidth']:6.1%}"
        )


def write(path: Path, machine: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write a run as JSON."""
    path.write_text(json.dumps({"environment": machine, "rows": rows}, indent=1) + "\n")
