"""Every public function on every library, beside NumPy's own time and the peers', in one run.

    python -m benchmarks.speed.everywhere [--only PATTERN] [--quick]
    python -m benchmarks.speed.everywhere --table

writes everywhere-cpu.json, a row for each function, library, input and number of threads, and
everywhere-cpu.png, and prints the worst, the median and the best ratio. A ratio is how many times
as long the other takes: below 1, ours is slower. The calls of a comparison take turns in one
process, which may use as many cores as there are threads, so that both sides have the same. Rows
are written as they are measured; a comparison whose results differ says so in its row and the run
ends with status 1. A row says too which share of its time threads waited for other programs:
OpenMP's, which spin, are then many times slower, and OMP_WAIT_POLICY=passive helps.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .timing import environment

RESULTS = Path(__file__).parents[1] / "results"
STEM = "everywhere-cpu"
PACKAGES = ("numpy", "numba", "torch", "jax", "dask", "monai", "torchmetrics", "scikit-learn")
BUSY = 0.2  # the share of its time for which a row's threads had no core
OPTIONAL = ("SimpleITK", "optax", "netcal")


def main(arguments: list[str] | None = None) -> int:
    """Measure, or print the table of what was measured."""
    options = parse(arguments)
    record = options.out / f"{STEM}.json"
    if options.worker:
        return work(options, record)
    if not options.table:
        measure(options, record)
    from .heatmap import draw
    from .table import as_text

    rows = json.loads(record.read_text())["rows"]
    print(as_text(rows, markdown=options.table))
    if options.table:
        return 0
    draw(rows, record.with_suffix(".png"))
    busy = sum(row.get("waited", 0) > BUSY for row in rows)
    if busy:
        print(f"everywhere: {busy} of {len(rows)} rows waited for other programs", file=sys.stderr)
    failed = [row for row in rows if "errors" in row]
    for row in failed:
        where = f"{row['function']}, {row['input']}, {row['library']}, {row['threads']} threads"
        print(f"{where}: {row['errors']}", file=sys.stderr)
    return int(bool(failed))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--only", default="", metavar="PATTERN", help="in topic/function/input")
    parser.add_argument("--quick", action="store_true", help="small inputs, to see that all runs")
    parser.add_argument("--repeats", type=int, help="at most, in turn (11; quick: 1)")
    parser.add_argument("--budget", type=float, default=0.6, help="seconds for a comparison")
    parser.add_argument("--threads", type=int, nargs="+", help="(1 2; quick: 1)")
    parser.add_argument("--table", action="store_true", help="of the last run, as Markdown")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 11)
    options.threads = options.threads or ([1] if options.quick else [1, 2])
    return options


def measure(options: argparse.Namespace, record: Path) -> None:
    """Measure with each number of threads, in a process with so many cores."""
    options.out.mkdir(parents=True, exist_ok=True)
    machine = environment([*PACKAGES, *OPTIONAL])
    record.write_text(json.dumps({"environment": machine, "rows": []}))
    command = [sys.executable, "-m", "benchmarks.speed.everywhere", "--worker"]
    command += ["--out", str(options.out), "--only", options.only]
    command += ["--repeats", str(options.repeats), "--budget", str(options.budget)]
    for threads in options.threads:
        cores = sorted(os.sched_getaffinity(0))[:threads]
        if len(cores) < threads:
            print(f"everywhere: there are no {threads} cores", file=sys.stderr)
            continue
        subprocess.run(
            [*command, "--threads", str(threads), *(["--quick"] if options.quick else [])],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
        )
    if not options.quick:
        add_peaks(options, record)


def work(options: argparse.Namespace, record: Path) -> int:
    """Measure with one number of threads; every row is written at once."""
    from .inputs import FULL, QUICK
    from .libraries import hold_to
    from .topics import every_comparison

    (threads,) = options.threads
    hold_to(threads)
    found = json.loads(record.read_text())
    pattern = re.compile(options.only)
    begin = time.perf_counter()
    for comparison in every_comparison(QUICK if options.quick else FULL):
        if pattern.search(comparison.name):
            rows = comparison.measure(threads, options.repeats, options.budget)
            found["rows"] += rows
            write(record, found)
            show(rows, time.perf_counter() - begin)
    return 0


def add_peaks(options: argparse.Namespace, record: Path) -> None:
    """Add what memory is taken."""
    from .peaks import rows

    found = json.loads(record.read_text())
    for row in rows(re.compile(options.only), options.threads[-1]):
        found["rows"].append(row)
        write(record, found)
        print(
            f"{row['function']}, {row['input']}: memory {row['peak']:.2f} of the {row['unit']},"
            f" {row['peer']} {row['peer_peak']:.2f}",
            flush=True,
        )


def write(path: Path, found: dict[str, Any]) -> None:
    """Write all rows so far; a file that is cut off never replaces the last whole one."""
    part = path.with_suffix(".part")
    rows = ",\n".join(json.dumps(row) for row in found["rows"])
    machine = json.dumps(found["environment"])
    part.write_text(f'{{"environment": {machine},\n"rows": [\n{rows}\n]}}\n')
    part.replace(path)


def show(rows: list[dict[str, Any]], elapsed: float) -> None:
    """Print a line for each library."""
    for row in rows:
        seconds = "failed" if row["seconds"] is None else f"{row['seconds'] * 1e3:.3f} ms"
        ratios = [
            f"{name} {row[f'{key}_ratio']:.2f}"
            for key, name in (("numpy", "NumPy"), ("peer", row["peer"]))
            if row[f"{key}_ratio"] is not None
        ]
        name = f"{row['function']}, {row['input']}"
        words = [f"{elapsed:5.0f}s {row['threads']}", f"{name:64}", f"{row['library']:8}"]
        print(*words, f"{seconds:>14}", *ratios, *row.get("errors", {}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
