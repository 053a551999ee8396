"""What each of the paper's tables consists of: which runs stand behind which cell.

On data that the paper does not have, the rows are the same under the data's own name, without
numbers of the paper.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dice_semimetric import dice_score, majority_vote

from . import comparisons
from .book import NEAR, Cell, Table
from .config import Config
from .paper_numbers import BANDWIDTHS, LABELS, LOSS_COLUMNS, RIVALS, TERMS, numbers
from .recipe import NETWORKS, Recipe
from .sources import QUBIQ, SCANS, Source

TITLES: dict[Table, str] = {
    1: "Labels on data of several raters",
    2: "Against other methods on data of several raters (BDice, %)",
    3: "Hard labels, label smoothing and distillation",
    4: "SDL against DML (BDice on soft labels, Dice of a student, %)",
    5: "The terms of distillation (Dice, %)",
    6: "Each rater against the majority",
    7: "CE against CE with DML, on hard labels (Dice, %)",
    8: "The kernel's bandwidth (Dice, %)",
    "losses": "Losses and labels, trained on one folder and scored on another",
    "distillation": "Distillation from a calibrated teacher",
    "calibration": "Calibrated in training or afterwards",
}
HEADS: dict[Table, tuple[str, ...]] = {
    1: ("Data", "Score"),
    3: ("Network", "Score"),
    "losses": ("Data", "Loss : labels"),
    "distillation": ("Data", "What"),
    "calibration": ("Data", "Calibrated"),
}


def cells(table: Table, sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    """Return the cells of a table for the data sets at hand, row by row."""
    known = numbers(table) if isinstance(table, int) else {}
    return [
        replace(cell, paper=known.get((" | ".join(cell.row), " | ".join(cell.column))))
        for cell in BUILDERS[table](sources, recipe)
    ]


def rated(sources: Sequence[Source]) -> list[Source]:
    """Return the data sets of several raters, the paper's first."""
    several = [s for s in sources if s.raters > 1]
    return sorted(several, key=lambda s: QUBIQ.index(s.name) if s.name in QUBIQ else len(QUBIQ))


def scanned(sources: Sequence[Source]) -> list[Source]:
    """Return LiTS, KiTS, and data that are not the paper's."""
    others = [s for s in sources if s.name not in QUBIQ]
    return sorted(others, key=lambda s: SCANS.index(s.name) if s.name in SCANS else len(SCANS))


def expected(table: Table) -> tuple[str, ...]:
    """Return the paper's data sets in a table."""
    qubiq = QUBIQ if table in (1, 2, 4, 6, 7) else ()
    return qubiq + (SCANS if table in (3, 4, 5, 7, 8) else ())


def _row(
    row: Sequence[str], columns: Iterable[tuple[str, Config | None]], score: str, source: Source
) -> list[Cell]:
    return [
        Cell(tuple(row), (name,), score, () if config is None else ((source, config),))
        for name, config in columns
    ]


def _with_mean(found: list[Cell], name: str) -> list[Cell]:
    """Return the cells and the means over the paper's sets of raters in rows called ``name``."""
    pooled: dict[tuple[tuple[str, ...], tuple[str, ...]], Cell] = {}
    known = [cell for cell in found if cell.row[0] in QUBIQ]
    for cell in known if len({cell.row[0] for cell in known}) > 1 else []:
        row = (name, *cell.row[1:])
        before = pooled.get((row, cell.column), Cell(row, cell.column, cell.score))
        pooled[row, cell.column] = replace(before, parts=before.parts + cell.parts)
    return [*found, *pooled.values()]


def soft_labels(source: Source, recipe: Recipe) -> str:
    """Return the soft labels of Table 4, whose raters are weighted if they can be."""
    return "weighted" if recipe.persons(source) else "uniform"


