"""Time functions side by side: interleaved, median of several; and the machine it was done on."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Call = Callable[[], Any]

_SAMPLE = 2e-3  # seconds that a sample takes at least: shorter calls are repeated within it
_MOST = 40


def interleaved(
    calls: dict[str, Call], *, repeats: int = 7, budget: float = 1.5, least: int = 3
) -> dict[str, float]:
    """Return the median seconds of each call; all must have been called once before.

    The calls take turns, so that a busy moment hits all alike. There are `repeats` rounds, fewer
    when they take longer than the budget in seconds, but at least `least`, or one where a round
    alone takes the budget.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    numbers = dict.fromkeys(calls, 1)
    begin = time.perf_counter()
    for done in range(repeats):
        spent = time.perf_counter() - begin
        if done and (spent > 3 * budget or (spent > budget and done >= least)):
            break
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(numbers[name]):
                call()
            seconds = (time.perf_counter() - start) / numbers[name]
            samples[name].append(seconds)
            numbers[name] = max(1, min(_MOST, int(_SAMPLE / max(seconds, 1e-9))))
    return {name: statistics.median(times) for name, times in samples.items()}


def environment(packages: Iterable[str]) -> dict[str, Any]:
    """Return the machine and the versions that a run depends on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: installed(name) for name in packages},
    }


def installed(package: str) -> str:
    """Return the version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
