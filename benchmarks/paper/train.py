"""Train a network on a data set in the layout of QUBIQ and score it on its test split.

    python -m benchmarks.paper.train DATASET --out RUN --labels uniform --loss dml1

The run's folder gets log.csv, checkpoint.pt, scores.csv (one line for each case) and result.json.
Started again with the same options, a run goes on after the last finished epoch and ends with the
result of an unbroken run.
"""

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text

from .cases import Case, Incomplete, read_split
from .config import Config, add_options, from_options
from .data import require_fit
from .evaluate import predict, score_cases
from .trainer import train, write_csv


def run(
    config: Config,
    data: Path,
    out: Path,
    *,
    test_split: str = "Testing",
    device: str = "cpu",
    workers: int = 0,
    restart: bool = False,
    incomplete: Incomplete = "raise",
) -> dict[str, Any]:
    """Read, train, score and write; return what result.json holds."""
    prepare_folder(out)
    train_cases = read_split(data, config.train_split, config.task, incomplete=incomplete)
    test_cases = read_split(data, test_split, config.task, incomplete=incomplete)
    return run_cases(
        config, train_cases, test_cases, out, device=device, workers=workers, restart=restart
    )


def run_cases(
    config: Config,
    train_cases: list[Case],
    test_cases: list[Case],
    out: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    restart: bool = False,
) -> dict[str, Any]:
    """Train on the one list of cases, score the other, write; return what result.json holds."""
    place = torch.device(device)
    require_fit(train_cases + test_cases, config)
    model, log = train(config, train_cases, out, device=place, workers=workers, restart=restart)
    probs = [predict(model, case, config.view) for case in test_cases]
    rows, summary = score_cases(probs, test_cases)
    write_csv(out / "scores.csv", rows)
    result = {
        "config": asdict(config),
        "train_cases": len(train_cases),
        "test_cases": len(test_cases),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_seconds": round(sum(line["seconds"] for line in log), 1),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "scores": summary,
    }
    write_text(out / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def use_determinism() -> None:
    """Ask torch for the same result from the same input; what cannot give it warns."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a run happens, which its result does not depend on."""
    parser.add_argument("--out", type=Path, required=True, help="folder for what the run writes")
    parser.add_argument("--test-split", default="Testing", help="the folder of cases to score")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="loading processes (default: 0)")
    parser.add_argument("--restart", action="store_true", help="ignore an existing checkpoint")
    parser.add_argument(
        "--incomplete",
        choices=("raise", "skip", "keep"),
        default="raise",
        help="what to do with cases that lack raters of the others (default: %(default)s)",
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", type=Path, help="folder with <split>/<case>/image.nii.gz")
    add_machine_options(parser)
    add_options(parser)
    options = parser.parse_args(arguments)
    use_determinism()
    try:
        result = run(
            from_options(options),
            options.data,
            options.out,
            test_split=options.test_split,
            device=options.device,
            workers=options.workers,
            restart=options.restart,
            incomplete=options.incomplete,
        )
    except (UsageError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    print(json.dumps(result["scores"], indent=2))


if __name__ == "__main__":
    main()
