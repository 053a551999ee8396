"""Distil a student from a wider teacher whose probabilities are calibrated: Tables 5 and 8.

    python -m benchmarks.paper.distill DATASET --out RUNS --seeds 0 1 2 --groups index.json \\
        --report benchmarks/results/lidc4-distillation

The teacher learns from soft labels, the students from the majority and the teacher. Students that
are finished are read, others are started or resumed; --finished reports on what there is.
"""

import argparse
import json
import platform
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text

from .cases import Case, read_split
from .compare import finished, groups_of, machine
from .config import Config, add_options, from_options
from .data import require_fit
from .distill_report import figure, markdown, paired_tests
from .distill_scores import read_scores, score
from .distill_teacher import judge_teacher, train_teacher
from .distill_training import (
    DistillConfig,
    StudentLoss,
    reach,
    teacher_probs,
    train_student,
    with_teacher,
)
from .evaluate import predict
from .train import add_machine_options, use_determinism
from .trainer import write_csv

#: The bandwidths of Table 8; its 0 is the rung without the kernel.
BANDWIDTHS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
#: Table 5, the teacher with a temperature, and keys labelled by all raters.
LADDER: dict[str, dict[str, Any]] = {
    "hard": {"rung": "hard"},
    "+ce": {"rung": "ce"},
    "+dml": {"rung": "dml"},
    "+temperature": {"rung": "temperature"},
    "+kde": {"rung": "kde"},
    "+kde, soft keys": {"rung": "kde", "key_labels": "uniform"},
}


def judge_signals(
    probs: dict[str, list[np.ndarray]], cases: list[Case], base: DistillConfig
) -> dict[str, dict[str, float]]:
    """Return the scores, on the training cases, of what the students of each rung hear."""
    found = {}
    for name, what in LADDER.items():
        if what["rung"] in ("hard", "ce"):
            continue
        loss = StudentLoss(replace(base, **what), epoch=0)
        heard = []
        for case, prob in zip(cases, _of_rung(probs, what["rung"]), strict=True):
            _, teacher, mean = np.split(with_teacher([case], [prob])[0].image[None], [-2, -1], 1)
            label = torch.tensor(mean > 0.5).to(torch.float32)
            signal = loss.signal(label, torch.tensor(teacher), torch.tensor(mean))
            heard.append(signal[0, 0].numpy())
        found[name] = score(heard, cases)[1]
    return found


def _of_rung(probs: dict[str, list[np.ndarray]], rung: str) -> list[np.ndarray]:
    return probs["temperature" if rung == "temperature" else "raw"]


