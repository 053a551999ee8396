"""Which patient a case is of: cases of one patient are alike, and are drawn together."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..faults import UsageError, printable
from ..files.text import read_small

_COLUMNS = ("case", "patient")


@dataclass(frozen=True)
class Patients:
    """The patient of each case; by default each case is a patient of its own.

    Attributes
    ----------
    of_case : dict, optional
        The patient of each case, by name.
    pattern : str, optional
        A regular expression that is searched in the name of the case. The patient is its first
        group, or all that it matches.
    """

    of_case: dict[str, str] = field(default_factory=dict)
    pattern: str | None = None

    def of(self, case: str) -> str:
        """Return the patient of a case, or raise UsageError if none is known."""
        if self.pattern is not None:
            found = re.search(self.pattern, case)
            if found is None:
                name = printable(case)
                raise UsageError(f"--patient-pattern {self.pattern!r} does not match case {name}")
            return (found.group(1) if found.re.groups else found.group()) or ""
        if self.of_case and case not in self.of_case:
            raise UsageError(f"the table of --patients has no case {printable(case)}")
        return self.of_case.get(case, case)

    def of_all(self, cases: Iterable[str]) -> dict[str, str]:
        """Return the patients of cases, or raise UsageError before any work is done."""
        return {case: self.of(case) for case in cases}


def read_patients(path: Path) -> Patients:
    """Read a CSV table with the columns case and patient.

    Raises
    ------
    UsageError
        If it cannot be read, lacks a column or a value, or gives a case two patients.
    """
    found: dict[str, str] = {}
    try:
        with io.StringIO(read_small(path), newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{path} must have the columns case, patient; {missing[0]} is not there"
                )
            for row in reader:
                case, patient = (row[c] or "" for c in _COLUMNS)
                if not case or not patient:
                    raise UsageError(f"line {reader.line_num} of {path} lacks a case or a patient")
                if found.setdefault(case, patient) != patient:
                    raise UsageError(f"{path} gives case {printable(case)} two patients")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read the patients in {path}: {error}") from error
    if not found:
        raise UsageError(f"{path} names no case")
    return Patients(found)


def match_patients(pattern: str) -> Patients:
    """Return patients found in the names of the cases.

    Raises
    ------
    UsageError
        If the pattern is no regular expression.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--patient-pattern is no regular expression: {error}") from error
    return Patients(pattern=pattern)
