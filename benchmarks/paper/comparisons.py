"""Comparisons that are not the paper's: their rows are runs, and their columns scores."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from .book import Cell
from .config import CALIBRATIONS, Config
from .recipe import BEST_BANDWIDTH, Recipe
from .scores import NAMES
from .sources import Source

#: Table 5, the teacher with a temperature, and keys labelled by all raters.
LADDER: dict[str, dict[str, str]] = {
    "hard": {"rung": "hard"},
    "+ce": {"rung": "ce"},
    "+dml": {"rung": "dml"},
    "+temperature": {"rung": "temperature"},
    "+kde": {"rung": "kde"},
    "+kde, soft keys": {"rung": "kde", "key_labels": "uniform"},
}

#: Of the calibration error beside DML + CE, unless it is given.
CALIBRATION_WEIGHT = 1.0


def losses(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return a row for each loss on each kind of labels."""
    found = []
    for source in sources:
        for run in recipe.runs:
            loss, _, labels = run.partition(":")
            labels = labels or "uniform"
            config = recipe.plain(source, recipe.networks[0], loss=loss, labels=labels)
            for score in ("dice", "bdice", "ece_seen", "ece_seen_pooled"):
                row = (source.name, f"{loss} : {labels}")
                found.append(Cell(row, (NAMES[score],), score, ((source, config),)))
    return found


def calibration(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return a row for each way to a calibrated network: none, in training, and afterwards."""
    found = []
    for source in sources:
        config = recipe.plain(source, recipe.networks[0], held_fold=recipe.folds > 0)
        plain = replace(config, calibration_weight=0.0)
        weight = config.calibration_weight or CALIBRATION_WEIGHT
        ways = {"DML + CE": plain, "with the term": replace(config, calibration_weight=weight)}
        for method in CALIBRATIONS[1:]:
            ways[method] = replace(plain, calibration=method, held_split=recipe.held_split)
        found += [
            Cell((source.name, name), (NAMES[score],), score, ((source, way),))
            for name, way in ways.items()
            for score in ("dice", "bdice", "ece_near", "ece_near_pooled", "brier_near")
        ]
    return found


def distillation(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return the rows of `_distilled`, with all scores but the ECE over all pixels."""
    return [
        Cell((source.name, name), (NAMES[score],), score, ((source, config),), seeds=seeds)
        for source in sources
        for name, config, seeds in _distilled(source, recipe)
        for score in NAMES
        if score not in ("ece", "brier_near")
    ]


def _distilled(source: Source, recipe: Recipe) -> Iterator[tuple[str, Config, tuple[int, ...]]]:
    """Yield the teacher calibrated, what students learn from it, students, and bandwidths."""
    make = partial(recipe.student, source, recipe.student_model)
    students = {name: make(**fields) for name, fields in LADDER.items()}
    teacher = students["+dml"].teacher
    yield "teacher, raw", teacher, (0,)
    for method in CALIBRATIONS[1:]:
        held = recipe.held_split
        yield f"teacher, {method}", replace(teacher, calibration=method, held_split=held), (0,)
    for name, student in students.items():
        if student.rung not in ("hard", "ce"):
            yield f"signal, {name}", replace(student, signal=True), (0,)
    for name, student in students.items():
        yield f"student, {name}", student, recipe.seeds
    if recipe.bandwidths:
        yield "h, 0", students["+dml"], recipe.sweep_seeds
        for h in sorted({*recipe.bandwidths, BEST_BANDWIDTH}):
            yield f"h, {h:g}", make("kde", bandwidth=h), recipe.sweep_seeds
