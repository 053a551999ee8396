"""Run what a table needs, and print it: of the paper beside its own numbers, or a comparison.

    python -m benchmarks.paper table 1 --data PREPARED --out RUNS
    python -m benchmarks.paper table losses --data PREPARED --runs dml1:uniform sdl:uniform

DATA is a prepared data set, a folder in the layout of QUBIQ, or a folder of several of them. Runs
that are finished are read, others are started or resumed; --finished reports on what there is.

Tables 1 to 8 are under cross-validation by patient. The comparisons "losses" (the first of --runs
against each other one) and "distillation" (of a student from a calibrated teacher; Tables 5 and 8
on soft labels) train on one folder of the data, calibrate on another and score a third.
"""

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from dice_semimetric_study import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text
from tqdm import tqdm

from . import parallel
from .book import Book, Table
from .claims import compare_columns
from .config import Config, add_options
from .figure import draw
from .notes import command, notes_of
from .recipe import FIXED, QUICK_FOLDS, Recipe, read_settings
from .report import summarize, to_csv, to_markdown
from .sources import find_sources
from .tables import TITLES, cells, expected

KEPT = "What was finished is kept: the same command goes on from there."
#: What a comparison uses unless it is given; the tables use the defaults of `Recipe`.
DEFAULTS: dict[Table, dict[str, Any]] = {
    "losses": {
        "folds": 0,
        "seeds": (0, 1, 2, 3, 4),
        "networks": ("unet",),
        "runs": ("dml1:uniform", "sdl:uniform", "dml1:majority", "sdl:majority"),
    },
    "calibration": {"folds": 0, "seeds": (0, 1, 2, 3, 4), "networks": ("unet",)},
    "distillation": {
        "folds": 0,
        "seeds": (0, 1, 2),
        "networks": ("unet-wide", "unet"),
        "bandwidths": (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2),
        "teacher_labels": "uniform",
        "teacher_epochs": 150,
    },
}