def _table_1(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    found = []
    for source in rated(sources):
        columns = {
            name: recipe.plain(source, recipe.networks[0], labels=name.lower())
            if name != "Weighted" or recipe.persons(source)
            else None
            for name in LABELS
        }
        for score, name in (("dice", "Dice"), ("bdice", "BDice"), ("ece", "ECE"), NEAR):
            found += _row((source.name, name), columns.items(), score, source)
    return _with_mean(found, "All")


def _table_2(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    found = []
    for source in rated(sources):
        labels = "uniform" if source.name == "Brain tumor T2" else soft_labels(source, recipe)
        ours = recipe.plain(source, recipe.networks[0], labels=labels)
        columns = [(name, ours if name == "Ours" else None) for name in RIVALS]
        found += _row((source.name,), columns, "bdice", source)
    return _with_mean(found, "All")


def _table_3(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    shown = {model: name for name, model in NETWORKS.items()}
    teacher, found = recipe.networks[0], []
    for model in recipe.networks:
        for score in ("Dice", "ECE"):
            for source in scanned(sources):
                columns = {
                    "Hard": recipe.plain(source, model, labels="majority"),
                    "LS": recipe.plain(source, model, labels="ls"),
                    "KD": None if model == teacher else recipe.student(source, model, "kde"),
                }
                row = (shown.get(model, model), score)
                found += [
                    replace(cell, column=(source.name, *cell.column))
                    for cell in _row(row, columns.items(), score.lower(), source)
                ]
    return found


def _table_4(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    losses = ("sdl", "dml1", "dml2")

    def by_labels(name: str, source: Source, score: str = "bdice") -> list[Cell]:
        net = recipe.networks[0]
        labels = soft_labels(source, recipe)
        soft = [recipe.plain(source, net, labels=labels, loss=loss) for loss in losses]
        columns = [recipe.plain(source, net, labels="majority"), *soft]
        return _row((name,), zip(LOSS_COLUMNS, columns, strict=True), score, source)

    def by_teacher(name: str, source: Source) -> list[Cell]:
        net = recipe.student_model
        distilled = [recipe.student(source, net, "dml", loss=loss) for loss in losses]
        columns = [recipe.student(source, net, "hard"), *distilled]
        return _row((name,), zip(LOSS_COLUMNS, columns, strict=True), "dice", source)

    qubiq = [s for s in rated(sources) if s.name in QUBIQ]
    pooled = _with_mean([c for s in qubiq for c in by_labels(s.name, s)], "QUBIQ")
    found = pooled[-len(LOSS_COLUMNS) :]  # the mean alone, as in the paper
    for source in scanned(sources):
        if source.raters > 1:
            name = f"{source.name}, {soft_labels(source, recipe)} labels"
            found += by_labels(name, source)
            found += by_labels(f"{name}, {NEAR[1]}", source, NEAR[0])
        if source.raters == 1 or recipe.distil:
            name = source.name if source.name in SCANS else f"{source.name}, distilled"
            found += by_teacher(name, source)
    return found


def _students(
    sources: Sequence[Source], recipe: Recipe, columns: dict[str, dict[str, Any]]
) -> list[Cell]:
    """Return the rows of LiTS, KiTS and others, with a student in each column."""
    found = []
    for source in scanned(sources):
        make = partial(recipe.student, source, recipe.student_model)
        found += _row((source.name,), [(n, make(**f)) for n, f in columns.items()], "dice", source)
    return found


def _table_5(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    return _students(sources, recipe, {term: {"rung": term.lower()} for term in TERMS})


def _table_6(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    some = rated(sources)
    counts = [Cell(("# Raters",), (s.name,), "count", value=float(s.raters)) for s in some]
    return counts + [Cell(("Dice",), (s.name,), "dice", value=rater_agreement(s)) for s in some]


def rater_agreement(source: Source) -> float:
    """Return the mean over samples and raters of a rater's Dice score with the strict majority."""
    data, found = source.data, []
    for index in range(len(data)):
        masks = data.raters(index) == data.classes
        found += [float(dice_score(mask, majority_vote(masks))) for mask in masks]
    return float(np.mean(found))


def _table_7(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    net, found = recipe.networks[0], []
    qubiq = tuple(s for s in rated(sources) if s.name in QUBIQ)
    columns = ([("QUBIQ", qubiq)] if qubiq else []) + [(s.name, (s,)) for s in scanned(sources)]
    for row, fields in (("CE", {"ce_weight": 1.0}), ("DML", {})):
        for name, some in columns:
            parts = tuple((s, recipe.plain(s, net, labels="majority", **fields)) for s in some)
            found.append(Cell((row,), (name,), "dice", parts))
    return found


def _table_8(sources: Sequence[Source], recipe: Recipe) -> list[Cell]:
    columns = {h: {"rung": "kde", "bandwidth": float(h)} for h in BANDWIDTHS}
    return _students(sources, recipe, columns | {"0": {"rung": "dml"}})


BUILDERS: dict[Table, Callable[[Sequence[Source], Recipe], list[Cell]]] = {
    1: _table_1,
    2: _table_2,
    3: _table_3,
    4: _table_4,
    5: _table_5,
    6: _table_6,
    7: _table_7,
    8: _table_8,
    "losses": comparisons.losses,
    "distillation": comparisons.distillation,
    "calibration": comparisons.calibration,
}
