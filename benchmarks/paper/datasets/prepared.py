"""Open what was prepared: 2-D samples, each of one case, read from disk only when asked for."""

import json
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from dice_semimetric_study import UsageError
from dice_semimetric_study.runs.records import FOLDER as RECORDS

from ..cases import Incomplete, read_split

INDEX = "index.json"
FORMAT = 1


@dataclass(frozen=True)
class PreparedCase:
    """The slices of one case; arrays may lie in .npy files."""

    name: str  # unlike all others
    patient: str  # who may have several cases
    split: str  # the folder of the raw data that it lay in; empty if there are none
    size: int  # the number of slices; 0 for a scan without tumour
    image: Path | np.ndarray | None  # (slices, C, H, W)
    labels: Path | np.ndarray | None  # masks (slices, R, H, W), or a class map (slices, H, W)


class Prepared:
    """A data set as a sequence of 2-D samples, with ``classes`` foreground structures.

    ``cases`` and ``patients`` are the name and the patient of each case, those without a sample
    included; ``splits`` the numbers of the cases in each folder of the raw data, if there are any.
    """

    def __init__(
        self, name: str, cases: Sequence[PreparedCase], *, classes: int = 1, task: int | None = None
    ) -> None:
        self.name, self.classes, self.task = name, classes, task
        self._cases = tuple(cases)
        self._ends = list(accumulate(case.size for case in cases))
        self.cases = tuple(case.name for case in cases)
        self.patients = tuple(case.patient for case in cases)
        self.splits = _splits(cases)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self._ends[-1] if self._ends else 0

    def case_of(self, index: int) -> int:
        """Return the number of the case that a sample belongs to."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample must be from 0 to {len(self) - 1}, got {index}")
        return bisect_right(self._ends, index)

    def samples_of(self, case: int) -> range:
        """Return the samples of a case."""
        return range(self._ends[case] - self._cases[case].size, self._ends[case])

    def image(self, index: int) -> np.ndarray:
        """Return the image of a sample: (C, H, W), float32."""
        case, place = self._place(index)
        return np.array(_array(case.image)[place], np.float32)

    def raters(self, index: int) -> np.ndarray:
        """Return the masks of a sample: (R, H, W), uint8, of {0, 1} or class numbers."""
        case, place = self._place(index)
        labels = np.array(_array(case.labels)[place], np.uint8)
        return labels if labels.ndim == 3 else labels[None]

    def _place(self, index: int) -> tuple[PreparedCase, int]:
        number = self.case_of(index)
        return self._cases[number], index - self.samples_of(number).start


def open_prepared(
    folder: Path | str,
    *,
    task: int | None = None,
    groups: Path | None = None,
    incomplete: Incomplete = "raise",
) -> Prepared:
    """Open what ``prepare`` wrote, or read a folder ``<split>/<case>/image.nii.gz`` as it is.

    The images of such a folder are read at once and standardised channel by channel. ``task`` is
    the TT of its ``taskTT_segRR.nii.gz``, 1 by default. ``groups`` is a JSON list of {split, case,
    patient} that names every case; by default one is looked for beside and in the folder as
    ``index.json``, and a case that it does not name is a patient of its own.

    Raises UsageError if the folder is neither, its preparation is not finished, or files are
    missing; warns if cases could not be prepared.
    """
    folder = Path(folder)
    index = read_json(folder / INDEX)
    if isinstance(index, dict) and "format" in index:
        if task not in (None, index["task"]):
            raise UsageError(f"{folder} was prepared for task {index['task']}, not for {task}")
        return _from_index(folder, index)
    if (folder / RECORDS).is_dir():
        raise UsageError(f"{folder}: its preparation was not finished; run the same command again")
    data = _from_layout(folder, task or 1, read_patients(folder, groups), incomplete)
    absent = [name for name, patient in zip(data.cases, data.patients, strict=True) if not patient]
    if absent and groups:
        raise UsageError(f"{groups} names no patient for {', '.join(absent)}")
    data.patients = tuple(p or c for p, c in zip(data.patients, data.cases, strict=True))
    return data


def read_patients(folder: Path, groups: Path | None) -> dict[tuple[str, str], str]:
    """Return the patient of each split and case, as far as a JSON list names them."""
    places = [groups] if groups else [folder / INDEX, folder.resolve().parent / INDEX]
    for place in places:
        entries = read_json(place)
        if isinstance(entries, list) and all(map(_names_patient, entries)):
            return {(e["split"], e["case"]): str(e["patient"]) for e in entries}
    if groups:
        raise UsageError(f"{groups} must be a JSON list of {{split, case, patient}}")
    return {}


def _names_patient(entry: Any) -> bool:
    return isinstance(entry, dict) and {"split", "case", "patient"} <= set(entry)


def split_folders(folder: Path) -> list[str]:
    """Return the folders that hold cases, those to train on first; "" is the folder itself."""
    if next(folder.glob("*/image.nii*"), None):
        return [""]
    found = {path.parent.parent.name for path in folder.glob("*/*/image.nii*")}
    known = ["Training", "Validation", "Testing"]
    return sorted(found, key=lambda name: (known.index(name) if name in known else 3, name))


def _from_layout(
    folder: Path, task: int, patients: dict[tuple[str, str], str], incomplete: Incomplete
) -> Prepared:
    splits = split_folders(folder)
    if not splits:
        inner = sorted(p.name for p in folder.glob("*/") if split_folders(p))
        raise UsageError(
            f"{folder} is neither prepared ({INDEX} is not there, or is none of ours) nor has it "
            "cases such as <split>/<case>/image.nii.gz"
            + (f"; open a folder in it: {', '.join(inner)}" if inner else "")
        )
    cases = []
    for split in splits:
        for case in read_split(folder, split, task, incomplete=incomplete):
            name = f"{split}/{case.name}" if split else case.name
            patient = patients.get((split, case.name), "")
            masks = case.raters.view(np.uint8)[None]
            cases.append(PreparedCase(name, patient, split, 1, case.image[None], masks))
    return Prepared(folder.resolve().name, cases, task=task)


def _from_index(folder: Path, index: dict[str, Any]) -> Prepared:
    if index["format"] != FORMAT:
        raise UsageError(f"{folder} has format {index['format']}, not {FORMAT}; prepare it anew")
    cases, absent = [], []
    for entry in index["cases"]:
        paths = {}
        for kind in ("image", "labels"):
            file = entry[kind]
            path = paths[kind] = folder / file["file"] if file else None
            if path and not (path.is_file() and path.stat().st_size == file["size"]):
                absent.append(f"{entry['case']}: {file['file']} is missing or incomplete")
        size = len(entry["slices"])
        cases.append(PreparedCase(entry["case"], entry["patient"], entry["split"], size, **paths))
    if absent:
        lines = "\n  ".join(absent)
        raise UsageError(f"{folder} lost files; prepare again to make them anew:\n  {lines}")
    if index["faults"]:
        lost = ", ".join(fault["case"] for fault in index["faults"])
        warnings.warn(f"{folder} was prepared without faulty cases: {lost}", stacklevel=3)
    return Prepared(index["name"], cases, classes=index["classes"], task=index["task"])


def read_json(path: Path) -> Any:
    """Return what a file holds, or None if it cannot be read as JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _array(source: Path | np.ndarray | None) -> np.ndarray:
    """Return the array; a file is mapped anew each time, which is cheap and survives pickling."""
    return np.load(source, mmap_mode="r") if isinstance(source, Path) else np.asarray(source)


def _splits(cases: Sequence[PreparedCase]) -> dict[str, tuple[int, ...]] | None:
    found: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        found.setdefault(case.split, []).append(number)
    return None if set(found) <= {""} else {name: tuple(c) for name, c in found.items()}
