"""Time functions side by side: interleaved, median of several; and the machine it was done on."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Call = Callable[[], Any]

_SAMPLE = 2e-3  # seconds that a sample takes at least: shorter calls are repeated within it
_MOST = 40  # calls of a sample
_LEAST = 3  # rounds, unless one alone takes three budgets
_CALM = 0.02  # the share of a sample that threads may wait for other programs


def interleaved(
    calls: dict[str, Call], *, repeats: int = 7, budget: float = 1.5
) -> tuple[dict[str, float], float]:
    """Return the median seconds of each call, and the largest share of them spent waiting.

    All must have been called once before. The calls take turns, so that a busy moment hits all
    alike, and the median is of the half of the samples in which the process's threads waited least
    for a core that another program held. Rounds go on until there are `repeats` of them or the
    budget in seconds is spent, three times as long where a call had no calm sample yet.
    """
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    numbers = dict.fromkeys(calls, 1)
    begin = time.perf_counter()
    for done in range(repeats):
        spent = time.perf_counter() - begin
        calm = all(min(kept, default=(1.0,))[0] < _CALM for kept in samples.values())
        if done and (spent > 3 * budget or (spent > budget and calm and done >= _LEAST)):
            break
        for name, call in calls.items():
            seconds, waited = _sample(call, numbers[name])
            samples[name].append((waited / seconds, seconds / numbers[name]))
            numbers[name] = max(1, min(_MOST, int(_SAMPLE * numbers[name] / seconds)))
    calmer = {name: sorted(kept)[: (len(kept) + 1) // 2] for name, kept in samples.items()}
    found = {name: statistics.median(s for _, s in kept) for name, kept in calmer.items()}
    return found, max((kept[-1][0] for kept in calmer.values()), default=0.0)


def _sample(call: Call, number: int) -> tuple[float, float]:
    """Return the seconds of so many calls, and those that threads of this process waited."""
    before, start = _waited(), time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start, _waited() - before


def _waited() -> float:
    """Return the seconds that this process's threads were ready but had no core, where known."""
    total = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended
            total += int(path.read_text().split()[1])
    return total / 1e9


def run_held(command: list[str], threads: int, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command with so many threads on as many cores, which a process inherits."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:threads])
    try:
        variables = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        return subprocess.run(command, check=False, text=True, env=variables, **options)
    finally:
        os.sched_setaffinity(0, cores)


def environment(packages: Iterable[str]) -> dict[str, Any]:
    """Return the machine and the versions that a run depends on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "python": platform.python_version(),
        **{name: installed(name) for name in packages},
    }


def installed(package: str) -> str:
    """Return the version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
