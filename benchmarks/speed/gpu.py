"""On a GPU: the speed of every kernel, a training step, and the tests of the GPU's backends.

    make gpu NAME=h200
    python -m benchmarks.speed.gpu --name h200 --part benchmarks training tests

writes benchmarks/results/gpu-<name>.json with the GPU, its driver, all versions and the date of
each part; each figure is written as it is measured, so that a run that is cut off keeps what it
has, and a part that runs later is added. The unit of speed is the device's own copy, measured in
the same run: a kernel at 80 % moves its bytes at 80 % of that rate. Without a GPU it says so and
ends with status 3. `--rehearse` runs the same code on a processor with tiny inputs: CUDA's sources
compiled by g++, Triton's in its interpreter.
"""

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

import dice_semimetric as ds
from dice_semimetric._lib.seam import adapters

from . import gpu_cases
from .gpu_cases import FULL, TINY, GpuCase
from .gpu_record import Record
from .gpu_table import as_markdown
from .gpu_timing import copy_rate, measure
from .gpu_training import training
from .timing import installed

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NO_GPU = 3
PARTS = ("benchmarks", "training", "tests")
PACKAGES = ("numpy", "torch", "triton", "cupy-cuda12x", "cupy-cuda13x", "monai", "torchmetrics")

#: What meets a GPU: the core's tests on its backends, and Triton's kernels.
BACKENDS = "cupy or torch-cuda"
CALLS = "tests/core/test_every_library.py"
ON_GPU = ("tests/core", "tests/torch/test_triton.py")
#: What stands for it on a processor.
EMULATED = ("tests/cupy/test_kernels.py", "tests/cupy/test_fusion.py", "tests/torch/test_triton.py")


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for and return the exit status."""
    options = parse(arguments)
    if options.table:
        found = Record(options.out or RESULTS / f"gpu-{options.name}.json").found
        print(as_markdown([*found.get("rows", []), *found.get("training", [])]))
        return 0
    missing = None if options.rehearse else why_not()
    if missing:
        print(f"gpu: nothing was run: {missing}", file=sys.stderr)
        return NO_GPU
    path = options.out or (None if options.rehearse else RESULTS / f"gpu-{options.name}.json")
    record = Record(path)
    status = 0
    for part in options.part:
        begin = time.perf_counter()
        record.of_part(part, environment=environment())
        status |= run_tests(record, options) if part == "tests" else run(part, record, options)
        seconds = time.perf_counter() - begin
        record.of_part(part, seconds=seconds)
        print(f"{part}: {seconds:.0f} s", flush=True)
    return status


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--name", default="gpu", help="of the result, such as h200")
    parser.add_argument("--out", type=Path, metavar="FILE", help="instead of the one by the name")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--table", action="store_true", help="print what is recorded, as Markdown")
    parser.add_argument("--rehearse", action="store_true", help="tiny, on a processor")
    return parser.parse_args(arguments)


def why_not() -> str | None:
    """Return what is missing for a run on a GPU, or None."""
    if not torch.cuda.is_available():
        return "PyTorch finds no GPU"
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed; see the extra cupy"
    if not cupy.cuda.is_available():
        return "CuPy finds no GPU"
    if not (adapters("cupy") and adapters("torch")):  # their entry points come with a package
        return (
            "the kernels are not found, since dice-semimetric is not installed for this Python: "
            "pip install --no-deps ."
        )
    return None


def run(part: str, record: Record, options: argparse.Namespace) -> int:
    """Time the cases of a part; every row is printed and written at once.

    The status is 1 where one of them went wrong, for want of memory excepted.
    """
    if options.rehearse:
        from .gpu_rehearsal import rehearsal

        device, xp, sizes, repeats, place = "cpu", np, TINY, 1, rehearsal()
    else:
        import cupy

        device, xp, sizes, repeats, place = "cuda", cupy, FULL, options.repeats, nullcontext()
    key = "rows" if part == "benchmarks" else part
    record.set(key, [])
    with ds.value_checks("never"), place:
        copy = copy_rate(device, sizes.pairs, repeats)
        record.of_part(part, copy_bytes_per_second=copy)
        print(f"copy {copy / 1e12:.3f} TB/s")
        cases = every_case(device, xp, sizes) if key == "rows" else training(device, sizes)
        for case in cases:
            for row in measure(case, device, repeats, copy):
                record.add(key, row)
                show(row)
    errors = {row["error"] for row in record.found[key] if "error" in row}
    return int(bool(errors - {"out of memory"}))


def every_case(device: str, xp: Any, sizes: Any) -> Iterator[GpuCase]:
    """Yield one case after another; the arrays of each topic are freed before the next."""
    where = "CuPy" if device == "cuda" else "NumPy"
    for topic in gpu_cases.TOPICS:
        yield from topic(xp, where, sizes, device)
        if device == "cuda":
            torch.cuda.empty_cache()
            xp.get_default_memory_pool().free_all_blocks()


def run_tests(record: Record, options: argparse.Namespace) -> int:
    """Run the tests of the GPU's backends in parallel; their report lies beside the record.

    The short one that docs/support.md is made from comes first and writes a record of its own.
    """
    command = [sys.executable, "-m", "pytest", "-n", "auto", "-m", "not slow", "-rf", "-v"]
    if options.rehearse:
        runs = {"emulated": [*EMULATED]}
    else:
        support = RESULTS / f"support-{options.name}.json"
        calls = [CALLS, "-k", BACKENDS, "--record-support", str(support)]
        rest = [*ON_GPU, "--deselect", CALLS, "-k", f"{BACKENDS} or triton"]
        runs = {"calls": calls, "on the GPU": rest}
    record.set("tests", {})
    status = 0
    report = record.path.with_suffix(".tests.txt") if record.path else Path(os.devnull)
    with report.open("w", buffering=1) as file:
        for name, chosen in runs.items():
            done = run_pytest([*command, *chosen], file)
            summary = done[-1] if done else "no output"
            found = {
                "summary": summary.strip("= "),
                "failed": [line for line in done if line.startswith("FAILED")],
            }
            record.set("tests", {**record.found["tests"], name: found})
            status |= int(" failed" in summary or " error" in summary or " passed" not in summary)
            print(f"{name}: {summary}")
    return status


def run_pytest(command: list[str], file: TextIO) -> list[str]:
    """Run it and return its lines, which are also written as they come."""
    # JAX would take three quarters of the GPU's memory in every process.
    shared = {"OMP_NUM_THREADS": "1", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    environment = {**os.environ, **shared}
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            lines.append(line.strip())
    return [line for line in lines if line]


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
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "driver": driver,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        **{name: installed(name) for name in PACKAGES},
    }


def show(row: dict[str, Any]) -> None:
    """Print a row: milliseconds, the rate over that of a copy, times ours, and memory."""
    head = f"{row['case']:52} {row['function']:13}"
    if "seconds" in row:
        head += f" {row['seconds'] * 1e3:10.3f} ms {row['of_copy']:7.1%} of a copy"
        head += f" {row.get('times_ours', 1):8.2f} x ours"
        head += f" {row['peak_memory']:7.2f} memory" if "peak_memory" in row else ""
    print(head, row.get("error", ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
