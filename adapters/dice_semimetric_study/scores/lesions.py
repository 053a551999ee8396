"""Lesions: the connected components of a structure, and which of them the other side finds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.totals import AddedByField

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Lesions(AddedByField):
    """How many lesions there are, and how many of them the other side overlaps by a pixel.

    Attributes
    ----------
    predicted, right : int
        Those of the prediction above 0.5, and those of them that are in the hard reference.
    marked, found : int
        Those of the hard reference, and those of them that are predicted.
    """

    predicted: int
    right: int
    marked: int
    found: int


def lesions_of(pred: Mask, hard: Mask) -> Lesions:
    """Return the lesions of two masks of one shape; pixels that share a corner are of one lesion.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study.scores.lesions import lesions_of
    >>> pred, hard = np.array([[1, 0, 1, 0, 0], [1, 1, 0, 0, 1]]) > 0, np.eye(2, 5) > 0
    >>> lesions_of(pred, hard)
    Lesions(predicted=2, right=1, marked=1, found=1)
    """
    return Lesions(*_found(pred, hard), *_found(hard, pred))


def _found(mask: Mask, other: Mask) -> tuple[int, int]:
    """Return how many components a mask has, and how many of them overlap another one."""
    from scipy import ndimage  # slow to import, and seldom needed

    near: Any = ndimage.generate_binary_structure(mask.ndim, mask.ndim)
    labels, count = ndimage.label(mask, near)
    return int(count), int(np.count_nonzero(np.bincount(labels[other & mask])))
