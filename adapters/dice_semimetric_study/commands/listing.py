"""What a run would do, without doing it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..cases.layout import CaseFiles, Raters, find_cases
from ..evaluate.evaluate import Sides
from ..faults import Fault, printable
from ..results.tables import table
from ..runs.each import report


def list_cases(
    folder: Path, *, pattern: str | None, raters: Raters, follow_links: bool
) -> tuple[str, list[Fault]]:
    """Return the cases of a folder with their raters, as a table, and the faults that show."""
    cases = find_cases(folder, pattern=pattern, raters=raters, follow_links=follow_links)
    faults = _faults(cases)
    rows = [[f"{c.case} {c.task}", _names(folder, c.masks.values())] for c in cases if not c.fault]
    return _printable(["case", "masks"], rows), faults


def list_pairs(sides: Sides) -> tuple[str, list[Fault]]:
    """Return the pairs of two folders as a table, and the faults that show without reading."""
    pairs, faults = sides.pairs()
    report(faults)
    faults += _faults([p.reference if p.reference.fault else p.prediction for p in pairs])
    pred, ref = sides.pred.absolute(), sides.ref.absolute()
    rows = [
        [f"{p.case} {p.task}", _side(pred, p.prediction), _side(ref, p.reference)]
        for p in pairs
        if not (p.reference.fault or p.prediction.fault)
    ]
    return _printable(["case", "prediction", "reference"], rows), faults


def _faults(cases: Sequence[CaseFiles]) -> list[Fault]:
    faults = [Fault(c.case, c.task, c.fault) for c in cases if c.fault]
    report(faults)
    return faults


def _side(folder: Path, files: CaseFiles) -> str:
    return _names(folder, files.masks.values() or [p for p in (files.label,) if p])


def _names(folder: Path, paths: Iterable[Path]) -> str:
    return ", ".join(p.relative_to(folder).as_posix() for p in paths)


def _printable(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with one line a row, whatever characters the file names hold."""
    return table(names, [[printable(text) for text in row] for row in rows])
