"""Which patient a case is of: cases of one patient are alike, and are drawn together."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..faults import UsageError, printable
from ..files.names import one_spelling
from ..files.text import digest_of, read_small

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
    sha256 : str, optional
        The digest of the file that the table is from.
    source : str, optional
        What the table is from.
    """

    of_case: dict[str, str] = field(default_factory=dict)
    pattern: str | None = None
    sha256: str = ""
    source: str = "a table"

    def renamed(self, aliases: Mapping[str, str]) -> "Patients":
        """Return the same patients, by numbers, of cases with other names.

        Cases without a known patient are left to whoever needs one.
        """
        if self.pattern is None and not self.of_case:
            return self
        found: dict[str, str] = {}
        for case, alias in aliases.items():
            with suppress(UsageError):
                found.setdefault(alias, self.of(case))
        if not found:
            self.of_all(aliases)  # says why
        number = _numbers(found.values())
        of_case = {alias: number[patient] for alias, patient in found.items()}
        digest = self.sha256 or digest_of(self.pattern or "")
        source = "a table" if self.pattern is None else "a pattern"
        return Patients(of_case, sha256=digest, source=source)

    def of(self, case: str) -> str:
        """Return the patient of a case, or raise UsageError if none is known."""
        case = one_spelling(case)
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

    def described(self, cases: Iterable[str]) -> dict[str, Any]:
        """Return how patients were told apart, and how many: a digest, no name and no pattern."""
        count = len(set(self.of_all(cases).values()))
        if self.pattern is not None:
            digest = digest_of(self.pattern)
            return {"from": "a pattern", "count": count, "sha256": digest}
        if not self.of_case:
            return {"from": "each case", "count": count}
        table = json.dumps(sorted(self.of_case.items())).encode()
        digest = self.sha256 or hashlib.sha256(table).hexdigest()
        return {"from": self.source, "count": count, "sha256": digest}


def read_patients(path: Path) -> Patients:
    """Read a CSV table with the columns case and patient.

    The patients' names go no further: numbers, in the order of the sorted names, stand for them.

    Raises
    ------
    UsageError
        If it cannot be read, lacks a column or a value, or gives a case two patients.
    """
    found: dict[str, str] = {}
    try:
        content = read_small(path)
        with io.StringIO(content.decode("utf-8-sig"), newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{path} must have the columns case, patient; {missing[0]} is not there"
                )
            for row in reader:
                case, patient = (one_spelling(row[c] or "") for c in _COLUMNS)
                if not case or not patient:
                    raise UsageError(f"line {reader.line_num} of {path} lacks a case or a patient")
                if found.setdefault(case, patient) != patient:
                    raise UsageError(f"{path} gives case {printable(case)} two patients")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read the patients in {path}: {error}") from error
    if not found:
        raise UsageError(f"{path} names no case")
    number = _numbers(found.values())
    of_case = {case: number[name] for case, name in found.items()}
    return Patients(of_case, sha256=hashlib.sha256(content).hexdigest())


def _numbers(patients: Iterable[str]) -> dict[str, str]:
    """Return numbers for names, in the order of these."""
    names = sorted(set(patients))
    return {name: f"{i:0{len(str(len(names)))}d}" for i, name in enumerate(names, start=1)}


def match_patients(pattern: str) -> Patients:
    """Return patients found in the names of the cases.

    Raises
    ------
    UsageError
        If the pattern is no regular expression.
    """
    try:
        re.compile(one_spelling(pattern))
    except re.error as error:
        raise UsageError(f"--patient-pattern is no regular expression: {error}") from error
    return Patients(pattern=one_spelling(pattern))
