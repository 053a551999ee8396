"""Read the cases of a data set in the layout of QUBIQ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from dice_semimetric_study.cases.foreground import to_mask
from dice_semimetric_study.cases.layout import CaseFiles, find_cases
from dice_semimetric_study.faults import CaseError, UsageError
from dice_semimetric_study.files.volumes import (
    read_geometry,
    read_volume,
    require_same_affine,
)

Incomplete = Literal["raise", "skip", "keep"]

TOLERANCE = 1e-3  # millimetres by which masks and image may lie apart


@dataclass(frozen=True)
class Case:
    """One image and its raters' masks."""

    name: str
    image: np.ndarray  # (C, H, W), float32, mean 0 and standard deviation 1 in each channel
    raters: np.ndarray  # (R, H, W), bool


def read_split(
    root: Path, split: str, task: int, *, incomplete: Incomplete = "raise"
) -> list[Case]:
    """Return the cases of ``root/split`` that have the task, sorted by name.

    Parameters
    ----------
    root : Path
        The data set: ``<split>/<case>/image.nii.gz`` and ``taskTT_segRR.nii.gz``.
    split : str
        The folder of cases.
    task : int
        The number TT.
    incomplete : {"raise", "skip", "keep"}, optional
        What to do with a case that lacks a rater whom another case has: QUBIQ's prostate case 9 is
        one.

    Raises
    ------
    UsageError
        Naming every case that cannot be used, and why.
    """
    name = f"task{task:02d}"
    found = [f for f in find_cases(root / split, raters="any") if f.task in (name, "")]
    everyone = {rater for files in found for rater in files.masks}
    if incomplete == "skip":
        found = [f for f in found if not f.masks or set(f.masks) == everyone]
    cases, faults = [], []
    for files in found:
        missing = sorted(everyone - set(files.masks)) if incomplete == "raise" else []
        try:
            cases.append(_read_case(files, missing))
        except CaseError as error:
            faults.append(f"{files.case}: {error}")
    if faults:
        raise UsageError(f"{root / split} has cases that cannot be used:\n  " + "\n  ".join(faults))
    if not cases:
        raise UsageError(f"{root / split} has no case with files such as {name}_seg01.nii.gz")
    return cases


def _read_case(files: CaseFiles, missing: list[str]) -> Case:
    if files.masks and missing:
        raise CaseError(f"the mask of rater {', '.join(missing)} is missing (see --incomplete)")
    if not files.fault:
        _require_one_place(files)
    image, masks = read_slice(files)
    return Case(files.case, standardised(image), masks)


def _require_one_place(files: CaseFiles) -> None:
    """Raise CaseError unless the image and all masks lie in one place."""
    places = [read_geometry(path) for path in files.paths]
    for path, place in zip(files.paths[1:], places[1:], strict=True):
        names = f"{files.paths[0].name} and {path.name}"
        require_same_affine(places[0], place, names, TOLERANCE)


def read_slice(files: CaseFiles) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (C, H, W), float32, and the raters' masks (R, H, W), bool, of one slice.

    An axis of length 1 anywhere is left out, as QUBIQ's files have it; the image may have an axis
    of channels anywhere. Where the slice lies is not looked at.

    Raises
    ------
    CaseError
        If a file is absent or faulty, a mask is none, or sizes differ.
    """
    if files.fault:
        raise CaseError(files.fault)
    if not files.masks:
        raise CaseError("there is no mask of any rater")
    if files.image is None:
        raise CaseError("there is no image.nii.gz")
    masks = {path: _plane(read_volume(path).data, path.name) for path in files.masks.values()}
    shape = next(iter(masks.values())).shape
    for path, mask in masks.items():
        if mask.shape != shape:
            first = next(iter(masks)).name
            raise CaseError(f"{first} and {path.name} have shapes {shape} and {mask.shape}")
    image = _channels_first(read_volume(files.image).data.astype(np.float32), shape)
    if not np.all(np.isfinite(image)):
        raise CaseError(f"{files.image.name} holds NaN or infinity")
    return image, np.stack([to_mask(mask, path.name, None) for path, mask in masks.items()])


def standardised(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) with mean 0 and standard deviation 1 in each channel."""
    mean = image.mean(axis=(1, 2), keepdims=True)
    spread = image.std(axis=(1, 2), keepdims=True)
    result: np.ndarray = (image - mean) / np.maximum(spread, 1e-6)
    return result


def _plane(data: np.ndarray, name: str) -> np.ndarray:
    """Return a 2-D mask without an axis of length 1."""
    if data.ndim == 3 and 1 in data.shape:
        data = data.squeeze(data.shape.index(1))
    if data.ndim != 2:
        raise CaseError(f"{name} must hold one 2-D mask, got shape {data.shape}")
    return data


def _channels_first(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (C, H, W) from (H, W), or from an image with an axis of channels anywhere."""
    if image.shape == shape:
        return image[None]
    if image.ndim == 4 and 1 in image.shape:
        image = image.squeeze(image.shape.index(1))
    for axis in range(image.ndim):
        if image.shape[:axis] + image.shape[axis + 1 :] == shape:
            return np.ascontiguousarray(np.moveaxis(image, axis, 0))
    raise CaseError(f"the image has shape {image.shape}, the masks {shape}")
