"""What a page is made of: sections of cards, tables, diagrams and pictures, as plain values.

A command says what is in its page by these alone, and ``study.html`` draws them all alike. Texts
need no care: the templates escape them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..text import Ends, form_of, interval, number
from .charts import ReliabilityChart

DASH = "–"
#: What to know of any means by rater.
NOT_ONE_PERSON = "Means by rater are of use only where a name is the same person in every case."
#: Tones of a heat map, from none to the strongest; the style sheet has a class for each.
TONES = 10


@dataclass(frozen=True)
class Cell:
    """What is in a cell: its text, small print below, and a bar or a tone if it has one."""

    text: str
    note: str = ""
    tone: str = ""  # a class of the style sheet
    span: "Span | None" = None
    link: str = ""  # an anchor in this page


@dataclass(frozen=True)
class Span:
    """An interval and its mean as places on a scale from 0 to 100, with a line at ``zero``."""

    low: float
    mean: float
    high: float
    zero: float | None = None


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by each column; the first ``words`` columns are texts."""

    part: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1
    title: str = ""
    note: str = ""
    kind: str = ""  # "heat" for a matrix, whose columns are alike
    ends: str = ""  # the name of the intervals in small print, such as "95 % CI"

    @property
    def headings(self) -> list[tuple[str, str]]:
        """The names of the columns, each with that of its intervals if it has some."""
        known = [any(row[i].note for row in self.rows) for i in range(len(self.columns))]
        return [
            (name, self.ends if some and i >= self.words else "")
            for i, (name, some) in enumerate(zip(self.columns, known, strict=True))
        ]


@dataclass(frozen=True)
class Cards:
    """The numbers that come first."""

    part: ClassVar[str] = "cards"
    cards: Sequence[Any]


@dataclass(frozen=True)
class Words:
    """A paragraph, which may be a warning or small print."""

    part: ClassVar[str] = "words"
    text: str
    kind: str = ""  # "warning" or "note"


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram with its title and the names of its axes."""

    chart: ReliabilityChart
    task: str
    title: str
    text: str
    x: str
    y: str


@dataclass(frozen=True)
class Diagrams:
    """Reliability diagrams side by side."""

    part: ClassVar[str] = "diagrams"
    charts: Sequence[Reliability]
    title: str = ""


@dataclass(frozen=True)
class Drawn:
    """A case with its slice and the pictures of it, or the reason why there are none."""

    case: str
    task: str
    rank: str = ""  # such as "worst"
    figures: str = ""
    plane: Any = None
    pictures: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Gallery:
    """Cases with pictures: of the raters and, as ``shown`` says, of what was made of them."""

    part: ClassVar[str] = "gallery"
    cases: Sequence[Drawn]
    shown: str  # "prediction", "label" or "disagreement"


@dataclass(frozen=True)
class Section:
    """A section of a page, by its anchor and its title."""

    anchor: str
    title: str
    parts: Sequence[Any] = field(default_factory=tuple)


def value(found: float | None, ends: Ends = None) -> Cell:
    """Return a number with its interval below, or a dash."""
    return Cell(number(found, form_of(ends), DASH), interval(ends, joint=" to ", none=""))


def spans(cells: Sequence[tuple[float | None, Sequence[float | None] | None]]) -> list[Cell]:
    """Return numbers with intervals, each drawn on the scale that all of them share.

    Where some are below 0 and some above, a line stands at 0.
    """
    known = [v for mean, ends in cells for v in (mean, *(ends or ())) if v is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = 0.04 * ((high - low) or 1)
    low, high = low - room, high + room

    def place(found: float) -> float:
        return round(100 * (found - low) / (high - low), 2)

    zero = place(0) if low < 0 < high else None
    made = []
    for mean, ends in cells:
        cell = value(mean, ends)
        if mean is not None:
            around = [end for end in ends or () if end is not None] or [mean]
            cell = replace(cell, span=Span(place(around[0]), place(mean), place(around[-1]), zero))
        made.append(cell)
    return made


def heat(
    values: Sequence[Sequence[float | None]],
    form: str = ".3f",
    *,
    low: float | None = None,
    high: float | None = None,
) -> list[list[Cell]]:
    """Return numbers in tones that grow with them, from the least to the largest or as given."""
    known = [v for row in values for v in row if v is not None]
    low = min(known, default=0.0) if low is None else low
    high = max(known, default=1.0) if high is None else high
    width = max(high - low, 1e-9)

    def tone(found: float) -> str:
        return f"h{min(TONES - 1, max(0, int(TONES * (found - low) / width)))}"

    return [
        [Cell(number(v, form, DASH), tone="" if v is None else tone(v)) for v in row]
        for row in values
    ]