def make(table: Table, options: argparse.Namespace, recipe: Recipe) -> tuple[str, bool]:
    """Run a table and write its report; return it as Markdown, and whether all data were there."""
    sources, faults = find_sources(
        options.data, groups=options.groups, incomplete=options.incomplete
    )
    found = cells(table, sources, recipe)
    names = {source.name for source in sources}
    missing = [name for name in expected(table) if name not in names]
    if not found:
        raise UsageError(f"Table {table} needs other data: {', '.join(missing)} are not there")
    book = Book(options, recipe)
    used = {(s.name, config): s for cell in found for s, config in cell.parts}
    for (_, config), source in used.items():
        book.study(source).require_usable(config)  # before any training
    bar = tqdm(found, desc=f"Table {table}, cells", disable=None if parallel.first() else True)
    rows = [summarize(cell, book.results(cell)) for cell in bar]
    claims, shifts = compare_columns(table, found, lambda cell: book.results(cell)[0])
    claims = [] if recipe.quick else claims
    notes = [
        *notes_of(found, sources, book, rows),
        *(f"cannot be used: {fault}" for fault in faults),
    ]
    unused = sorted(set(recipe.of_data) - names)
    notes += [f"not there, though it has settings: {name}" for name in unused]
    notes.append(f"`{command(options.arguments)}`")
    if missing:
        notes.append(f"not there, of the paper's data: {', '.join(missing)}")
    text = to_markdown(table, found, rows, claims, notes, recipe.quick)
    if options.report is not None and parallel.first():
        write_text(options.report.with_suffix(".md"), text)
        write_text(options.report.with_suffix(".csv"), to_csv(table, rows, recipe.quick))
        all_of = {"cells": rows, "claims": claims, "against_baseline": shifts, "notes": notes}
        write_text(options.report.with_suffix(".json"), json.dumps(all_of, indent=1) + "\n")
        note = "QUICK RUN" if recipe.quick else "95 % intervals over patients"
        draw(table, shifts, options.report.with_suffix(".png"), note)
    return text, not faults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command ``table``."""
    add = parser.add_argument
    add("table", metavar="TABLE", help="1 to 8 of the paper, losses, calibration, or distillation",
        type=lambda name: int(name) if name.isdigit() else name, choices=list(TITLES))  # fmt: skip
    add("--data", type=Path, nargs="+", required=True, help="prepared data, or folders of them")
    add("--settings", type=Path, help="JSON: settings of single data sets, {name: {field: value}}")
    add("--out", type=Path, default=Path("paper-runs"), help="folder of the runs")
    add("--report", type=Path, help="write this name with .md, .csv, .json and .png")
    add("--quick", action="store_true", help="two folds and two epochs: no result")
    add("--finished", action="store_true", help="train nothing, report what there is")
    add("--restart", action="store_true", help="ignore what was run before")
    add("--folds", type=int, help="of the cross-validation (5); 0: the folders of the data")
    add("--fold-seed", type=int, default=0, help="which patients fall together")
    add("--only-folds", type=int, nargs="+", metavar="K",
        help="make these folds, from 0, and no others, which other processes can make")  # fmt: skip
    add("--seeds", type=int, nargs="+", help="of the training; each is a run of its own (0)")
    add("--networks", nargs="+", help="the teacher, then its students")
    add("--distil", action="store_true",
        help="in Table 4, distil on data of several raters too")  # fmt: skip
    add("--n-keys", type=int, help="of the kernel (default: 500)")
    add("--groups", type=Path, help="JSON list of {split, case, patient}")
    add("--incomplete", choices=("raise", "skip", "keep"), default="raise",
        help="what to do with a case that lacks raters")  # fmt: skip
    add("--device", default="cpu", help="cpu, cuda (default: cpu)")
    add("--workers", type=int, default=0, help="loading processes (default: 0)")
    add = parser.add_argument_group("without folds").add_argument
    add("--train-split", help="folder to train on (default: Training)")
    add("--test-split", default="Testing", help="folder to score (default: Testing)")
    add("--held-split", help="folder to calibrate on (default: Validation)")
    add = parser.add_argument_group("of the comparisons").add_argument
    add("--runs", nargs="+", metavar="LOSS:LABELS", help="losses: what is compared")
    add("--bandwidths", nargs="*", type=float, help="distillation: besides the best, 0.001")
    add("--sweep-seeds", nargs="+", type=int, help="of the bandwidths (default: 0)")
    add("--teacher-labels", help="what the teacher learns from")
    add("--teacher-epochs", type=int, help="passes that the teacher makes")
    group = parser.add_argument_group("settings that differ from the paper's")
    add_options(group, leave_out=FIXED)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the options describe."""
    table: Table = options.table
    given = {item.name: getattr(options, item.name, None) for item in fields(Recipe)}
    values = DEFAULTS.get(table, {}) | {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    known = {item.name for item in fields(Config)} - set(FIXED)
    folds = QUICK_FOLDS if options.quick else values.get("folds", Recipe.folds)
    if unknown := [k for k in options.only_folds or () if not 0 <= k < folds]:
        raise UsageError(f"--only-folds must be below the {folds} folds, got {unknown[0]}")
    recipe = Recipe(
        **values
        | {
            "chosen": {n: v for n, v in vars(options).items() if n in known and v is not None},
            "of_data": read_settings(options.settings) if options.settings else {},
            "paper": isinstance(table, int),
            "quick": options.quick and table != 6,  # which trains nothing
        }
    )
    return replace(recipe, folds=min(recipe.folds, QUICK_FOLDS)) if recipe.quick else recipe


def run(options: argparse.Namespace) -> None:
    """Run the command and print the table."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        recipe = recipe_of(options)
        prepare_folder(options.out)
        if options.report is not None:
            prepare_folder(options.report.parent)
        options.device = parallel.start(options.device)
        text, complete = make(options.table, options, recipe)
        if parallel.first():
            print(text)
    except (UsageError, ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}\n{KEPT}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted\n{KEPT}")
    finally:
        parallel.stop()
    if not complete:
        sys.exit("error: some data sets could not be used: see the end of the table")
