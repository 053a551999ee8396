"""Make a prepared data set out of raw cases, one after the other, and go on where a run stopped.

A case is taken to be done if its record names the same options and the same raw files, and the
arrays that it made have the checksums that it noted. Arrays, records and index appear as a whole or
not at all; the index comes last.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from dice_semimetric_study import CaseError, Fault
from dice_semimetric_study.files.atomic import (
    prepare_folder,
    remove_parts,
    require_apart,
    write_bytes,
    write_text,
)
from dice_semimetric_study.runs.each import each_case, report
from dice_semimetric_study.runs.records import FOLDER as RECORDS
from dice_semimetric_study.runs.records import Done, Records, traced
from tqdm import tqdm

from .prepared import FORMAT, INDEX


@dataclass(frozen=True)
class RawCase:
    """A case of the raw data; ``paths`` are all that it is made from."""

    case: str
    task: str
    patient: str
    split: str
    paths: tuple[Path, ...]
    fault: str = ""
    source: Any = None


@dataclass(frozen=True)
class Slices:
    """What is made of a case."""

    image: np.ndarray  # (slices, C, H, W)
    labels: np.ndarray  # (slices, R, H, W), or (slices, H, W)
    numbers: tuple[int, ...]  # of each slice in the raw scan
    shape: tuple[int, ...]  # of the raw image
    spacing: tuple[float, ...]  # of the raw image, in millimetres
    raters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A data set that is to be prepared."""

    name: str
    raw: Path  # the absolute path of the folder that all files lie in
    cases: Sequence[RawCase]  # in the order that they are numbered in
    make: Callable[[RawCase], Slices]  # raises CaseError
    options: dict[str, Any]  # all that decides what is made of a case
    classes: int = 1
    task: int | None = None
    faults: list[Fault] = field(default_factory=list)  # what is wrong with the raw data besides
    left_out: list[Fault] = field(default_factory=list)  # known to be missing, and why


def prepare(plan: Plan, out: Path, *, restart: bool = False) -> list[Fault]:
    """Prepare what is missing, write the index, and return what is wrong with which case."""
    require_apart(out, plan.raw)
    for folder in (out, out / RECORDS):
        prepare_folder(folder)
        remove_parts(folder)
    settings = {"options": plan.options, "name": plan.name, "task": plan.task, "format": FORMAT}
    records = Records(out, settings)
    done = {} if restart else _finished(plan, records, out)
    if len(done) < len(plan.cases):
        (out / INDEX).unlink(missing_ok=True)  # until all is done anew
    report(plan.left_out + plan.faults)
    faults = list(plan.faults)

    def make(case: RawCase) -> None:
        made = traced(case, work=partial(_make, make=plan.make, out=out))
        records.save(case, made.inputs, made.value)
        done[case.case] = made

    action = f"prepare {plan.name}" + (f" task {plan.task}" if plan.task else "")
    missing = [case for case in plan.cases if case.case not in done]
    each_case(make, missing, results=[], faults=faults, action=action)
    _write_index(plan, out, [done[c.case] for c in plan.cases if c.case in done], faults)
    return faults


def _finished(plan: Plan, records: Records, out: Path) -> dict[str, Done[dict[str, Any]]]:
    """Return the entries of the cases that need not be done again, by name."""
    done = {}
    sound = [case for case in plan.cases if not case.fault]
    for case in tqdm(sound, desc=f"check {plan.name}", unit="case", disable=None, leave=False):
        known = records.load(case, partial(_verified, case, out=out))
        if known is not None:
            done[case.case] = known
    return done


def _verified(case: RawCase, entry: dict[str, Any], *, out: Path) -> dict[str, Any]:
    """Return an entry whose arrays are as they were written, or raise ValueError."""
    for kind in ("image", "labels"):
        file = entry[kind]
        if file is not None:
            with (out / file["file"]).open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() != file["sha256"]:
                    raise ValueError(f"{file['file']} was changed")
    return entry | {"patient": case.patient, "split": case.split}


def _make(case: RawCase, *, make: Callable[[RawCase], Slices], out: Path) -> dict[str, Any]:
    """Write the arrays of a case and return its entry in the index."""
    if case.fault:
        raise CaseError(case.fault)
    slices = make(case)
    entry: dict[str, Any] = {
        "case": case.case,
        "patient": case.patient,
        "split": case.split,
        "slices": list(slices.numbers),
        "original_shape": list(slices.shape),
        "spacing": [round(float(step), 6) for step in slices.spacing],
        "raters": list(slices.raters),
    }
    stem = case.case.replace("/", "-")
    for kind, array in (("image", slices.image), ("labels", slices.labels)):
        entry[kind] = _write(out, f"{stem}.{kind}.npy", array) if len(array) else None
    return entry


def _write(out: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    file = BytesIO()
    np.save(file, np.ascontiguousarray(array))
    content = file.getbuffer()
    write_bytes(out / name, content)
    return {
        "file": name,
        "size": content.nbytes,
        "sha256": hashlib.sha256(content).hexdigest(),
        "shape": list(array.shape),
        "dtype": str(array.dtype),
    }


def _write_index(
    plan: Plan, out: Path, done: Sequence[Done[dict[str, Any]]], faults: Sequence[Fault]
) -> None:
    cases = []
    for made in done:
        files = [(Path(i.path).relative_to(plan.raw).as_posix(), i) for i in made.inputs]
        raw = [{"file": name, "size": i.size, "sha256": i.sha256} for name, i in files]
        cases.append(made.value | {"raw": raw})
    index = {
        "format": FORMAT,
        "name": plan.name,
        "task": plan.task,
        "classes": plan.classes,
        "options": plan.options,
        "faults": [asdict(fault) for fault in faults],
        "left_out": [asdict(fault) for fault in plan.left_out],
        "cases": cases,
    }
    write_text(out / INDEX, json.dumps(index, indent=1) + "\n")
