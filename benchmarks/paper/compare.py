"""Train several losses and label kinds over several seeds, and compare them case by case.

    python -m benchmarks.paper.compare DATASET --out RUNS --runs dml1:uniform sdl:uniform \\
        --seeds 0 1 2 3 4 --groups index.json --report benchmarks/results/lidc4-losses

Runs that are finished are read, others are started or resumed. The first of ``--runs`` is compared
with each other one.
"""

import argparse
import csv
import json
import os
import platform
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text

from .cases import Case, read_split
from .config import Config, add_options, from_options
from .report import markdown
from .statistics import paired_test
from .train import add_machine_options, run_cases, use_determinism

SCORES = ("dice", "bdice", "ece")


def finished(config: Config, out: Path) -> dict[str, Any] | None:
    """Return the result of a run with this configuration, if it was finished."""
    path = out / "result.json"
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return None if config.differences(result["config"]) else result


def case_scores(out: Path) -> dict[str, np.ndarray]:
    """Return each score of a finished run as an array over cases."""
    with open(out / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in SCORES}


def groups_of(path: Path | None, split: str, cases: list[Case]) -> np.ndarray:
    """Return the number of each case's patient; without a file every case is its own."""
    if path is None:
        return np.arange(len(cases))
    patients = {(e["split"], e["case"]): e["patient"] for e in json.loads(path.read_text())}
    absent = [case.name for case in cases if (split, case.name) not in patients]
    if absent:
        raise ValueError(f"{path} names no patient for {', '.join(absent)} of {split}")
    return np.unique([patients[split, case.name] for case in cases], return_inverse=True)[1]


def compare(base: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Train what is missing and return the report as plain values."""
    prepare_folder(options.out)
    train_cases, test_cases = (
        read_split(options.data, split, base.task, incomplete=options.incomplete)
        for split in (base.train_split, options.test_split)
    )
    groups = groups_of(options.groups, options.test_split, test_cases)
    report: dict[str, Any] = {"runs": {}, "tests": {}}
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name in options.runs:
        loss, _, labels = name.partition(":")
        results, tables = [], []
        for seed in options.seeds:
            config = replace(base, loss=loss, labels=labels or base.labels, seed=seed)
            out = options.out / f"{config.loss}-{config.labels}-seed{seed}"
            prepare_folder(out)
            result = None if options.restart else finished(config, out)
            if result is None:
                result = run_cases(
                    config,
                    train_cases,
                    test_cases,
                    out,
                    device=options.device,
                    workers=options.workers,
                    restart=options.restart,
                )
            results.append(result)
            tables.append(case_scores(out))
        report["runs"][name] = summary(results)
        scores[name] = {key: np.mean([t[key] for t in tables], axis=0) for key in SCORES}
    first, *others = options.runs
    for other in others:
        report["tests"][f"{first} - {other}"] = {
            key: paired_test(scores[first][key], scores[other][key], groups) for key in SCORES
        }
    report["config"] = {k: v for k, v in results[0]["config"].items() if k not in VARIED}
    report["seeds"] = options.seeds
    report["cases"] = {"train": len(train_cases), "test": len(test_cases)}
    report["groups"] = int(groups.max()) + 1
    report["parameters"] = results[0]["parameters"]
    report["versions"] = results[0]["versions"]
    report["machine"] = machine()
    return report


VARIED = ("loss", "labels", "seed")


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every seed's scores, their mean and their sample standard deviation."""
    table: dict[str, Any] = {"training_seconds": [r["training_seconds"] for r in results]}
    for key in results[0]["scores"]:
        values = [r["scores"][key] for r in results]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        table[key] = {"seeds": values, "mean": float(np.mean(values)), "std": spread}
    return table


def machine() -> str:
    """Return what the runs were made on, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(s.partition(":")[2].strip() for s in lines if s.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{platform.system()}, {name}, {os.cpu_count()} CPUs"


def command(arguments: list[str], program: str = "benchmarks.paper.compare") -> str:
    """Return the command line without the folders of the machine that it ran on."""
    names = [Path(a).name if "/" in a else a for a in arguments]
    return f"python -m {program} {shlex.join(names)}"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", type=Path, help="folder with <split>/<case>/image.nii.gz")
    parser.add_argument("--runs", nargs="+", required=True, metavar="LOSS:LABELS")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--groups", type=Path, help="JSON list of {split, case, patient}")
    parser.add_argument("--report", type=Path, help="write this name with .json and .md")
    add_machine_options(parser)
    add_options(parser, leave_out=("loss", "seed"))
    options = parser.parse_args(arguments)
    use_determinism()
    try:
        if options.report is not None:
            prepare_folder(options.report.parent)
        report = compare(from_options(options), options)
    except (UsageError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    report["command"] = command(sys.argv[1:] if arguments is None else arguments)
    text = markdown(report)
    if options.report is not None:
        write_text(options.report.with_suffix(".json"), json.dumps(report, indent=2) + "\n")
        write_text(options.report.with_suffix(".md"), text)
    print(text)


if __name__ == "__main__":
    main()
