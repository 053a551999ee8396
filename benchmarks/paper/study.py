"""The engine: one data set, and the experiments on it, trained, calibrated, scored and kept.

Each part of an experiment, a fold or a seed, has a folder of its own, from which a killed run goes
on: checkpoint.pt and log.csv after each epoch, then scores.csv, and result.json last.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dice_semimetric_study import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, remove_parts
from tqdm import tqdm

from . import parallel
from .calibration import Predictor
from .cases import Case
from .config import Config
from .crops import require_fit
from .datasets import Prepared
from .distillation import reach, signals, student_data
from .records import Scored, finished, join, read, run_name, write
from .samples import load_samples, validation_folds
from .scores import score_samples
from .trainer import train


@dataclass(frozen=True)
class Machine:
    """Where runs happen, which their results do not depend on."""

    device: str = "cpu"
    workers: int = 0
    restart: bool = False
    train: bool = True  # False: read what is finished
    only_folds: tuple[int, ...] = ()  # the folds to make; none: all


@dataclass(frozen=True)
class Splits:
    """Which cases are trained on, calibrated on, and scored: folds by patient, or folders."""

    folds: int = 5  # 0: the folders of the data, below
    fold_seed: int = 0
    test: str = "Testing"


class Study:
    """A data set under one way to split it; runs lie in ``out/<name of the run>/<part>``."""

    def __init__(
        self,
        data: Prepared,
        out: Path,
        splits: Splits | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.data, self.out = data, out
        self.splits, self.machine = splits or Splits(), machine or Machine()
        self.held: list[np.ndarray] = []
        if self.splits.folds:
            try:
                self.held = validation_folds(
                    data.patients, self.splits.folds, seed=self.splits.fold_seed
                )
            except ValueError as error:
                raise UsageError(f"{data.name}: {error}") from error
        self._loaded: dict[str, tuple[Any, Sequence[Case]]] = {}
        self._trained: set[Path] = set()
        self._made: set[Path] = set()
        self._marks: dict[int, bool] = {}

    def parts(self, config: Config, seeds: Sequence[int] = (0,)) -> list[Config]:
        """Return the parts of an experiment: each seed, and with it each fold."""
        folds = self.splits.folds
        return [
            replace(config, folds=folds, fold=fold, seed=seed + fold)
            for seed in seeds
            for fold in range(folds or 1)
        ]

    def cases(self, config: Config, role: str) -> np.ndarray:
        """Return the numbers of the cases with a role: "train", "held" or "test"."""
        if self.splits.folds:
            if role == "held" and not config.held_fold:
                raise UsageError("calibration is fitted to a folder of cases: it needs --folds 0")
            test, held = (self.held[(config.fold + k) % self.splits.folds] for k in (0, 1))
            left_out = np.union1d(test, held) if config.held_fold else test
            train = np.setdiff1d(np.arange(len(self.data.cases)), left_out)
            return {"test": test, "held": held, "train": train}[role]
        places = {"train": config.train_split, "test": self.splits.test}
        places["held"] = config.held_split
        name, there = places[role], self.data.splits or {}
        if name not in there:
            raise UsageError(
                f"{self.data.name} has no case in a folder {name}, it has "
                f"{', '.join(there) or 'no folders'}; name another by --{role}-split"
            )
        return np.array(there[name], int)

    def require_usable(self, config: Config) -> None:
        """Raise an error, before any training, about cases that cannot be used as is asked."""
        roles = {"test": "scored" if self.splits.folds == 0 else "validation", "train": "training"}
        faults = []
        for part in self.parts(config):
            for role, name in roles.items():
                numbers = self.cases(part, role)
                if not any(self._marked(case) for case in numbers):
                    where = f"fold {part.fold}" if self.splits.folds else "the data"
                    faults.append(f"{where} has none in its {len(numbers)} {name} cases")
        if faults:
            raise UsageError(
                f"{self.data.name} has folds without any case with foreground: "
                f"{'; '.join(faults)}; choose other --folds or --fold-seed"
            )
        cases = self.samples(self.parts(config)[0], "train")
        require_fit(cases, config)
        if config.distilled and config.teacher_sees == "image":
            reach(cases, config)

    def _marked(self, case: int) -> bool:
        if case not in self._marks:
            samples = self.data.samples_of(case)
            self._marks[case] = any(
                bool((self.data.raters(i) == self.data.classes).any()) for i in samples
            )
        return self._marks[case]

    def samples(self, config: Config, role: str) -> Sequence[Case]:
        """Return the samples of the cases with a role; the last ones are kept."""
        split = (config.folds, config.fold, config.held_fold, config.train_split, config.held_split)
        key = (*split, config.size)
        if self._loaded.get(role, (None, ()))[0] != key:
            loaded = load_samples(self.data, self.cases(config, role), config.size)
            self._loaded[role] = key, loaded
        return self._loaded[role][1]

    def folder(self, config: Config) -> Path:
        """Return where a part lies."""
        first = config.seed - config.fold
        name = f"fold{config.fold}" if config.folds else f"seed{first}"
        return self.out / run_name(config) / (name + f"-seed{first}" * bool(config.folds and first))

    def run(self, config: Config, seeds: Sequence[int] = (0,)) -> Scored | None:
        """Return the scores of an experiment, making what is missing; None if none is there."""
        found = []
        for part in self.parts(config, seeds):
            if not self.is_finished(part):
                if not self.makes(part):
                    continue
                self.make(part)
            numbers = self.cases(part, "train" if part.signal else "test")
            cases = np.array([c for c in numbers if len(self.data.samples_of(c))], int)
            found.append(read(part, self.folder(part), cases, self.data))
        return join(found) if found else None

    def makes(self, config: Config) -> bool:
        """Return whether this process makes a part that is missing."""
        only = self.machine.only_folds
        return self.machine.train and (not only or config.fold in only)

    def is_finished(self, config: Config) -> bool:
        """Return whether a part need not be made; all are made once if all are to start over."""
        out = self.folder(config)
        stale = self.machine.restart and self.machine.train and out not in self._made
        return not stale and finished(config, out) is not None

    def make(self, config: Config) -> None:
        """Train one part, its teacher before it, calibrate and score it, and write all."""
        out = self.folder(config)
        if parallel.first():
            prepare_folder(out)
            remove_parts(out)
        parallel.wait()
        try:
            self._score(config)
        except OSError as error:  # such as a full disk, which does not name the file
            raise UsageError(f"{out}: {error}") from error
        self._made.add(out)
        parallel.wait()

    def _score(self, config: Config) -> None:
        out, role = self.folder(config), "train" if config.signal else "test"
        model, log = self._teacher(config) if config.signal else self._predictor(config)
        if not parallel.first():
            return
        cases = self.samples(config, role)
        if config.signal:
            probs: Any = signals(config, model, cases)
        else:
            probs = (model.predict(case, config.view) for case in cases)
        rows, summary = score_samples(probs, cases)
        write(out, config, model, log, rows, summary)
        shown = ", ".join(f"{name} {100 * value:.2f}" for name, value in summary.items())
        tqdm.write(f"{self.out.name} {out.parent.name} {out.name}: {shown}", file=sys.stderr)

    def _predictor(self, config: Config) -> tuple[Predictor, list[dict[str, Any]]]:
        """Return a trained network, calibrated if it is to be, and the log of its training."""
        plain = replace(config, calibration="none")
        if config.calibration == "none":
            return self._train(config)
        self.cases(config, "held")  # raises before any training
        if not self.is_finished(plain):
            self.make(plain)
        model, log = self._train(plain)
        return model.calibrated(config.calibration, self.samples(config, "held"), config.view), log

    def _teacher(self, config: Config) -> tuple[Predictor, list[dict[str, Any]]]:
        """Return the teacher of a student, trained now if it is not there."""
        if not self.is_finished(config.teacher):
            self.make(config.teacher)
        return self._predictor(config.teacher)

    def _train(self, config: Config) -> tuple[Predictor, list[dict[str, Any]]]:
        """Train a network, or read the one that was trained."""
        out = self.folder(config)
        cases, objective = self.samples(config, "train"), None
        channels = cases[0].image.shape[0]
        require_fit(cases, config)
        if config.distilled:
            cases, objective = student_data(config, self._teacher(config)[0], cases)
        model, log = train(
            config,
            cases,
            out,
            device=torch.device(self.machine.device),
            workers=self.machine.workers,
            restart=self.machine.restart and out not in self._trained,
            objective=objective,
            channels=channels,
        )
        self._trained.add(out)
        return Predictor(model), log
