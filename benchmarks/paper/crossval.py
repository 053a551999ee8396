"""One data set under cross-validation: its folds, and the runs that were made on them."""

import csv
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text
from torch import nn

from . import checkpoint, parallel
from .case_scores import SCORES, score_samples
from .cases import Case
from .compare import finished
from .config import Config
from .data import require_fit
from .datasets import Prepared
from .distill_training import DistillConfig, listening, teacher_of
from .evaluate import predict
from .folds import validation_folds
from .model import build_model
from .samples import load_samples
from .trainer import train, write_csv


@dataclass(frozen=True)
class Machine:
    """Where runs happen, which their results do not depend on."""

    device: str = "cpu"
    workers: int = 0
    restart: bool = False
    train: bool = True  # False: read what is finished


@dataclass(frozen=True)
class Scored:
    """The scores of one configuration, over the folds that are finished."""

    folds: list[int]
    cases: np.ndarray  # numbers of the scored cases, in the data set's order
    scores: dict[str, np.ndarray]  # of each of these cases
    fold_of: np.ndarray

    def mean(self, score: str) -> float:
        """Return the mean over the cases of all folds, as the paper aggregates them."""
        return float(np.nanmean(self.scores[score]))

    def of_folds(self, score: str) -> list[float]:
        """Return the mean of each fold."""
        values = self.scores[score]
        return [float(np.nanmean(values[self.fold_of == fold])) for fold in self.folds]


