"""Every public function on every library, beside NumPy's own time and the peers', in one run.

    python -m benchmarks.speed.everywhere [--only PATTERN] [--quick]
    python -m benchmarks.speed.everywhere --table

With --only or --quick, what is written lies in a new folder, unless --out names one. The run
writes everywhere-cpu.json, a row for each function, library, input and number of threads, and
everywhere-cpu.png, and prints the worst, the median and the best ratio. A ratio is how many times
as long the other takes: below 1, ours is slower. The calls of a comparison take turns in one
process, which may use as many cores as there are threads, so that both sides have the same. Rows
are written as they are measured; a comparison that fails or whose results differ says so in its
row and the run ends with status 1. A row says too which share of its time threads waited for other
programs: OpenMP's, which spin, are then many times slower, and OMP_WAIT_POLICY=passive helps.
"""

import argparse
import json
import math
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .timing import environment, run_held

RESULTS = Path(__file__).parents[1] / "results"
STEM = "everywhere-cpu"
PACKAGES = ("numpy", "numba", "torch", "jax", "dask", "monai", "torchmetrics", "scikit-learn")
BUSY = 0.2  # the share of its time for which a row's threads had no core
OPTIONAL = ("SimpleITK", "optax", "netcal")


def main(arguments: list[str] | None = None) -> int:
    """Measure, or print the table of what was measured."""
    options = parse(arguments)
    record = folder(options) / f"{STEM}.json"
    if options.worker:
        return work(options, record)
    if options.table:
        return print_table(record)
    whole = measure(options, record)
    rows = json.loads(record.read_text())["rows"]
    if whole and not rows:
        return refuse(f"no comparison's name holds {options.only}")
    from .heatmap import draw
    from .table import as_text

    print(as_text(rows, markdown=False))
    draw(rows, record.with_suffix(".png"))
    return int(not report(rows) or not whole)


def print_table(record: Path) -> int:
    """Print the table of a full record."""
    if not record.exists():
        return refuse(f"there is no record {record}")
    found = json.loads(record.read_text())
    if found.get("quick") or found.get("only"):
        return refuse(f"{record} is of a run with --quick or --only")
    from .table import as_text

    print(as_text(found["rows"], markdown=True))
    return 0


def refuse(why: str) -> int:
    """Say why nothing comes of it, and return the status of wrong input."""
    print(f"everywhere: {why}", file=sys.stderr)
    return 2


def report(rows: list[dict[str, Any]]) -> bool:
    """Print how many rows waited and which failed; return whether none failed."""
    busy = sum(row.get("waited", 0) > BUSY for row in rows)
    if busy:
        print(f"everywhere: {busy} of {len(rows)} rows waited for other programs", file=sys.stderr)
    failed = [row for row in rows if "errors" in row]
    for row in failed:
        where = f"{row['function']}, {row['input']}, {row['library']}, {row['threads']} threads"
        print(f"{where}: {row['errors']}", file=sys.stderr)
    return not failed


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="DIR", help="instead of benchmarks/results")
    only = "in topic/function/input; memory, with no --quick, too"
    parser.add_argument("--only", default="", type=pattern, metavar="PATTERN", help=only)
    parser.add_argument("--quick", action="store_true", help="small inputs, to see that all runs")
    parser.add_argument("--repeats", type=count, help="at most, in turn (11; quick: 1)")
    parser.add_argument("--budget", type=seconds, default=0.6, help="for a comparison")
    parser.add_argument("--threads", type=threads, nargs="+", help="(1 2; quick: 1)")
    parser.add_argument("--table", action="store_true", help="of the last run, as Markdown")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 11)
    options.threads = options.threads or ([1] if options.quick else [1, 2][: cores()])
    return options


def pattern(text: str) -> str:
    """Return a regular expression if it is one."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None
    return text


def count(text: str) -> int:
    """Return a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def threads(text: str) -> int:
    """Return a number of threads for which there are cores."""
    if count(text) > cores():
        raise argparse.ArgumentTypeError(f"{text} is more than the {cores()} cores")
    return int(text)


def seconds(text: str) -> float:
    """Return a duration above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a time above 0")
    return value


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def folder(options: argparse.Namespace) -> Path:
    """Return where the record lies: a run of some of it never replaces the full one."""
    if options.out is None and not options.table and (options.quick or options.only):
        return Path(tempfile.mkdtemp(prefix="everywhere-"))
    return options.out or RESULTS


def measure(options: argparse.Namespace, record: Path) -> bool:
    """Measure with each number of threads, in a process of its own; return whether none failed."""
    record.parent.mkdir(parents=True, exist_ok=True)
    print(f"everywhere: writing to {record.parent}", flush=True)
    machine = environment([*PACKAGES, *OPTIONAL])
    part = {"quick": options.quick, "only": options.only}
    write(record, {"environment": machine, **part, "rows": []})
    command = [sys.executable, "-m", "benchmarks.speed.everywhere", "--worker"]
    command += ["--out", str(record.parent), f"--only={options.only}"]
    command += ["--repeats", str(options.repeats), "--budget", str(options.budget)]
    command += ["--quick"] * options.quick
    whole = True
    for number in options.threads:
        done = run_held([*command, "--threads", str(number)], number)
        if done.returncode:
            text = f"the process with {number} threads ended with status {done.returncode}"
            print(f"everywhere: {text}", file=sys.stderr)
            whole = False
    if not options.quick:
        add_peaks(options, record)
    return whole


def work(options: argparse.Namespace, record: Path) -> int:
    """Measure with one number of threads; every row is written at once."""
    from .inputs import FULL, QUICK
    from .libraries import hold_to
    from .topics import every_comparison

    (number,) = options.threads
    hold_to(number)
    found = json.loads(record.read_text())
    begin = time.perf_counter()
    for comparison in every_comparison(QUICK if options.quick else FULL):
        if re.search(options.only, comparison.name):
            rows = comparison.measure(number, options.repeats, options.budget)
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
        peaks = row["peak"], row["peer_peak"]
        ours, theirs = ("failed" if peak is None else f"{peak:.2f}" for peak in peaks)
        text = f"memory {ours} of the {row['unit']}, {row['peer']} {theirs}"
        print(f"{row['function']}, {row['input']}: {text}", flush=True)


def write(path: Path, found: dict[str, Any]) -> None:
    """Write all rows so far; a file that is cut off never replaces the last whole one."""
    part = path.with_suffix(".part")
    rows = ",\n".join(json.dumps(row) for row in found["rows"])
    head = ",\n".join(f'"{key}": {json.dumps(x)}' for key, x in found.items() if key != "rows")
    part.write_text(f'{{{head},\n"rows": [\n{rows}\n]}}\n')
    part.replace(path)


def show(rows: list[dict[str, Any]], elapsed: float) -> None:
    """Print a line for each library."""
    for row in rows:
        time_taken = "failed" if row["seconds"] is None else f"{row['seconds'] * 1e3:.3f} ms"
        ratios = [
            f"{name} {row[f'{key}_ratio']:.2f}"
            for key, name in (("numpy", "NumPy"), ("peer", row["peer"]))
            if row[f"{key}_ratio"] is not None
        ]
        name = f"{row['function']}, {row['input']}"
        words = [f"{elapsed:5.0f}s {row['threads']}", f"{name:64}", f"{row['library']:8}"]
        print(*words, f"{time_taken:>14}", *ratios, *row.get("errors", {}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
