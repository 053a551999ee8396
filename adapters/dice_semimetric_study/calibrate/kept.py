"""Calibrators in files: one of each task or region, which a run fits and another one applies.

The files are the core's, with a note of what they are for: ``TemperatureScaling.load`` reads them
too, and a file of one class that was saved in Python is as good.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dice_semimetric._lib import calibrator_file

from ..cases.regions import task_name
from ..faults import CaseError, UsageError
from ..files.names import CALIBRATOR
from ..files.opening import require_regular
from ..scores.options import Options
from .calibrators import KINDS, MapCalibrator
from .fit import Calibrators
from .predictions import Prediction

_NOTE = "structure"


@dataclass(frozen=True)
class Kept:
    """A calibrator from a file.

    Attributes
    ----------
    path : Path
        The file.
    described : dict
        What the results tell of it, its digest among it.
    calibrator : MapCalibrator
        What it holds.
    structure : str
        The task or region that it was fitted to; empty where the file does not tell.
    labels : tuple of int
        The labels that were its foreground; empty where masks were.
    axes : int, optional
        The axes of space that the references had.
    """

    path: Path
    described: dict[str, str]
    calibrator: MapCalibrator
    structure: str = ""
    labels: tuple[int, ...] = ()
    axes: int | None = None


def file_name(structure: str) -> str:
    """Return the name of the file of a task's or region's calibrator."""
    return structure.replace("/", "_") + CALIBRATOR


def packed(calibrators: Calibrators, options: Options, axes: int) -> dict[str, bytes]:
    """Return the files of all tasks or regions, by their names."""
    files = {}
    for structure, one in calibrators.items():
        note = {
            "name": structure,
            "labels": options.labels_of(_region_of(structure, options)),
            "floor": one.floor,
            "counts": one.counts,
            "axes": axes,
        }
        files[file_name(structure)] = one.fitted._packed(**{_NOTE: note})
    return files


def described(name: str, content: bytes) -> dict[str, str]:
    """Return what the results tell of a file."""
    return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}


def read(paths: Sequence[Path]) -> list[Kept]:
    """Return what the files hold.

    Raises
    ------
    UsageError
        If one is no calibrator of one class, or two are for the same task or region.
    """
    found = [_read(path) for path in paths]
    by_name: dict[str, Kept] = {}
    for one in found:
        if one.structure in by_name:
            other = by_name[one.structure].path
            what = f"both for {one.structure}" if one.structure else "both without a task's name"
            raise UsageError(f"--calibrator: {other} and {one.path} are {what}; give one of them")
        by_name[one.structure] = one
    if "" in by_name and len(found) > 1:
        path = by_name[""].path
        raise UsageError(f"--calibrator: {path} names no task or region; give it alone")
    return found


def _read(path: Path) -> Kept:
    try:
        require_regular(path)
        header, _ = calibrator_file.read(path)
        kinds = {kind.__name__: kind for kind in KINDS.values()}
        kind = str(header.get("class"))
        if kind not in kinds:
            raise ValueError(f"{path} holds a {kind}, not one of {', '.join(kinds)}")
        fitted = kinds[kind].load(path)
        found = described(path.name, path.read_bytes())
    except (CaseError, OSError, ValueError, ImportError) as error:
        raise UsageError(f"--calibrator {path} {_reason(path, error)}") from error
    if fitted.n_classes_ != 1:
        raise UsageError(
            f"--calibrator {path} was fitted to {fitted.n_classes_} classes, and a map holds the "
            "probability of one: fit it to one channel, such as prob[:, 1:2]"
        )
    if _NOTE not in header:  # it was saved in Python, and changes what it does there
        return Kept(path, found, MapCalibrator(fitted, 0.0))
    try:
        return _noted(path, found, fitted, header[_NOTE])
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"--calibrator {path} is damaged: its note does not fit") from error


def _reason(path: Path, error: Exception) -> str:
    """Return what is wrong with a file, without its name in front."""
    text = str(error)
    if isinstance(error, OSError):
        text = error.strerror or text
    starts = (f"{path} ", f"{path.name} ", "path ")
    return next(
        (text.removeprefix(s) for s in starts if text.startswith(s)), f"cannot be read: {text}"
    )


def _noted(path: Path, found: dict[str, str], fitted: Any, note: Any) -> Kept:
    floor, name = float(note["floor"]), str(note["name"])
    counts = {str(key): int(value) for key, value in note["counts"].items()}
    labels = tuple(int(label) for label in note["labels"])
    axes = int(note["axes"])
    if not (0 <= floor < 1 and name and axes in (2, 3)):
        raise ValueError
    return Kept(path, found, MapCalibrator(fitted, floor, counts), name, labels, axes)


def require_apart(kept: Iterable[Kept], out: Path) -> None:
    """Raise UsageError if a run would write where the calibrators lie that it applies."""
    for one in kept:
        if one.path.resolve().is_relative_to(out.resolve()):
            raise UsageError(f"--calibrator {one.path} must not lie in the output {out}")


def matched(kept: Sequence[Kept], works: Iterable[Prediction], options: Options) -> Calibrators:
    """Return the calibrator of each task or region of the predictions that has one.

    Raises
    ------
    UsageError
        If there is none for any prediction, or one was fitted to other labels.
    """
    names = {task: [task_name(task, r) for r in options.structures] for task in _tasks(works)}
    (first, *_) = kept
    if not first.structure:
        if len(options.structures) > 1:
            raise UsageError(
                f"--calibrator {first.path} names no region, and there are "
                f"{len(options.structures)}: give those that calibrate kept of each"
            )
        return {name: first.calibrator for of_task in names.values() for name in of_task}
    found = {one.structure: one for one in kept}
    missing = [[n for n in of_task if n not in found] for of_task in names.values()]
    if missing and all(missing):
        has = ", ".join(found)
        raise UsageError(f"--calibrator: there is none of {missing[0][0]}, only of {has}")
    for one in kept:
        _require_labels(one, options)
    return {structure: one.calibrator for structure, one in found.items()}


def _tasks(works: Iterable[Prediction]) -> list[str]:
    return list(dict.fromkeys(work.task for work in works))


def _require_labels(one: Kept, options: Options) -> None:
    """Raise UsageError if a structure has other labels now than those that were fitted to."""
    region = _region_of(one.structure, options)
    if region not in options.structures:
        return  # of a region that is not asked for
    now = options.labels_of(region)
    if now and one.labels and set(now) != set(one.labels):
        raise UsageError(
            f"--calibrator {one.path} was fitted to labels {sorted(one.labels)} of "
            f"{one.structure}, which has {sorted(now)} now"
        )


def _region_of(structure: str, options: Options) -> str:
    return structure.rpartition("/")[2] if options.regions else ""
