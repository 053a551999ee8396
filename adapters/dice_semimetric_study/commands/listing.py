"""What a run would do, without doing it: ``--dry-run``."""

from pathlib import Path

from ..cases.layout import CaseFiles
from ..cases.study import Study
from ..faults import Fault, printable
from ..results.tables import table
from ..runs.each import report


def print_files(study: Study) -> int:
    """Print the files of each case as a table, and return the exit status.

    The faults that show without reading go to stderr.
    """
    columns, found, faults = _files(study)
    report(faults)
    wrong = [next((f for f in reversed(files) if f.fault), None) for files in found]
    more = [Fault(f.case, f.task, f.fault) for f in wrong if f is not None]
    report(more)
    rows = [
        [f"{files[-1].case} {files[-1].task}"]
        + [_names(folder, f) for f, folder in zip(files, columns.values(), strict=True)]
        for files, fault in zip(found, wrong, strict=True)
        if fault is None
    ]
    # One line per row, whatever characters the file names hold.
    print(table(["case", *columns], [[printable(text) for text in row] for row in rows]))
    return 1 if faults or more else 0


def _files(study: Study) -> tuple[dict[str, Path | None], list[tuple[CaseFiles, ...]], list[Fault]]:
    """Return the columns with their folders, the files of each case in them, and what is alone."""
    if study.ref is None:
        return {"prediction": study.pred}, [(f,) for f in study.predictions()], []
    if study.pred is None:
        cases, faults = study.cases()
        return {"masks": study.ref}, [(c.reference,) for c in cases], faults
    pairs, faults = study.pairs()
    columns: dict[str, Path | None] = {"prediction": study.pred, "reference": study.ref}
    return columns, [(p.prediction, p.reference) for p in pairs], faults


def _names(folder: Path | None, files: CaseFiles) -> str:
    assert folder is not None  # or there were no files
    return ", ".join(p.relative_to(folder.absolute()).as_posix() for p in files.maps)
