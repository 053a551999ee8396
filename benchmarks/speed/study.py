"""A study of many 3-D cases: what ``evaluate`` takes beside merely inflating the same files.

Run ``python -m benchmarks.speed.study [--studies CASESxSIDE ...]``. A study is generated in a
temporary folder, with the phantoms' model: a few distinct cases, written under many names, so that
every case is a file of its own on the disk. Each figure is the best of some rounds, and the rounds
of all competitors take turns, since the machine may be shared.
"""

import argparse
import gzip
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import deflate
import numpy as np
from dice_semimetric_study import Page, Run, Study, evaluate, read_volume, write_phantoms

RESULTS = Path(__file__).parents[1] / "results" / "study-cpu.json"
DISTINCT = 10
_PEAK = """
import sys
from pathlib import Path
from dice_semimetric_study import Options, Study, score_files
def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM"))
Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the parent and of the imports
before = most()
pairs, _ = Study(Path(sys.argv[1]) / "raters", Path(sys.argv[1]) / "prediction").pairs()
for pair in pairs[:30]:
    score_files(pair, Options(slab=int(sys.argv[2])))
print(before, most())
"""


def make_study(folder: Path, cases: int, side: int) -> None:
    """Write the study: real copies, so that each case is read from its own blocks."""
    seed = folder / "seed"
    write_phantoms(seed, cases=DISTINCT, shape=(side,) * 3, raters=3)
    for part in ("raters", "prediction"):
        sources = sorted((seed / part).iterdir())
        for number in range(cases):
            target = folder / part / f"case{number:05d}"
            shutil.copytree(sources[number % DISTINCT], target)
            (target / "image.nii.gz").unlink(missing_ok=True)
    shutil.rmtree(seed)


def decompress(path: Path) -> None:
    """Read a file with the gzip of the standard library."""
    with gzip.open(path) as file:
        file.read()


def inflate(path: Path) -> None:
    """Inflate a file at once by libdeflate, the fastest way there is on a CPU."""
    content = path.read_bytes()
    deflate.gzip_decompress(content, int.from_bytes(content[-4:], "little"))


def read_all(folder: Path, read: Callable[[Path], object], share: slice = slice(None)) -> None:
    """Read and decompress every file, and do nothing with it."""
    for path in sorted(folder.rglob("*.nii.gz"))[share]:
        read(path)


def read_by_two(folder: Path) -> None:
    """Inflate every file in two processes."""
    halves = [
        multiprocessing.Process(target=read_all, args=(folder, inflate, slice(i, None, 2)))
        for i in range(2)
    ]
    for process in halves:
        process.start()
    for process in halves:
        process.join()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds on the clock, and of processor time in this process and its children."""
    start, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - start, sum(after[:4]) - sum(before[:4])


def run_cli(folder: Path, jobs: int, *options: str) -> None:
    """Run the command as a user does, into a fresh folder."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        argv = [sys.executable, "-m", "dice_semimetric_study", "evaluate", "--no-pictures"]
        argv += ["--pred", str(folder / "prediction"), "--ref", str(folder / "raters")]
        argv += ["--out", str(Path(out) / "scores"), "--jobs", str(jobs), "--quiet", *options]
        subprocess.run(argv, check=True)


def resumed(folder: Path) -> float:
    """Return the seconds that a second run takes which finds everything done."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        study = Study(folder / "raters", folder / "prediction")
        for _ in range(2):
            start = time.perf_counter()
            evaluate(study, Run(Path(out), resume=True), page=Page(pictures=False))
        return time.perf_counter() - start


def peak(folder: Path, slab: int) -> dict[str, float]:
    """Return the memory in MiB of a worker before its first case and at most."""
    argv = [sys.executable, "-c", _PEAK, str(folder), str(slab)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    before, most = map(int, done.stdout.split())
    return {"imported": before / 1024, "peak": most / 1024}


def measure(folder: Path, cases: int, side: int, rounds: int) -> dict[str, Any]:
    """Return all figures."""
    competitors: dict[str, Callable[[], object]] = {
        "read with gzip": lambda: read_all(folder, decompress),
        "inflate with libdeflate": lambda: read_all(folder, inflate),
        "inflate with libdeflate, two processes": lambda: read_by_two(folder),
        "read with the package's reader": lambda: read_all(folder, read_volume),
        "evaluate --jobs 1": lambda: run_cli(folder, 1),
        "evaluate --jobs 2": lambda: run_cli(folder, 2),
    }
    read_all(folder, read_volume)  # into the page cache
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, work in competitors.items():
            found[name].append(timed(work))
            print(f"{name}: {found[name][-1][0]:.1f} s, processor {found[name][-1][1]:.1f} s")
    seconds = {name: min(f[0] for f in all_) for name, all_ in found.items()}
    processor = {name: min(f[1] for f in all_) for name, all_ in found.items()}
    one = processor["evaluate --jobs 1"]
    return {
        "cases": cases,
        "shape": [side] * 3,
        "files": 4 * cases,
        "compressed_bytes": sum(p.stat().st_size for p in folder.rglob("*.nii.gz")),
        "rounds": rounds,
        "seconds": seconds,
        "processor_seconds": processor,
        "evaluate_over_libdeflate": one / processor["inflate with libdeflate"],
        "evaluate_over_gzip": one / processor["read with gzip"],
        "evaluate_over_own_reader": one / processor["read with the package's reader"],
        "evaluate_over_gzip_by_the_clock": seconds["evaluate --jobs 1"] / seconds["read with gzip"],
        "speedup_of_two_readers": seconds["inflate with libdeflate"]
        / seconds["inflate with libdeflate, two processes"],
        "speedup_of_two_jobs": seconds["evaluate --jobs 1"] / seconds["evaluate --jobs 2"],
        "seconds_resumed": resumed(folder),
        "memory_mib": {"whole": peak(folder, 1 << 26), "slabs": peak(folder, side * side * 8)},
        "array_mib": {"case": 4 * side**3 / 2**20},
    }


def main() -> None:
    """Generate, measure and record."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--studies",
        nargs="+",
        default=["1000x96", "200x224"],
        metavar="CASESxSIDE",
        help="cases and the length of their three axes (default: 1000x96 200x224)",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    results = []
    for study in args.studies:
        cases, side = map(int, study.split("x"))
        with tempfile.TemporaryDirectory() as name:
            make_study(Path(name), cases, side)
            results.append(measure(Path(name), cases, side, args.rounds))
    machine = {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "isal": version("isal"),
        "deflate": version("deflate"),
        "load_average_before": load,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": "python -m benchmarks.speed.study", "machine": machine, "studies": results}
    args.out.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
