"""Comparisons that are not the paper's: their rows are runs, and their columns scores."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .cell import Cell
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


def _scores_of(
    names: Sequence[str], row: tuple[str, str], source: Source, config: Config, *seeds: int
) -> list[Cell]:
    """Return one row: several scores of one run."""
    parts = ((source, config),)
    return [Cell(row, (NAMES[name],), name, parts, seeds=seeds) for name in names]


def losses(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return a row for each loss on each kind of labels."""
    found = []
    for source in sources:
        for run in recipe.runs:
            loss, _, labels = run.partition(":")
            labels = labels or "uniform"
            config = recipe.plain(source, recipe.networks[0], loss=loss, labels=labels)
            names = ("dice", "bdice", "ece_seen", "ece_seen_pooled")
            found += _scores_of(names, (source.name, f"{loss} : {labels}"), source, config)
    return found


def distillation(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return the teacher calibrated, what students learn from it, students, and bandwidths."""
    names = [name for name in NAMES if name != "ece"]
    found = []
    for source in sources:
        make = partial(recipe.student, source, recipe.student_model)
        students = {name: make(**fields) for name, fields in LADDER.items()}
        teacher = students["+dml"].teacher

        def row(kind: str, name: str, config: Config, *seeds: int) -> list[Cell]:
            place = (source.name, f"{kind}, {name}")  # noqa: B023
            return _scores_of(names, place, source, config, *seeds)  # noqa: B023

        for method in CALIBRATIONS:
            calibrated = replace(teacher, calibration=method, held_split=recipe.held_split)
            calibrated = teacher if method == "none" else calibrated
            found += row("teacher", "raw" if method == "none" else method, calibrated, 0)
        for name, student in students.items():
            if student.rung not in ("hard", "ce"):
                found += row("signal", name, replace(student, signal=True), 0)
        for name, student in students.items():
            found += row("student", name, student)
        if recipe.bandwidths:
            found += row("h", "0", students["+dml"], *recipe.sweep_seeds)
        for h in sorted({*recipe.bandwidths, BEST_BANDWIDTH} if recipe.bandwidths else ()):
            found += row("h", f"{h:g}", make("kde", bandwidth=h), *recipe.sweep_seeds)
    return found