class Study:
    """A data set, its folds, and the folder of its runs.

    Parameters
    ----------
    data : Prepared
        The data set.
    out : Path
        Its runs lie in ``<out>/<name of the run>/fold<k>``.
    folds, fold_seed : int, optional
        Of `validation_folds`.
    machine : Machine, optional
        Where runs happen.
    """

    def __init__(
        self,
        data: Prepared,
        out: Path,
        *,
        folds: int = 5,
        fold_seed: int = 0,
        machine: Machine | None = None,
    ) -> None:
        self.data, self.out, self.folds = data, out, folds
        self.machine = machine or Machine()
        try:
            self.held = validation_folds(data.patients, folds, seed=fold_seed)
        except ValueError as error:
            raise UsageError(f"{data.name}: {error}") from error
        self._loaded: tuple[tuple[int, int], Sequence[Case], Sequence[Case]] | None = None
        self._fresh: set[Path] = set()

    def require_foreground(self) -> None:
        """Raise UsageError naming the folds that cannot be learned from or scored on."""
        marked = np.array([self._marked(case) for case in range(len(self.data.cases))])
        parts = [
            (fold, name, cases)
            for fold, held in enumerate(self.held)
            for name, cases in (("validation", marked[held]), ("training", np.delete(marked, held)))
        ]
        faults = [
            f"fold {fold} has none in its {len(cases)} {name} cases"
            for fold, name, cases in parts
            if not cases.any()
        ]
        if faults:
            raise UsageError(
                f"{self.data.name} has folds without any case with foreground: "
                f"{'; '.join(faults)}; choose other --folds or --fold-seed"
            )

    def _marked(self, case: int) -> bool:
        samples = self.data.samples_of(case)
        return any(bool((self.data.raters(i) == self.data.classes).any()) for i in samples)

    def samples(self, fold: int, size: int) -> tuple[Sequence[Case], Sequence[Case]]:
        """Return the training and the validation samples of a fold; the last ones are kept."""
        if self._loaded is None or self._loaded[0] != (fold, size):
            held = self.held[fold]
            others = np.setdiff1d(np.arange(len(self.data.cases)), held)
            parts = [load_samples(self.data, cases, size) for cases in (others, held)]
            self._loaded = ((fold, size), parts[0], parts[1])
        return self._loaded[1:]

    def folder(self, config: Config) -> Path:
        """Return where a run lies."""
        return self.out / run_name(config) / f"fold{config.fold}"

    def run(self, config: Config) -> Scored | None:
        """Return the scores of a configuration, training what is missing; None if none is there."""
        found = {}
        for fold in range(self.folds):
            one = self.of_fold(config, fold)
            if not self.is_finished(one):
                if not self.machine.train:
                    continue
                self.train_fold(one)
            found[fold] = self._read(one)
        if not found:
            return None
        cases = np.concatenate([self.scored_cases(fold) for fold in found])
        order = np.argsort(cases)
        return Scored(
            list(found),
            cases[order],
            {s: np.concatenate([f[s] for f in found.values()])[order] for s in SCORES},
            np.concatenate([np.full(len(f[SCORES[0]]), fold) for fold, f in found.items()])[order],
        )

    def is_finished(self, config: Config) -> bool:
        """Return whether a run need not be made; all are made once if all are to start over."""
        out = self.folder(config)
        stale = self.machine.restart and self.machine.train and out not in self._fresh
        return not stale and finished(config, out) is not None

    def of_fold(self, config: Config, fold: int) -> Config:
        """Return the configuration of one fold, which has a seed of its own."""
        return replace(config, folds=self.folds, fold=fold, seed=config.seed + fold)

    def scored_cases(self, fold: int) -> np.ndarray:
        """Return the numbers of a fold's validation cases that have samples."""
        return np.array([c for c in self.held[fold] if len(self.data.samples_of(c))], int)

    def train_fold(self, config: Config) -> None:
        """Train one fold, its teacher before it, score it, and write both."""
        out = self.folder(config)
        teacher = self._teacher(config) if isinstance(config, DistillConfig) else None
        training, held = self.samples(config.fold, config.size)
        require_fit(training, config)
        if parallel.first():
            prepare_folder(out)
        parallel.wait()
        try:
            self._train_and_score(config, training, held, teacher)
        except OSError as error:  # such as a full disk, which does not name the file
            raise UsageError(f"{out}: {error}") from error
        self._fresh.add(out)
        parallel.wait()

    def _train_and_score(
        self,
        config: Config,
        training: Sequence[Case],
        held: Sequence[Case],
        teacher: nn.Module | None,
    ) -> None:
        out, machine = self.folder(config), self.machine
        model, log = train(
            config,
            training,
            out,
            device=torch.device(machine.device),
            workers=machine.workers,
            restart=machine.restart,
            objective=None if teacher is None else listening(config, teacher),  # type: ignore[arg-type]
        )
        if not parallel.first():
            return
        rows = score_samples((predict(model, case, config.view) for case in held), held)
        write_csv(out / "scores.csv", rows)
        written = result(config, model, log, rows)
        write_text(out / "result.json", json.dumps(written, indent=1) + "\n")
        shown = ", ".join(f"{name} {100 * value:.2f}" for name, value in written["scores"].items())
        print(f"{out.parent.parent.name} {out.parent.name} {out.name}: {shown}", file=sys.stderr)

    def _teacher(self, config: DistillConfig) -> nn.Module:
        """Return the teacher that never saw this fold, trained now if it is not there."""
        wanted = teacher_of(config)
        out = self.folder(wanted)
        if not self.is_finished(wanted):
            self.train_fold(wanted)
        place = torch.device(self.machine.device)
        state = checkpoint.load(out / "checkpoint.pt", wanted, place)
        if state is None:
            raise UsageError(f"{out} holds no checkpoint of the teacher; start over with --restart")
        channels = self.samples(config.fold, config.size)[0][0].image.shape[0]
        model = build_model(wanted.model, channels).to(place)
        model.load_state_dict(state["model"])
        return model

    def _read(self, config: Config) -> dict[str, np.ndarray]:
        path = self.folder(config) / "scores.csv"
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        expected = [self.data.cases[case] for case in self.scored_cases(config.fold)]
        if [row["case"] for row in rows] != expected:
            raise UsageError(
                f"{path} scores other cases than fold {config.fold} of {self.data.name} has: the "
                "data have changed; choose another --out, or start over with --restart"
            )
        return {score: np.array([float(row[score]) for row in rows]) for score in SCORES}


def run_name(config: Config) -> str:
    """Return the name of a configuration's folder."""
    words = [config.model, "ce" if config.ce_weight == 1 else config.loss]
    if isinstance(config, DistillConfig):
        words += ["kd", config.rung, *([f"{config.bandwidth:g}"] if config.rung == "kde" else [])]
        words += [f"from-{config.teacher_model}"]
    else:
        words += [config.labels]
    return "-".join(words)


def result(
    config: Config, model: nn.Module, log: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return what result.json holds: what was run, on what, and the mean scores."""
    return {
        "config": asdict(config),
        "network": getattr(model, "origin", config.model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_seconds": round(sum(line["seconds"] for line in log), 1),
        "processes": parallel.size(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "cases": len(rows),
        "scores": {score: float(np.nanmean([row[score] for row in rows])) for score in SCORES},
    }
