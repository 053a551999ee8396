"""LiTS and KiTS19: CT scans as they are downloaded, to the slices that show tumour."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from dice_semimetric_study import CaseError, Fault, UsageError, read_volume
from dice_semimetric_study.cases.values import whole

from .augment import resize
from .preparing import Plan, RawCase, Slices

TUMOUR = 2  # in both sets; 1 is the organ
STRUCTURES = ("tumour", "organ-and-tumour")


@dataclass(frozen=True)
class Scans:
    """How a data set of scans lies on the disk."""

    name: str
    image: str  # the path of a scan below any folder, with its number as {}
    label: str  # the same of its labels
    count: int  # of the cases with published labels, numbered from 0
    axis: int  # of the file, that counts slices
    window: tuple[float, float]  # in Hounsfield units

    def files(self, root: Path, pattern: str) -> dict[int, list[Path]]:
        """Return the files of a pattern by their number."""
        name = re.compile(re.escape(pattern).replace(r"\{\}", r"0*(\d+)") + r"\.nii(\.gz)?")
        depth = pattern.count("/") + 1
        found: dict[int, list[Path]] = {}
        for path in sorted(root.rglob("*.nii*")):
            match = name.fullmatch("/".join(path.parts[-depth:]))
            if match:
                found.setdefault(int(match[1]), []).append(path)
        return found


LITS = Scans("lits", "volume-{}", "segmentation-{}", 131, 2, (-60, 140))
KITS = Scans("kits", "case_{}/imaging", "case_{}/segmentation", 210, 0, (-200, 300))


def plan_scans(
    kind: Scans, root: Path, *, size: int = 512, structure: str = "tumour", subset: bool = False
) -> Plan:
    """Return what there is to prepare of LiTS or KiTS19, whose files lie anywhere below ``root``.

    Slices are resized to ``size``, unless it is 0. ``structure`` makes one class or two; with
    ``subset`` cases may be missing altogether.
    """
    root = root.resolve()
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    images, labels = kind.files(root, kind.image), kind.files(root, kind.label)
    if not images:
        raise UsageError(f"{root} has no file such as {kind.image.format(0)}.nii.gz")
    cases, left_out = [], []
    known = set() if subset else set(range(kind.count))
    for number in sorted(known | set(images) | set(labels)):
        case = _raw_case(kind, number, images.get(number, []), labels.get(number, []))
        if number >= kind.count and number in images and number not in labels:
            left_out.append(Fault(case.case, "", "a test case: its labels are not published"))
        else:
            cases.append(case)
    options = {"window": list(kind.window), "size": size, "structure": structure}
    return Plan(
        name=kind.name,
        raw=root,
        cases=cases,
        make=partial(tumour_slices, kind=kind, size=size, structure=structure),
        options=options | {"resize": "bilinear, nearest"},
        classes=1 + STRUCTURES.index(structure),
        left_out=left_out,
    )


def _raw_case(kind: Scans, number: int, images: list[Path], labels: list[Path]) -> RawCase:
    patterns = (kind.image, kind.label)
    faults = [
        f"{pattern.format(number if kind is LITS else f'{number:05d}')}.nii.gz is missing"
        if not found
        else f"two files stand for one: {' and '.join(map(str, found))}"
        for pattern, found in zip(patterns, (images, labels), strict=True)
        if len(found) != 1
    ]
    name = f"case_{number:05d}" if kind is not LITS else f"volume-{number}"
    return RawCase(name, "", name, "", (*images, *labels), "; ".join(faults))


def tumour_slices(case: RawCase, *, kind: Scans, size: int, structure: str) -> Slices:
    """Return the slices of a scan that show tumour, windowed to [-1, 1].

    Hounsfield units are resized first and windowed then. float16 keeps steps of a tenth of a unit.
    """
    image, label = case.paths
    labels = _class_numbers(read_volume(label).data, label.name)
    volume = read_volume(image)
    if volume.data.shape != labels.shape:
        raise CaseError(
            f"{image.name} has shape {volume.data.shape}, {label.name} has {labels.shape}"
        )
    across = tuple(axis for axis in range(3) if axis != kind.axis)
    numbers = np.flatnonzero((labels == TUMOUR).any(axis=across))
    seen = np.moveaxis(np.take(volume.data, numbers, kind.axis), kind.axis, 0).astype(np.float32)
    if not np.all(np.isfinite(seen)):
        raise CaseError(f"{image.name} holds NaN or infinity in slices with tumour")
    marks = np.moveaxis(np.take(labels, numbers, kind.axis), kind.axis, 0)
    marks = marks if structure == "organ-and-tumour" else (marks == TUMOUR).astype(np.uint8)
    if size:
        seen, marks = (resize(array, (size, size)) for array in (seen, marks))
    return Slices(
        image=windowed(seen, kind.window)[:, None].astype(np.float16),
        labels=marks,
        numbers=tuple(int(n) for n in numbers),
        shape=volume.data.shape,
        spacing=tuple(volume.header.get_zooms()[:3]),
        raters=("reference",),
    )


def windowed(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Return an image of which the window becomes [-1, 1] and what is outside its ends."""
    low, high = window
    result: np.ndarray = 2 * (np.clip(image, low, high) - low) / (high - low) - 1
    return result


def _class_numbers(data: np.ndarray, name: str) -> np.ndarray:
    """Return the labels as uint8, or raise CaseError if they are not 0, 1 and 2."""
    if data.ndim != 3:
        raise CaseError(f"{name} must hold a scan of three axes, got shape {data.shape}")
    numbers = whole(data)
    if numbers is None or numbers.min() < 0 or numbers.max() > TUMOUR:
        got = f"got values from {data.min()} to {data.max()}"
        raise CaseError(f"{name} must hold 0, 1 and 2 only, {got}")
    return numbers.astype(np.uint8, copy=False)
