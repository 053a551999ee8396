"""Prepare a data set once: read what was downloaded, window, resize, and write arrays.

    python -m benchmarks.paper prepare qubiq RAW --out PREPARED
    python -m benchmarks.paper prepare lits RAW --out PREPARED/lits
    python -m benchmarks.paper prepare kits RAW --out PREPARED/kits
    python -m benchmarks.paper prepare qubiq-layout RAW --out PREPARED

A run that was stopped is started again with the same command: what is done and has its checksums
stays. Cases that cannot be prepared are named, the others are prepared, and the exit code is 1.
"""

import argparse
import json
import sys
from pathlib import Path

from dice_semimetric_study import Fault, UsageError
from dice_semimetric_study.faults import printable

from .datasets.prepared import INDEX
from .datasets.preparing import Plan, prepare
from .datasets.qubiq import plans_layout, plans_qubiq
from .datasets.scans import KITS, LITS, STRUCTURES, plan_scans

KINDS = ("qubiq", "lits", "kits", "qubiq-layout")
SIZES = {"qubiq": 256, "lits": 512, "kits": 512, "qubiq-layout": 0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("kind", choices=KINDS, help="how the raw data lie")
    parser.add_argument("raw", type=Path, help="the folder of the download")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is prepared")
    parser.add_argument(
        "--size", type=int, help="side to resize to, 0: none (default: the paper's)"
    )
    parser.add_argument(
        "--structure", choices=STRUCTURES, default="tumour", help="what is segmented in a scan"
    )
    parser.add_argument(
        "--incomplete",
        choices=("raise", "skip", "keep"),
        default="raise",
        help="a case without all raters is named, left out, or kept (default: %(default)s)",
    )
    parser.add_argument("--groups", type=Path, help="JSON list of {split, case, patient}")
    parser.add_argument("--subset", action="store_true", help="cases may be missing altogether")
    parser.add_argument("--restart", action="store_true", help="do everything anew")


def run(options: argparse.Namespace) -> None:
    """Run the command; exit with 1 if cases are faulty, with 2 if it cannot start."""
    try:
        faults: list[Fault] = []
        for out, plan in plans(options).items():
            faults += prepare(plan, out, restart=options.restart)
            print(summary(out), flush=True)
    except (UsageError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    if faults:
        print(f"{len(faults)} faults; they are in {INDEX} too", file=sys.stderr)
        sys.exit(1)


def plans(options: argparse.Namespace) -> dict[Path, Plan]:
    """Return what there is to prepare, by where it goes."""
    size = SIZES[options.kind] if options.size is None else options.size
    if size < 0:
        raise UsageError(f"--size must be at least 0, got {size}")
    out: Path = options.out
    if options.kind in ("lits", "kits"):
        kind = LITS if options.kind == "lits" else KITS
        chosen = {"structure": options.structure, "subset": options.subset}
        return {out: plan_scans(kind, options.raw, size=size, **chosen)}
    given = {"size": size, "incomplete": options.incomplete}
    if options.kind == "qubiq":
        tasks = plans_qubiq(options.raw, subset=options.subset, **given)
    else:
        tasks = plans_layout(options.raw, groups=options.groups, **given)
    return {out / folder: plan for folder, plan in tasks.items()}


def summary(out: Path) -> str:
    """Return what a folder holds, in one line."""
    index = json.loads((out / INDEX).read_text())
    files = [case[kind] for case in index["cases"] for kind in ("image", "labels") if case[kind]]
    slices = sum(len(case["slices"]) for case in index["cases"])
    return (
        f"{out.name}: {len(index['cases'])} cases, {slices} slices, "
        f"{sum(file['size'] for file in files) / 1e6:.1f} MB; "
        f"{len(index['left_out'])} left out, {len(index['faults'])} faults"
    )
