"""What commands print: the files of a study for ``--dry-run``, and a summary."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..cases.layout import CaseFiles
from ..cases.study import Study
from ..faults import Fault, UsageError, printable, show
from ..files.json import json_text, write_json
from ..results.tables import table
from ..results.typeset import Typeset, is_typeset, require_typeset, write_typeset
from ..runs.each import report
from ..runs.output import is_summary, require_replaceable
from ..starting import STOPPED


def print_files(study: Study, note: str = "") -> int:
    """Print the files of each case as a table, and return the exit status.

    The faults that show without reading go to stderr, with a note before their reasons.
    """
    return print_table(*_files(study), note)


def print_table(
    columns: dict[str, Path | None],
    found: Sequence[tuple[CaseFiles, ...]],
    faults: list[Fault],
    note: str = "",
) -> int:
    """Print the files of each case in columns with their folders, and return the exit status."""
    wrong = [next((f for f in reversed(files) if f.fault), None) for files in found]
    more = [Fault(f.case, f.task, f.fault) for f in wrong if f is not None]
    report(replace(fault, reason=note + fault.reason) for fault in faults + more)
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


def where(args: argparse.Namespace) -> str:
    """Return where the results are, and the page if there is one."""
    return f"results in {args.out}" + (f", report in {args.report}" if args.report else "")


def status_of(summary: dict[str, Any]) -> int:
    """Return the exit status of a command."""
    return STOPPED if "stopped" in summary else 1 if summary["faults"] else 0


def check_json(args: argparse.Namespace, *reads: Path | None) -> None:
    """Raise UsageError, before any work is done, if ``--json`` names a file that must stay."""
    if args.json not in (None, "-"):
        require_replaceable(Path(args.json), "--json", reads, is_summary, args.out)
        page = vars(args).get("report")
        if page is not None and Path(args.json).resolve() == page.resolve():
            raise UsageError(f"--json and --report are both {page}: give two names")


def check_tables(args: argparse.Namespace, *reads: Path | None) -> None:
    """Raise UsageError, before any work is done, if a ``--table`` cannot be written."""
    for path in args.table:
        require_typeset(path)
        require_replaceable(path, "--table", reads, is_typeset, args.out)


def write_tables(args: argparse.Namespace, found: Typeset) -> None:
    """Write the tables for a paper that ``--table`` asks for."""
    for path in args.table:
        write_typeset(path, found)


def print_summary(args: argparse.Namespace, summary: dict[str, Any], text: str) -> None:
    """Write the summary where ``--json`` asks for it, and print the text unless that is stdout."""
    if "stopped" in summary:
        text = f"{summary['stopped']}: of the others nothing is known\n\n{text}"
    target = vars(args).get("json")  # some commands have no such option
    if target == "-":
        print(json_text(summary), end="")
    elif target is not None:
        check_json(args)  # it may be the name of a table, which is there now
        write_json(Path(target), summary)
    if target != "-" and not args.quiet:
        show(text)
