"""What a run leaves behind: scores.csv, a row for each case, and result.json, which comes last."""

import csv
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study import UsageError
from dice_semimetric_study.files.atomic import write_text

from . import parallel
from .calibration import Predictor
from .config import Config
from .datasets import Prepared

Part = tuple[int, int]  # seed and fold


@dataclass(frozen=True)
class Scored:
    """The scores of one experiment, over the folds and seeds that are finished."""

    parts: list[Part]
    cases: np.ndarray  # of each row: the number of the scored case
    part_of: np.ndarray  # of each row: the place in ``parts``
    scores: dict[str, np.ndarray]  # of each row
    pooled: dict[str, list[float]] = field(default_factory=dict)  # of each part

    def mean(self, score: str) -> float:
        """Return the mean over the cases of all folds, as the paper aggregates them, and seeds."""
        values = self.pooled[score] if score in self.pooled else self.scores[score]
        return float(np.nanmean(values))

    def by_part(self, score: str) -> list[float]:
        """Return the score of each fold and seed."""
        if score in self.pooled:
            return self.pooled[score]
        values = self.scores[score]
        return [float(np.nanmean(values[self.part_of == k])) for k in range(len(self.parts))]


def join(found: Sequence[Scored]) -> Scored:
    """Return the scores of an experiment from those of its parts, sorted by case."""
    cases = np.concatenate([one.cases for one in found])
    part_of = np.repeat(np.arange(len(found)), [len(one.cases) for one in found])
    order = np.argsort(cases, kind="stable")
    shared = [name for name in found[0].scores if all(name in one.scores for one in found)]
    return Scored(
        [part for one in found for part in one.parts],
        cases[order],
        part_of[order],
        {name: np.concatenate([one.scores[name] for one in found])[order] for name in shared},
        {name: [one.pooled[name][0] for one in found] for name in found[0].pooled},
    )


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return a table as CSV, with every digit, so that what is read again is what was written."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read(config: Config, out: Path, cases: np.ndarray, data: Prepared) -> Scored:
    """Return the scores of a finished part, which must be of these cases."""
    with open(out / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if [row["case"] for row in rows] != [data.cases[case] for case in cases]:
        where = f"fold {config.fold} of {data.name}" if config.folds else data.name
        raise UsageError(
            f"{out / 'scores.csv'} scores other cases than {where} has: the data have changed; "
            "choose another --out, or start over with --restart"
        )
    scores = {n: np.array([float(row[n]) for row in rows]) for n in rows[0] if n != "case"}
    summary = json.loads((out / "result.json").read_text())["scores"]
    pooled = {name: [value] for name, value in summary.items() if name.endswith("_pooled")}
    part = config.seed - config.fold, config.fold
    return Scored([part], cases, np.zeros(len(cases), int), scores, pooled)


def run_name(config: Config) -> str:
    """Return the name of an experiment's folder."""
    words = [config.model, "ce" if config.ce_weight == 1 else config.loss]
    if config.distilled:
        words += ["kd", config.rung]
        if config.rung == "kde":
            words += [f"{config.bandwidth:g}"]
            words += ["soft-keys"] * (config.key_labels == "uniform")
        words += [f"from-{config.teacher_model}"]
    else:
        words += [config.labels]
    if config.calibration_weight:
        words += [f"with-{config.calibration_weight:g}-calibration"]
    words += ["held-fold"] * config.held_fold
    words += [config.calibration] * (config.calibration != "none")
    return "-".join([*words, *(["signal"] if config.signal else [])])


def finished(config: Config, out: Path) -> dict[str, Any] | None:
    """Return the result of a run with this configuration, if it was finished."""
    path = out / "result.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return None if config.differences(found["config"]) else found


def write(
    out: Path,
    config: Config,
    model: Predictor,
    log: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    scores: dict[str, float],
) -> None:
    """Write the scores of each case, and then what was run, on what, and the mean scores."""
    network = model.network
    result = {
        "config": asdict(config),
        "network": getattr(network, "origin", config.model),
        "parameters": sum(p.numel() for p in network.parameters()),
        "calibration": model.parameters,
        "training_seconds": round(sum(line["seconds"] for line in log), 1),
        "processes": parallel.size(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "cases": len(rows),
        "scores": scores,
    }
    write_text(out / "scores.csv", csv_text(rows))
    write_text(out / "result.json", json.dumps(result, indent=1) + "\n")