def run_student(
    config: DistillConfig,
    train_cases: list[Case],
    test_cases: list[Case],
    out: Path,
    device: str,
    restart: bool,
) -> None:
    """Train one student, score it and write both."""
    prepare_folder(out)
    place = torch.device(device)
    model, log = train_student(config, train_cases, out, device=place, restart=restart)
    probs = [predict(model, case, config.view) for case in test_cases]
    rows, scores = score(probs, test_cases)
    write_csv(out / "scores.csv", rows)
    result = {
        "config": asdict(config),
        "training_seconds": round(sum(line["seconds"] for line in log), 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "scores": scores,
    }
    write_text(out / "result.json", json.dumps(result, indent=2) + "\n")


def students(base: DistillConfig, options: argparse.Namespace) -> dict[str, list[DistillConfig]]:
    """Return every student by the name of its row, seed by seed: the ladder, then the sweep."""
    rows: dict[str, list[DistillConfig]] = {
        name: [replace(base, seed=seed, **fields) for seed in options.seeds]
        for name, fields in LADDER.items()
    }
    for h in options.bandwidths:
        if h != base.bandwidth:
            rows[f"h = {h:g}"] = [
                replace(base, seed=s, rung="kde", bandwidth=h) for s in options.sweep_seeds
            ]
    return rows


def folder_of(config: DistillConfig) -> str:
    """Return the name of a student's folder."""
    kernel = f"-{config.key_labels}-{config.bandwidth:g}" if config.rung == "kde" else ""
    return f"{config.rung}{kernel}-seed{config.seed}"


def distill(base: DistillConfig, teacher_config: Config, options: argparse.Namespace) -> None:
    """Train what is missing and write the report."""
    prepare_folder(options.out)
    splits = {"train": base.train_split, "held": options.held_split, "test": options.test_split}
    cases = {
        name: read_split(options.data, split, base.task, incomplete=options.incomplete)
        for name, split in splits.items()
    }
    require_fit(cases["train"] + cases["held"] + cases["test"], base)
    reach(cases["train"], base)
    groups = groups_of(options.groups, options.test_split, cases["test"])
    teacher = train_teacher(teacher_config, cases, options.out / "teacher", options.device)
    judged, judged_rows, scaling = judge_teacher(teacher, cases, base.crop)
    raw = teacher_probs(teacher, cases["train"], base)
    probs = {"raw": raw, "temperature": [scaling.predict(p) for p in raw]}
    print(json.dumps(judged, indent=1), flush=True)
    rows = students(base, options)
    together = {name: with_teacher(cases["train"], p) for name, p in probs.items()}
    order = sorted(
        (config for row in rows.values() for config in row),
        key=lambda c: (c.key_labels != base.key_labels, c.bandwidth != base.bandwidth, c.seed),
    )
    for config in order:
        out = options.out / folder_of(config)
        if not options.finished and (options.restart or finished(config, out) is None):
            train_cases = _of_rung(together, config.rung)  # type: ignore[arg-type]
            run_student(config, train_cases, cases["test"], out, options.device, options.restart)
            print(out.name, finished(config, out)["scores"], flush=True)  # type: ignore[index]
    report = collect(rows, options)
    report["tests"] = paired_tests(report.pop("cases"), judged_rows, groups)
    report["teacher"] = judged
    report["signals"] = judge_signals(probs, cases["train"], base)
    report["config"] = asdict(base)
    report["teacher_config"] = asdict(teacher_config)
    report["counts"] = {name: len(found) for name, found in cases.items()}
    report["counts"]["patients"] = int(groups.max()) + 1
    report["versions"] = {"python": platform.python_version(), "torch": torch.__version__}
    report["machine"] = machine()
    report["command"] = command(base, options)
    text = markdown(report)
    print(text)
    if options.report is not None:
        write_text(options.report.with_suffix(".json"), json.dumps(report, indent=1) + "\n")
        write_text(options.report.with_suffix(".md"), text)
        figure(report, options.report.with_suffix(".png"))


def command(base: DistillConfig, options: argparse.Namespace) -> str:
    """Return the command that makes this report, without the places of this machine."""
    seeds, sweep = (" ".join(map(str, s)) for s in (options.seeds, options.sweep_seeds))
    words = ["python -m benchmarks.paper.distill DATASET --out RUNS"]
    words += [f"--seeds {seeds} --sweep-seeds {sweep}"]
    for item in fields(DistillConfig):
        value = getattr(base, item.name)
        if value != item.default and item.name != "labels":
            words.append(f"--{item.name.replace('_', '-')} {value}")
    return " ".join([*words, *(["--groups INDEX"] if options.groups else [])])


def collect(rows: dict[str, list[DistillConfig]], options: argparse.Namespace) -> dict[str, Any]:
    """Return the scores of the finished students, by row and seed."""
    report: dict[str, Any] = {"runs": {}, "cases": {}}
    for name, configs in rows.items():
        done = [(c, options.out / folder_of(c)) for c in configs]
        results = [(c, r, out) for c, out in done if (r := finished(c, out)) is not None]
        if not results:
            continue
        report["runs"][name] = {
            "seeds": [c.seed for c, _, _ in results],
            "bandwidth": results[0][0].bandwidth if results[0][0].rung == "kde" else None,
            "training_seconds": [r["training_seconds"] for _, r, _ in results],
            "parameters": results[0][1]["parameters"],
            "scores": {
                key: [r["scores"][key] for _, r, _ in results] for key in results[0][1]["scores"]
            },
        }
        report["cases"][name] = {c.seed: read_scores(out / "scores.csv") for c, _, out in results}
    return report


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.distill", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", type=Path, help="folder with <split>/<case>/image.nii.gz")
    parser.add_argument("--held-split", default="Validation", help="calibrates the teacher")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sweep-seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--bandwidths", nargs="*", type=float, default=list(BANDWIDTHS))
    parser.add_argument("--n-keys", type=int, default=500, help="keys an image (default: 500)")
    parser.add_argument("--teacher-model", default="unet-wide")
    parser.add_argument("--teacher-labels", default="uniform")
    parser.add_argument("--teacher-epochs", type=int, default=150)
    parser.add_argument("--groups", type=Path, help="JSON list of {split, case, patient}")
    parser.add_argument("--report", type=Path, help="write this name with .json, .md and .png")
    parser.add_argument("--finished", action="store_true", help="report only, train no student")
    add_machine_options(parser)
    add_options(parser, leave_out=("labels", "seed"))
    options = parser.parse_args(arguments)
    use_determinism()
    try:
        if options.report is not None:
            prepare_folder(options.report.parent)
        plain = from_options(options, labels="majority", seed=0)
        names = ("n_keys", "teacher_model", "teacher_labels", "teacher_epochs")
        extra = {name: getattr(options, name) for name in names}
        teacher = replace(
            plain,
            model=options.teacher_model,
            labels=options.teacher_labels,
            epochs=options.teacher_epochs,
        )
        distill(DistillConfig(**asdict(plain), **extra), teacher, options)
    except (UsageError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
