"""Read the cases of a data set in the layout of QUBIQ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from dice_semimetric_nifti.cases import read_masks
from dice_semimetric_nifti.faults import CaseError, UsageError
from dice_semimetric_nifti.layout import CaseFiles, find_cases
from dice_semimetric_nifti.volumes import read_volume

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
    if files.fault:
        raise CaseError(files.fault)
    if files.masks and missing:
        raise CaseError(f"the mask of rater {', '.join(missing)} is missing (see --incomplete)")
    if files.image is None:
        raise CaseError("there is no image.nii.gz")
    masks, _ = read_masks(files, label=None, tolerance=TOLERANCE)
    if masks.ndim != 3:
        raise CaseError(f"the masks must be 2-D, got shape {masks.shape[1:]}")
    image = read_volume(files.image).data.astype(np.float32)
    channels = _channels_first(image, masks.shape[1:])
    if not np.all(np.isfinite(channels)):
        raise CaseError(f"{files.image.name} holds NaN or infinity")
    mean = channels.mean(axis=(1, 2), keepdims=True)
    spread = channels.std(axis=(1, 2), keepdims=True)
    return Case(files.case, (channels - mean) / np.maximum(spread, 1e-6), masks)


def _channels_first(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (C, H, W) from (H, W), or from an image with an axis of channels anywhere."""
    if image.shape == shape:
        return image[None]
    for axis in range(image.ndim):
        if image.shape[:axis] + image.shape[axis + 1 :] == shape:
            return np.ascontiguousarray(np.moveaxis(image, axis, 0))
    raise CaseError(f"the image has shape {image.shape}, the masks {shape}")
