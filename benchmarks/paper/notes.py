"""What a reader must know of a table: data, settings, machine, what is missing."""

import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .book import Book, Cell
from .config import Config
from .recipe import FIXED
from .sources import Source


def notes_of(
    found: Sequence[Cell], sources: Sequence[Source], book: Book, rows: list[dict[str, Any]]
) -> list[str]:
    """Return what a reader must know of a table: data, settings, machine, what is missing."""
    used = {s.name: s for cell in found for s, _ in cell.parts} or {s.name: s for s in sources}
    notes, splits = [], book.splits
    for name, source in used.items():
        data = source.data
        text = (
            f"{name}: {len(data.cases)} cases of {len(set(data.patients))} patients, "
            f"{source.raters} rater{'s' * (source.raters > 1)}, {len(data)} images"
        )
        configs = [config for cell in found for s, config in cell.parts if s.name == name]
        if configs and not splits.folds:
            study = book.study(source)
            train, test = (study.cases(configs[0], role) for role in ("train", "test"))
            patients = len({data.patients[case] for case in test})
            text += f"; {len(train)} to train on, {len(test)} of {patients} patients to score"
        notes.append(f"{text}; {', '.join(settings_of(configs))}" if configs else text)
    parts = {(s.name, config): s for cell in found for s, config in cell.parts}
    models = sorted({book.network(s, c) for (_, c), s in parts.items() if not c.signal})
    if models:
        folds = f"{splits.folds} folds by patient" if splits.folds else "no folds"
        notes.append(f"{folds}; networks: {', '.join(models)}; {machine()}")
    students = [config for _, config in parts if config.distilled]
    if students:
        one = students[0]
        labels = "hard" if one.teacher_labels == "majority" else one.teacher_labels
        notes.append(
            f"teacher: {one.teacher_model} on {labels} labels, {one.teacher_epochs} epochs; "
            f"{one.n_keys} keys a batch"
        )
    who = "teacher's" if students else "network's"
    for (name, config), source in parts.items():
        fits = book.written(source, config).get("calibration", {})
        notes += [f"{name}: the {who} {what} is {value:.4g}" for what, value in fits.items()
                  if config.calibration != "none"]  # fmt: skip
    unfinished = sum(
        row["ours"] is None for row, cell in zip(rows, found, strict=True) if cell.parts
    )
    if unfinished:
        notes.append(f"{unfinished} cells have no finished run yet")
    done = [book.finished(source, config) for (_, config), source in parts.items()]
    if 0 < (made := sum(sum(runs) for runs in done)) < (asked := sum(map(len, done))):
        notes.append(f"{made} of {asked} runs, of a fold or a seed each, are finished")
    return notes


def settings_of(configs: Sequence[Config]) -> list[str]:
    """Return, as text, the settings of the training that all of these configurations share."""
    found = {
        item.name: {getattr(config, item.name) for config in configs}
        for item in fields(Config)
        if item.name not in set(FIXED) - {"labels", "loss", "model"}
    }
    return [f"{name} {values.pop()}" for name, values in found.items() if len(values) == 1]


def machine() -> str:
    """Return what the runs were made on, in words."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(s.partition(":")[2].strip() for s in lines if s.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = f"python {platform.python_version()}, numpy {np.__version__}"
    return (
        f"{platform.system()}, {name}, {os.cpu_count()} CPUs; {versions}, torch {torch.__version__}"
    )


def command(arguments: list[str]) -> str:
    """Return the command line without the folders of the machine that it ran on."""
    names = [Path(a).name if "/" in a else a for a in arguments]
    return f"python -m benchmarks.paper {shlex.join(names)}"
