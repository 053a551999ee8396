"""Read the cases of a data set in the layout of QUBIQ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from dice_semimetric_study import CaseError, CaseFiles, UsageError, find_cases, read_volume
from dice_semimetric_study.cases.values import to_mask
from dice_semimetric_study.files.geometry import require_same_affine

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

    A case lies in ``root/split/<case>`` as ``image.nii.gz`` and ``taskTT_segRR.nii.gz``. One that
    lacks a rater that another case has, such as QUBIQ's prostate case 9, is refused, left out or
    kept. Raises UsageError naming every case that cannot be used, and why.
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
            if files.masks and missing:
                rater = ", ".join(missing)
                raise CaseError(f"the mask of rater {rater} is missing (see --incomplete)")
            image, masks = read_slice(files, in_one_place=True)
            cases.append(Case(files.case, standardised(image), masks))
        except CaseError as error:
            faults.append(f"{files.case}: {error}")
    if faults:
        raise UsageError(f"{root / split} has cases that cannot be used:\n  " + "\n  ".join(faults))
    if not cases:
        raise UsageError(f"{root / split} has no case with files such as {name}_seg01.nii.gz")
    return cases


def read_slice(files: CaseFiles, *, in_one_place: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (C, H, W), float32, and the raters' masks (R, H, W), bool, of one slice.

    Axes of length 1 are left out, as QUBIQ's files have them, and the image's axis of channels may
    be any. Raises CaseError if a file is absent or faulty, a mask is none, sizes differ, or, with
    ``in_one_place``, the affines of image and masks differ.
    """
    if files.fault:
        raise CaseError(files.fault)
    if not files.masks:
        raise CaseError("there is no mask of any rater")
    if files.image is None:
        raise CaseError("there is no image.nii.gz")
    volumes = {path: read_volume(path) for path in files.paths}
    (head, place), *others = volumes.items()
    for path, other in others if in_one_place else ():
        names = f"{head.name} and {path.name}"
        require_same_affine(place.geometry, other.geometry, names, TOLERANCE)
    masks = [_mask(volumes[path].data, path.name) for path in files.masks.values()]
    shape, (first, *_) = masks[0].shape, files.masks.values()
    for path, mask in zip(files.masks.values(), masks, strict=True):
        if mask.shape != shape:
            names = f"{first.name} and {path.name}"
            raise CaseError(f"{names} have shapes {shape} and {mask.shape}")
    image = _channels_first(volumes[files.image].data.astype(np.float32), shape)
    if not np.all(np.isfinite(image)):
        raise CaseError(f"{files.image.name} holds NaN or infinity")
    return image, np.stack(masks)


def standardised(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) with mean 0 and standard deviation 1 in each channel."""
    mean = image.mean(axis=(1, 2), keepdims=True)
    spread = image.std(axis=(1, 2), keepdims=True)
    result: np.ndarray = (image - mean) / np.maximum(spread, 1e-6)
    return result


def _mask(data: np.ndarray, name: str) -> np.ndarray:
    """Return a 2-D mask as bool, without an axis of length 1."""
    if data.ndim == 3 and 1 in data.shape:
        data = data.squeeze(data.shape.index(1))
    if data.ndim != 2:
        raise CaseError(f"{name} must hold one 2-D mask, got shape {data.shape}")
    return to_mask(data, name, part=True)


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
