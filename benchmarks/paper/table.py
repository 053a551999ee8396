"""Run what a table of the paper needs, and print it beside the paper's own numbers.

    python -m benchmarks.paper table 1 --data PREPARED --out RUNS

DATA is a prepared data set, a folder in the layout of QUBIQ, or a folder of several of them. Runs
that are finished are read, others are started or resumed; --finished reports on what there is.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dice_semimetric_study.faults import UsageError
from dice_semimetric_study.files.atomic import prepare_folder, write_text
from tqdm import tqdm

from . import parallel
from .claims import compare_columns
from .compare import command, finished, machine
from .config import Config, add_options
from .crossval import Machine, Scored, Study
from .distill_training import DistillConfig
from .recipe import FIXED, NETWORKS, QUICK_FOLDS, Recipe, read_settings
from .sources import Source, find_sources
from .table_figure import draw
from .table_report import summarize, to_csv, to_markdown
from .tables import TITLES, Cell, cells, expected
from .train import use_determinism

KEPT = "What was finished is kept: the same command goes on from there."


class Book:
    """The studies of the data sets, and the scores of what was run in them."""

    def __init__(self, options: argparse.Namespace, recipe: Recipe) -> None:
        self.options, self.recipe = options, recipe
        self.studies: dict[str, Study] = {}
        self.scored: dict[tuple[str, Config], Scored | None] = {}

    def study(self, source: Source) -> Study:
        """Return the study of a data set, made when first asked for."""
        if source.name not in self.studies:
            options = self.options
            out = options.out / ("quick" if self.recipe.quick else "") / folder_name(source.name)
            study = Study(
                source.data,
                out,
                folds=QUICK_FOLDS if self.recipe.quick else options.folds,
                fold_seed=options.fold_seed,
                machine=Machine(
                    options.device, options.workers, options.restart, not options.finished
                ),
            )
            study.require_foreground()
            self.studies[source.name] = study
        return self.studies[source.name]

    def results(self, cell: Cell) -> list[Scored | None]:
        """Return the scores behind a cell, training what is missing."""
        for source, config in cell.parts:
            if (source.name, config) not in self.scored:
                self.scored[source.name, config] = self.study(source).run(config)
        return [self.scored[source.name, config] for source, config in cell.parts]

    def network(self, source: Source, config: Config) -> str:
        """Return the name of a network and, for the paper's, what it is made of."""
        study = self.study(source)
        for fold in range(study.folds):
            one = study.of_fold(config, fold)
            origin = (finished(one, study.folder(one)) or {}).get("network")
            if origin and origin != config.model:
                return f"{config.model} ({origin})"
        return config.model


