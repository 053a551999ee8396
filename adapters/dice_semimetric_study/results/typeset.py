"""Means with their intervals as tables for a paper: LaTeX and Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..faults import UsageError, printable
from ..files.atomic import write_text
from .registry import Score
from .tables import parts_of
from .text import Ends, confidence, form_of, interval, number

_MARK = "dice-semimetric"  # in front of the first line, behind what starts a comment
_ESCAPED_IN_TEX = {c: f"\\{c}" for c in "{}$&#_%"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # at the start of a row it would be an option of the row before
}
_ESCAPED_IN_MARKDOWN = {c: f"\\{c}" for c in r"\`*_[]<>|~&$"}


@dataclass(frozen=True)
class Mean:
    """A mean and its interval; the best of a column is bold."""

    value: float | None
    ends: Ends
    best: bool = False


@dataclass(frozen=True)
class Typeset:
    """A table: the names of its columns, which of them are of means, and its rows."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Mean]]
    ends: str  # the name of the intervals
    note: str  # what the means are, for a comment


@dataclass(frozen=True)
class _Style:
    """How a kind of table writes text, what is best, and a minus."""

    escaped: Mapping[str, str]
    bold: str
    minus: str

    def text(self, text: str) -> str:
        """Return text that means itself."""
        return "".join(self.escaped.get(c, c) for c in printable(text))

    def cell(self, cell: str | Mean) -> str:
        """Return a name, or a value with its interval behind it."""
        if not isinstance(cell, Mean):
            return self.text(cell)
        value = number(cell.value, form_of(cell.ends), none="")
        value = self.bold.format(value) if cell.best else value
        ends = interval(cell.ends, none="")
        return (f"{value} ({ends})" if ends else value).replace("-", self.minus)


_IN_TEX = _Style(_ESCAPED_IN_TEX, r"\textbf{{{}}}", "$-$")
_IN_MARKDOWN = _Style(_ESCAPED_IN_MARKDOWN, "**{}**", "\u2212")


def means_table(summary: Mapping[str, Any], scores: Mapping[str, Score]) -> Typeset:
    """Return one row per task of a summary, and one for all of several tasks."""
    rows: list[list[str | Mean]] = []
    for task, part in (parts_of(summary) if summary["tasks"] else {}).items():
        ends, count = part.get("intervals", {}), next(iter(part["cases"].values()))
        rows.append([task, str(count), *(Mean(part[n], ends.get(n)) for n in scores)])
    heads = ["task", "cases", *(score.heading for score in scores.values())]
    note = [summary["aggregation"], *protocol_note(summary)]
    note += [summary["stopped"]] if "stopped" in summary else []
    return Typeset(heads, rows, confidence(summary), "; ".join(note))


def protocol_note(summary: Mapping[str, Any]) -> list[str]:
    """Return in a note which challenge the scores are of, if any."""
    protocol = summary.get("protocol")
    return [f"scores of protocol {protocol}"] if protocol else []


def require_typeset(path: Path) -> None:
    """Raise UsageError if the name of a table does not end as one that is known."""
    if path.suffix.lower() not in _KINDS:
        raise UsageError(
            f"--table must be the name of a file that ends in {' or '.join(_KINDS)}, got "
            f"{printable(str(path))!r}"
        )


def is_typeset(content: bytes) -> bool:
    """Return whether it is a table by this package."""
    return content.startswith(tuple(f"{start}{_MARK} ".encode() for start in ("% ", "<!-- ")))


def write_typeset(path: Path, table: Typeset) -> None:
    """Write a table as the ending of its name says: ``.tex`` or ``.md``."""
    write_text(path, _KINDS[path.suffix.lower()](table))


def latex(table: Typeset) -> str:
    """Return a table in LaTeX, for which the package booktabs is needed."""
    means = _of_means(table)
    heads = [[_IN_TEX.text(name) for name in table.heads]]
    if means:
        below = _IN_TEX.text(table.ends)
        heads.append([below if i in means else "" for i in range(len(table.heads))])
    rows = [[_IN_TEX.cell(cell) for cell in row] for row in table.rows]
    lines = [
        rf"% {_MARK} table, for \usepackage{{booktabs}}: {printable(table.note)}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}",
        r"\toprule",
        *(rf"{' & '.join(line)} \\" for line in heads),
        r"\midrule",
        *(rf"{' & '.join(line)} \\" for line in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def markdown(table: Typeset) -> str:
    """Return a table in Markdown, as GitHub reads it."""
    means = _of_means(table)
    names = [_IN_MARKDOWN.text(name) for name in table.heads]
    heads = [f"{n}<br>{table.ends}" if i in means else n for i, n in enumerate(names)]
    rule = [":---", *["---:"] * (len(heads) - 1)]
    rows = ([_IN_MARKDOWN.cell(cell) for cell in row] for row in table.rows)
    note = printable(table.note).replace("--", "- -")  # which would end the comment
    lines = (f"| {' | '.join(line)} |" for line in (heads, rule, *rows))
    return "\n".join([f"<!-- {_MARK} table: {note} -->", "", *lines, ""])


def _of_means(table: Typeset) -> set[int]:
    """Return the places of the columns that have intervals."""
    cells = ((i, cell) for row in table.rows for i, cell in enumerate(row))
    return {i for i, cell in cells if isinstance(cell, Mean) and interval(cell.ends) != "-"}


_KINDS: Mapping[str, Callable[[Typeset], str]] = {".tex": latex, ".md": markdown}
