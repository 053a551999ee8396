"""From the files of a case to a probability map and what it is compared with."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import majority_vote, uniform_average
from dice_semimetric._numpy.checks import are_probabilities

from ..faults import CaseError
from ..files.volumes import Volume, read_volume, require_same_geometry
from ..runs.each import read_masks, require_fits_image, to_mask
from .layout import CaseFiles
from .pairing import Pair


def read_pair(
    pair: Pair, *, label: int | None, tolerance: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], Volume]:
    """Return the prediction, the soft and the hard reference, and the volume of the prediction.

    Raises
    ------
    CaseError
        If a file is faulty or the two sides do not fit.
    """
    reference, prediction = pair.reference, pair.prediction
    if reference.fault or prediction.fault:
        raise CaseError(reference.fault or prediction.fault)
    path = _require_map(prediction)
    soft, hard, like = read_reference(reference, label=label, tolerance=tolerance)
    pred, volume = read_prediction(prediction, label=label)
    names = f"the reference and the prediction {path.name}"
    require_same_geometry(like.geometry, volume.geometry, names, tolerance)
    return pred, soft, hard, volume


def read_prediction(files: CaseFiles, *, label: int | None) -> tuple[NDArray[Any], Volume]:
    """Return the foreground's probability as float32, and the volume it was read from."""
    path = _require_map(files)
    volume = read_volume(path)
    return probability(volume.data, path.name, label), volume


def read_reference(
    files: CaseFiles, *, label: int | None, tolerance: float
) -> tuple[NDArray[Any], NDArray[np.bool_], Volume]:
    """Return the soft and the hard reference: the raters' mean and majority, or a single map."""
    if files.masks:
        masks, like = read_masks(files, label=label, tolerance=tolerance)
        return uniform_average(masks), majority_vote(masks), like
    if files.label is None:
        raise CaseError("there is no reference")
    like = read_volume(files.label)
    require_fits_image(files, like, tolerance)
    soft = probability(like.data, files.label.name, label)
    return soft, soft > 0.5, like  # strict, as the majority is


def _require_map(files: CaseFiles) -> Path:
    if files.fault:
        raise CaseError(files.fault)
    if files.label is None:
        raise CaseError("the prediction is a set of raters' masks, not one map")
    return files.label


def probability(data: NDArray[Any], name: str, label: int | None) -> NDArray[Any]:
    """Return a probability map as float32; a hard mask is one of 0 and 1."""
    if data.dtype.kind != "f":
        return to_mask(data, name, label).astype(np.float32)
    if not are_probabilities(data):
        low, high = (np.min(data), np.max(data)) if data.size else (0, 1)
        if not (low >= 0 and high <= 1):  # NaN if any value is
            got = "NaN" if np.isnan(low) else f"values from {low:g} to {high:g}"
            raise CaseError(f"{name} must hold probabilities from 0 to 1, got {got}")
    return data.astype(np.float32, copy=False)
