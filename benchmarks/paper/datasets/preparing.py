"""Make a prepared data set out of raw cases, one after the other, and go on where a run stopped.

A case is taken to be done if its record names the same options and the same raw files, and the
arrays that it made have the checksums that it noted. Arrays, records and index appear as a whole or
not at all; the index comes last.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
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
from tqdm import tqdm

from dice_semimetric import __version__

from .prepared import FORMAT, INDEX, RECORDS


@dataclass(frozen=True)
class RawCase:
    """A case of the raw data; ``files`` are all that it is made from."""

    case: str
    task: str
    patient: str
    split: str
    files: tuple[Path, ...]
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
    done = {} if restart else _finished(plan, out)
    if len(done) < len(plan.cases):
        (out / INDEX).unlink(missing_ok=True)  # until all is done anew
    _report(plan.left_out + plan.faults)
    faults = list(plan.faults)
    action = f"prepare {plan.name}" + (f" task {plan.task}" if plan.task else "")
    missing = [case for case in plan.cases if case.case not in done]
    for case in tqdm(missing, desc=action, unit="case", disable=None, leave=False):
        try:
            stamps = [_stamp(file) for file in case.files if file.exists()]  # before it is read
            entry = _make(case, make=plan.make, out=out)
            raw = [s | {"sha256": _digest(plan.raw / s["file"])} for s in stamps]
            record = {"settings": _settings(plan), "raw": raw, "entry": entry}
            write_text(_record_path(case, out), json.dumps(record))
        except Exception as error:  # whatever it is, it is about this case only
            named = isinstance(error, CaseError | OSError | ValueError | TypeError)
            reason = str(error) if named else f"{type(error).__name__}: {error}"
            faults.append(Fault(case.case, case.task, reason))
            _report(faults[-1:])
        else:
            done[case.case] = record
    _write_index(plan, out, [done[c.case] for c in plan.cases if c.case in done], faults)
    return faults


def _report(faults: Iterable[Fault]) -> None:
    for fault in faults:
        tqdm.write(f"faulty: {fault}", file=sys.stderr)


def _finished(plan: Plan, out: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the cases that need not be done again, by name."""
    done = {}
    for case in tqdm(plan.cases, desc=f"check {plan.name}", unit="case", disable=None, leave=False):
        try:
            record = json.loads(_record_path(case, out).read_bytes())
            stamps = [{k: s[k] for k in ("file", "size", "mtime_ns")} for s in record["raw"]]
            same = record["settings"] == _settings(plan) and not case.fault
            if same and stamps == [_stamp(file) for file in case.files]:
                entry = _verified(case, record["entry"], out)
                done[case.case] = record | {"entry": entry}
        except (OSError, ValueError, TypeError, KeyError):
            continue  # no record, or a damaged one: the case is done again
    return done


def _settings(plan: Plan) -> dict[str, Any]:
    found = {"options": plan.options, "name": plan.name, "task": plan.task}
    found |= {"format": FORMAT, "version": __version__}
    return dict(json.loads(json.dumps(found)))  # as a file gives it back: tuples are lists then


def _stamp(file: Path) -> dict[str, Any]:
    """Return what shows, without reading a file, that it has changed."""
    status = file.stat()
    return {"file": str(file), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _record_path(case: RawCase, out: Path) -> Path:
    """Return a file name that is legal and unlike others, whatever the case is called."""
    name = case.case.encode("utf-8", errors="surrogateescape")
    return out / RECORDS / f"{hashlib.sha256(name).hexdigest()[:32]}.json"


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _verified(case: RawCase, entry: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return an entry whose arrays are as they were written, or raise ValueError."""
    for kind in ("image", "labels"):
        file = entry[kind]
        if file is not None and _digest(out / file["file"]) != file["sha256"]:
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
    plan: Plan, out: Path, done: Sequence[dict[str, Any]], faults: Sequence[Fault]
) -> None:
    cases = []
    for record in done:
        files = [
            {"file": Path(raw["file"]).relative_to(plan.raw).as_posix()}
            | {key: raw[key] for key in ("size", "sha256")}
            for raw in record["raw"]
        ]
        cases.append(record["entry"] | {"raw": files})
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
