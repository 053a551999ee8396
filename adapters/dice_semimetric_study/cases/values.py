"""What the values of a map are: labels, 0 and 1, or probabilities; the one place that decides it.

Each value is judged by itself, so that a volume means the same whether it is read whole or in
slabs. A float array under an integer header, as nibabel saves it, reads back with rounding.
"""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._numpy.checks import are_probabilities

from ..faults import CaseError

#: By how much a label may differ from the whole number that it is.
NEAR_LABEL = 1e-3
#: By how much a probability may lie outside [0, 1].
NEAR_PROBABILITY = 1e-5
_MOST = 2**31 - 1  # of the labels in a floating map
_SCALES = (255, 65535)  # what probabilities are multiplied by to store them as integers
_FEW = 64  # labels that a map may hold before it looks like one of these


def is_any_of(data: NDArray[Any], labels: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where a map, of whatever dtype, holds one of a few labels."""
    return np.asarray(reduce(np.logical_or, (_equals(data, label) for label in labels)))


def _equals(data: NDArray[Any], label: int) -> NDArray[np.bool_]:
    if data.dtype.kind != "f":
        return np.asarray(data == label)
    return np.asarray(np.abs(data - data.dtype.type(label)) <= NEAR_LABEL)


def whole(data: NDArray[Any]) -> NDArray[Any] | None:
    """Return a map of whole numbers as integers, or None if it holds anything else."""
    if data.dtype.kind != "f" or not data.size:
        return data.astype(np.int32) if data.dtype.kind == "f" else data
    rounded = np.rint(data)
    if not max(-float(rounded.min()), float(rounded.max())) <= _MOST:  # nor NaN
        return None
    off = data - rounded
    if not np.abs(off, out=off).max() <= NEAR_LABEL:
        return None
    return np.asarray(rounded, np.int32)


def require_labels(data: NDArray[Any], name: str, expected: str, remedy: str = "") -> NDArray[Any]:
    """Return a label map as integers, or raise CaseError if it holds anything but whole numbers."""
    found = whole(data)
    if found is None:
        with np.errstate(invalid="ignore"):
            good = (np.abs(data - np.rint(data)) <= NEAR_LABEL) & (np.abs(data) <= _MOST)
        raise CaseError(f"{name} must be {expected}, got {data[~good][0]!s}{remedy}")
    return found


def is_binary(data: NDArray[Any]) -> bool:
    """Return whether a map holds 0 and 1 only."""
    if data.dtype == np.uint8:
        return not data.size or bool(data.max() <= 1)
    found = whole(data)
    return found is not None and bool(np.all((found == 0) | (found == 1)))


def to_mask(data: NDArray[Any], name: str, *, part: bool = False) -> NDArray[np.bool_]:
    """Return where a map of 0 and 1 is 1, or raise CaseError if it holds anything else.

    ``part`` maps are those of one class among others, which no option could make label maps.
    """
    if not is_binary(data):
        raise CaseError(f"{name} must hold 0 and 1 only, {_got(data, part)}")
    if data.dtype == np.uint8:
        return data.view(np.bool_)  # a view: no copy
    return np.asarray(data > 0.5)


def probability(data: NDArray[Any], name: str, *, part: bool = False) -> NDArray[np.float32]:
    """Return a probability map as float32, or raise CaseError if it is none.

    A hard mask is one of 0 and 1. What lies outside [0, 1] by rounding alone is clipped.
    """
    if data.dtype.kind != "f":
        return to_mask(data, name, part=part).astype(np.float32)
    if not are_probabilities(data) and data.size:
        if not (data.min() >= -NEAR_PROBABILITY and data.max() <= 1 + NEAR_PROBABILITY):  # nor NaN
            raise CaseError(f"{name} must hold probabilities from 0 to 1, {_got(data, part)}")
        data = np.clip(data, 0, 1)
    return data.astype(np.float32, copy=False)


def _got(data: NDArray[Any], part: bool) -> str:
    """Return what a map holds that is neither a mask nor probabilities, and what to do."""
    low, high = data.min(), data.max()
    if np.isnan(low):
        return "got NaN"
    labels = whole(data)
    remedy = _ignored(data, labels) or _scale(data, float(low), float(high), labels)
    if not remedy and labels is not None and labels.max() > 1 and not part:
        remedy = _label(np.unique(labels))
    if not remedy and low >= 0 and high <= 1:
        remedy = ": only a single reference or prediction may hold probabilities"
    if not remedy and low < -0.01:
        remedy = ": scores such as logits need a softmax or a sigmoid first"
    return f"got values from {low!s} to {high!s}{remedy}"


def _ignored(data: NDArray[Any], labels: NDArray[Any] | None) -> str:
    """Return what to do if one value of a map seems to mean that voxels do not count."""
    above = np.unique(data[data > 1 + NEAR_LABEL])
    usual = labels is None or np.array_equal(np.unique(labels), [0, 1, 255])
    if above.size != 1 or not usual or whole(above) is None:
        return ""
    value = f"{above[0]:.0f}"
    return f": if {value} marks voxels of the reference not to count, give --ignore {value}"


def _scale(data: NDArray[Any], low: float, high: float, labels: NDArray[Any] | None) -> str:
    """Return what to do if a map seems to hold probabilities that were multiplied by a number."""
    scales = _SCALES if labels is not None else (100, *_SCALES)
    scale = next((n for n in scales if n / 2 < high <= n + NEAR_LABEL), None)
    if scale is None or low < -NEAR_LABEL:
        return ""
    other = ""
    if labels is not None:
        values = np.unique(labels)
        few = values.size <= _FEW
        if few and (values[-1] < scale or (values.size > 2 and values[-2] < scale / 2)):
            return ""
        if few:
            other = f"; for labels give --{f'label {scale}' if values.size <= 2 else 'regions'}"
    return f": give --scale {scale} (for predictions --pred-scale {scale}){other}"


def _label(values: NDArray[Any]) -> str:
    """Return what to do with a map of labels, given those that it holds."""
    if values.size <= 2 and values[0] >= 0:  # 0 and another number
        return f": give --label {values[-1]}"
    return (
        ": for a map of labels see --label and --regions; "
        "for a number that stands for 1 see --scale and --pred-scale"
    )