def folder_name(name: str) -> str:
    """Return a data set's name as that of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".") or "data"


def make(number: int, options: argparse.Namespace, recipe: Recipe) -> tuple[str, bool]:
    """Run a table and write its report; return it as Markdown, and whether all data were there."""
    sources, faults = find_sources(
        options.data, groups=options.groups, incomplete=options.incomplete
    )
    found = cells(number, sources, recipe)
    names = {source.name for source in sources}
    missing = [name for name in expected(number) if name not in names]
    if not found:
        raise UsageError(f"Table {number} needs other data: {', '.join(missing)} are not there")
    book = Book(options, recipe)
    for source in {s.name: s for cell in found for s, _ in cell.parts}.values():
        book.study(source)  # faults of the data are told before any training
    bar = tqdm(found, desc=f"Table {number}, cells", disable=parallel.quiet())
    rows = [summarize(cell, book.results(cell)) for cell in bar]
    claims, shifts = compare_columns(number, found, lambda cell: book.results(cell)[0])
    claims = [] if recipe.quick else claims
    notes = [
        *notes_of(found, sources, options, book, rows),
        *(f"cannot be used: {f}" for f in faults),
    ]
    unused = sorted(set(recipe.of_data) - names)
    notes += [f"not there, though it has settings: {name}" for name in unused]
    notes.append(f"`{command(options.arguments, 'benchmarks.paper')}`")
    if missing:
        notes.append(f"not there, of the paper's data: {', '.join(missing)}")
    text = to_markdown(number, found, rows, claims, notes, recipe.quick)
    if options.report is not None and parallel.first():
        write_text(options.report.with_suffix(".md"), text)
        write_text(options.report.with_suffix(".csv"), to_csv(number, rows, recipe.quick))
        if shifts:
            tests = {"claims": claims, "against_baseline": shifts, "notes": notes}
            write_text(options.report.with_suffix(".json"), json.dumps(tests, indent=1) + "\n")
        note = "QUICK RUN" if recipe.quick else "95 % intervals over patients"
        draw(number, shifts, options.report.with_suffix(".png"), note)
    return text, not faults


def notes_of(
    found: Sequence[Cell],
    sources: Sequence[Source],
    options: argparse.Namespace,
    book: "Book",
    rows: list[dict[str, Any]],
) -> list[str]:
    """Return what a reader must know of a table: data, settings, machine, what is missing."""
    used = {s.name: s for cell in found for s, _ in cell.parts} or {s.name: s for s in sources}
    notes = []
    for name, source in used.items():
        data = source.data
        text = (
            f"{name}: {len(data.cases)} cases of {len(set(data.patients))} patients, "
            f"{source.raters} rater{'s' * (source.raters > 1)}, {len(data)} images"
        )
        configs = [config for cell in found for s, config in cell.parts if s.name == name]
        notes.append(f"{text}; {', '.join(settings_of(configs))}" if configs else text)
    models = sorted({book.network(s, config) for cell in found for s, config in cell.parts})
    if models:
        folds = QUICK_FOLDS if book.recipe.quick else options.folds
        notes.append(f"{folds} folds by patient; networks: {', '.join(models)}; {machine()}")
    students = [c for cell in found for _, c in cell.parts if isinstance(c, DistillConfig)]
    if students:
        one = students[0]
        notes.append(f"teacher: {one.teacher_model} on hard labels; {one.n_keys} keys a batch")
    unfinished = sum(
        row["ours"] is None for row, cell in zip(rows, found, strict=True) if cell.parts
    )
    if unfinished:
        notes.append(f"{unfinished} cells have no finished run yet")
    return notes


def settings_of(configs: Sequence[Config]) -> list[str]:
    """Return, as text, the settings that all of these configurations share."""
    found = {
        item.name: {getattr(config, item.name) for config in configs}
        for item in fields(Config)
        if item.name not in ("task", "train_split", "folds", "fold", "seed")
    }
    return [f"{name} {values.pop()}" for name, values in found.items() if len(values) == 1]


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command ``table``."""
    parser.add_argument("number", type=int, choices=sorted(TITLES), help="of the table")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="prepared data, or folders of them"
    )
    parser.add_argument(
        "--settings", type=Path, help="JSON: settings of single data sets, {name: {field: value}}"
    )
    parser.add_argument("--out", type=Path, default=Path("paper-runs"), help="folder of the runs")
    parser.add_argument(
        "--report", type=Path, help="write this name with .md, .csv, .json and .png"
    )
    parser.add_argument("--quick", action="store_true", help="two folds and two epochs: no result")
    parser.add_argument(
        "--finished", action="store_true", help="train nothing, report what there is"
    )
    parser.add_argument("--restart", action="store_true", help="ignore what was run before")
    parser.add_argument("--folds", type=int, default=5, help="of the cross-validation (default: 5)")
    parser.add_argument("--fold-seed", type=int, default=0, help="which patients fall together")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS.values()),
                        help="the teacher, then its students")  # fmt: skip
    parser.add_argument("--distil", action="store_true",
                        help="in Table 4, distil on data of several raters too")  # fmt: skip
    parser.add_argument("--n-keys", type=int, default=500, help="of the kernel (default: 500)")
    parser.add_argument("--groups", type=Path, help="JSON list of {split, case, patient}")
    parser.add_argument("--incomplete", choices=("raise", "skip", "keep"), default="raise",
                        help="what to do with a case that lacks raters")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu, cuda (default: cpu)")
    parser.add_argument("--workers", type=int, default=0, help="loading processes (default: 0)")
    group = parser.add_argument_group("settings that differ from the paper's")
    add_options(group, leave_out=FIXED, unset=True)


def run(options: argparse.Namespace) -> None:
    """Run the command and print the table."""
    names = {item.name for item in fields(Config)} - set(FIXED)
    chosen = {n: v for n, v in vars(options).items() if n in names and v is not None}
    use_determinism()
    try:
        recipe = Recipe(
            chosen,
            read_settings(options.settings) if options.settings else {},
            tuple(options.networks),
            options.distil,
            options.n_keys,
            options.quick and options.number != 6,  # which trains nothing
        )
        prepare_folder(options.out)
        if options.report is not None:
            prepare_folder(options.report.parent)
        options.device = parallel.start(options.device)
        text, complete = make(options.number, options, recipe)
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
