"""What a run would do, without doing it: ``--dry-run``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..cases.layout import CaseFiles
from ..cases.study import Study
from ..faults import Fault, printable
from ..results.tables import table
from ..runs.each import report


def print_cases(study: Study) -> int:
    """Print the cases of a study with their raters, and return the exit status."""
    cases, faults = study.cases()
    report(faults)
    faults += _faults([c.reference for c in cases])
    folder = _absolute(study.ref)
    _print(
        ["case", "masks"],
        [
            [f"{c.case} {c.task}", _names(folder, c.reference.masks.values())]
            for c in cases
            if not c.reference.fault
        ],
    )
    return 1 if faults else 0


def print_pairs(study: Study) -> int:
    """Print the pairs of predictions and references, and return the exit status."""
    pairs, faults = study.pairs()
    report(faults)
    faults += _faults([p.reference if p.reference.fault else p.prediction for p in pairs])
    pred, ref = _absolute(study.pred), _absolute(study.ref)
    rows = [
        [f"{p.case} {p.task}", _names(pred, p.prediction.maps), _names(ref, p.reference.maps)]
        for p in pairs
        if not (p.reference.fault or p.prediction.fault)
    ]
    _print(["case", "prediction", "reference"], rows)
    return 1 if faults else 0


def print_predictions(study: Study) -> int:
    """Print the predictions of a study without references, and return the exit status."""
    found = study.predictions()
    faults = _faults(found)
    pred = _absolute(study.pred)
    rows = [[f"{c.case} {c.task}", _names(pred, c.maps)] for c in found if not c.fault]
    _print(["case", "prediction"], rows)
    return 1 if faults else 0


def _faults(cases: Sequence[CaseFiles]) -> list[Fault]:
    faults = [Fault(c.case, c.task, c.fault) for c in cases if c.fault]
    report(faults)
    return faults


def _absolute(folder: Path | None) -> Path:
    assert folder is not None  # or the study had raised
    return folder.absolute()


def _names(folder: Path, paths: Iterable[Path]) -> str:
    return ", ".join(p.relative_to(folder).as_posix() for p in paths)


def _print(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with one line per row, whatever characters the file names hold."""
    print(table(names, [[printable(text) for text in row] for row in rows]))
