"""One number of a table, and the experiments behind it."""

from dataclasses import dataclass

from .config import Config
from .scores import NAMES
from .sources import Source

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
