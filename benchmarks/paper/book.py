"""The cells of a table, and the scores of the runs behind them."""

import argparse
from dataclasses import dataclass
from typing import Any

from .config import Config
from .recipe import Recipe
from .records import Scored, finished
from .scores import NAMES
from .sources import Source
from .study import Machine, Splits, Study

Table = int | str  # a number of the paper's, or the name of a comparison of ours
#: Not the paper's: against the raters' mean, over the pixels within 5 of a mark.
NEAR = ("ece_near", NAMES["ece_near"])
Parts = tuple[tuple[Source, Config], ...]


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    row: tuple[str, ...]
    column: tuple[str, ...]
    score: str = "dice"
    parts: Parts = ()  # whose mean it is; none for a method that is the paper's only
    value: float | None = None  # the number, from 0 to 1 or a count, where no run is needed
    paper: float | None = None  # the paper's number, in percent
    seeds: tuple[int, ...] = ()  # of the runs; none: those of the recipe


class Book:
    """The studies of the data sets, and the scores of what was run in them."""

    def __init__(self, options: argparse.Namespace, recipe: Recipe) -> None:
        self.options, self.recipe = options, recipe
        self.splits = Splits(recipe.folds, options.fold_seed, options.test_split)
        self.studies: dict[str, Study] = {}
        self.scored: dict[tuple[str, Config, tuple[int, ...]], Scored | None] = {}

    def study(self, source: Source) -> Study:
        """Return the study of a data set, made when first asked for."""
        if source.name not in self.studies:
            options = self.options
            out = options.out / ("quick" if self.recipe.quick else "") / folder_name(source.name)
            only, train = tuple(options.only_folds or ()), not options.finished
            work = Machine(options.device, options.workers, options.restart, train, only)
            self.studies[source.name] = Study(source.data, out, self.splits, work)
        return self.studies[source.name]

    def results(self, cell: Cell) -> list[Scored | None]:
        """Return the scores behind a cell, training what is missing."""
        seeds, found = cell.seeds or self.recipe.seeds, []
        for source, config in cell.parts:
            key = source.name, config, seeds
            if key not in self.scored:
                self.scored[key] = self.study(source).run(config, seeds)
            found.append(self.scored[key])
        return found

    def finished(self, source: Source, config: Config) -> list[bool]:
        """Return, for each part of an experiment, whether it is finished."""
        study = self.study(source)
        return [study.is_finished(part) for part in study.parts(config, self.recipe.seeds)]

    def written(self, source: Source, config: Config) -> dict[str, Any]:
        """Return what the first finished part of an experiment wrote of itself, if any."""
        study = self.study(source)
        parts = study.parts(config, self.recipe.seeds)
        return next((r for p in parts if (r := finished(p, study.folder(p)))), {})

    def network(self, source: Source, config: Config) -> str:
        """Return the name of a network, for the paper's what it is made of, and its size."""
        written = self.written(source, config)
        origin, size = written.get("network"), written.get("parameters")
        text = f"{config.model} ({origin})" if origin and origin != config.model else config.model
        return text + (f" with {size:,} parameters" if size else "")


def folder_name(name: str) -> str:
    """Return a data set's name as that of a folder."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".") or "data"
