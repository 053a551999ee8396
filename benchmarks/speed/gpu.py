"""On a GPU: the suite, then the speed of every kernel over what the memory allows.

    make gpu NAME=h200

writes benchmarks/results/gpu-<name>.json with the GPU, its driver, all versions and the date. The
unit of speed is the device's own copy, measured in the same run: a kernel at 80 % moves its bytes
at 80 % of that rate. Without a GPU it says so and ends with status 3. `--rehearse` runs the same
code on a processor with tiny inputs and writes nothing.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dice_semimetric as ds

from . import gpu_cases
from .gpu_cases import FULL, TINY, GpuCase

RESULTS = Path(__file__).parents[1] / "results"
NO_GPU = 3
PACKAGES = ("numpy", "torch", "triton", "cupy-cuda12x", "cupy-cuda13x", "monai", "torchmetrics")


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="gpu", help="of the result, such as h200")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--no-suite", action="store_true", help="time only")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on a processor")
    options = parser.parse_args(arguments)
    if options.rehearse:
        show(run("cpu", np, "NumPy", 1))
        return 0
    missing = why_not()
    if missing:
        print(f"gpu: nothing was run: {missing}", file=sys.stderr)
        return NO_GPU
    ran = RESULTS / f"support-{options.name}.json"
    suite = None if options.no_suite else run_suite(ran)
    import cupy

    found = run("cuda", cupy, "CuPy", options.repeats)
    record = {"environment": environment(), "suite": suite, **found}
    path = RESULTS / f"gpu-{options.name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    show(found)
    print(f"written to {path}")
    return int(bool(suite and suite["status"]))


def why_not() -> str | None:
    """Return what is missing for a run on a GPU, or None."""
    if not torch.cuda.is_available():
        return "PyTorch finds no GPU"
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed; see the extra cupy"
    return None if cupy.cuda.is_available() else "CuPy finds no GPU"


def run_suite(record: Path) -> dict[str, Any]:
    """Run the tests, record what runs on a GPU for docs/support.md, and return how they ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "tests"]
    command += ["--record-support", str(record)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout[-6000:])
    return {"status": done.returncode, "summary": done.stdout.strip().splitlines()[-1]}


def run(device: str, xp: Any, where: str, repeats: int) -> dict[str, Any]:
    """Time all cases and return the rate of a copy and one row a function."""
    sizes = FULL if device == "cuda" else TINY
    copy = copy_rate(device, sizes.pairs, repeats)
    rows: list[dict[str, Any]] = []
    with ds.value_checks("never"):
        for case in every_case(device, xp, where, sizes):
            rows += measure(case, device, repeats, copy)
    return {"copy_bytes_per_second": copy, "rows": rows}


def every_case(device: str, xp: Any, where: str, sizes: Any) -> Iterator[GpuCase]:
    """Yield one case after another; the arrays of each are freed before the next."""
    yield from gpu_cases.statistics(xp, where, sizes, device)
    _free(device, xp)
    yield from gpu_cases.fusions(xp, where, sizes, device)
    _free(device, xp)
    yield from gpu_cases.losses(sizes, device)
    _free(device, xp)
    yield from gpu_cases.regressions(xp, where, sizes, device)
    _free(device, xp)
    yield from gpu_cases.metrics(xp, where, sizes, device)


def _free(device: str, xp: Any) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        xp.get_default_memory_pool().free_all_blocks()


def measure(case: GpuCase, device: str, repeats: int, copy: float) -> list[dict[str, Any]]:
    """Return a row for each function; raise if one of them has another result than ours."""
    rows: list[dict[str, Any]] = []
    results: dict[str, float] = {}
    for name, function in case.functions.items():
        row: dict[str, Any] = {"case": case.name, "function": name}
        try:
            results[name] = float(function())
            seconds = median_seconds(function, device, repeats)
        except MemoryError:
            row["error"] = "out of memory"
        except torch.OutOfMemoryError:
            row["error"] = "out of memory"
        else:
            row["seconds"] = seconds
            row["of_copy"] = case.floor_bytes / seconds / copy
            row["over_floor"] = seconds * copy / case.floor_bytes
            row["times_ours"] = seconds / (rows[0]["seconds"] if rows else seconds)
            if device == "cuda" and name != "CuPy":  # whose memory PyTorch does not see
                row["peak_memory"] = peak_memory(function) / case.unit_bytes
        rows.append(row)
    ours = next(iter(results.values()))
    far = {n: v for n, v in results.items() if abs(v - ours) > 1e-3 * max(1.0, abs(ours))}
    if case.same and far:
        raise AssertionError(f"{case.name}: ours {ours}, others {far}")
    return rows


def median_seconds(function: Callable[[], Any], device: str, repeats: int) -> float:
    """Return the median time, by the device's own clock on a GPU."""
    for _ in range(min(3, repeats)):
        function()
    times = []
    for _ in range(repeats):
        if device == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            function()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
        else:
            begin = time.perf_counter()
            function()
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


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


def environment() -> dict[str, Any]:
    """Return what the run depends on."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True)
        driver = done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        driver = "nvidia-smi is not there"
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "gpu": torch.cuda.get_device_name(),
        "driver": driver,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        **{name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def show(found: dict[str, Any]) -> None:
    """Print a table."""
    print(f"copy {found['copy_bytes_per_second'] / 1e12:.3f} TB/s")
    print(f"{'case':52} {'function':13} {'ms':>10} {'copy':>7} {'x ours':>8} {'memory':>7}")
    for row in found["rows"]:
        head = f"{row['case']:52} {row['function']:13}"
        if "error" in row:
            print(head, row["error"])
            continue
        print(
            f"{head} {row['seconds'] * 1e3:10.3f} {row['of_copy']:7.1%} {row['times_ours']:8.2f}"
            f" {row.get('peak_memory', float('nan')):7.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
