"""The calls of the kernels over pairs of a prediction and a target."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import map_parts

from . import overlap
from .operands import HEAD, Operands, readable

R = TypeVar("R")

#: Entries that a thread takes at a time; the order of summation depends on it alone.
PART = 1 << 17
#: Where fewer pixels are summed for each sum, NumPy's own operations are faster.
SHORT = 16

Place = tuple[int, int, int, int]


class Pairs(NamedTuple):
    """Pixels as the kernels take them."""

    operands: Operands
    per_class: bool
    how: tuple[bool, bool, bool, bool, bool, int]
    unit: np.ndarray

    @classmethod
    def of(cls, pixels: Pixels) -> "Pairs":
        """Describe pixels that are `eligible`."""
        pred, mask, labels = pixels.pred, pixels.mask, pixels.labels
        target = pixels.target[:, None] if labels else pixels.target
        regional = labels or pixels.activation == "softmax"
        roles = "values", "labels" if labels else "values", "values"
        unit = np.dtype(pixels.dtype).name
        operands = Operands.of(
            [pred, target, mask], pixels.axis, roles=roles, unit=unit, regional=regional
        )
        ignored = pixels.ignore_index if labels else None
        if ignored is not None and not _fits(ignored, target.dtype):
            ignored = None  # no label is
        how = (
            pixels.activation == "softmax",
            pixels.activation == "sigmoid",
            labels,
            mask is not None,
            ignored is not None,
            ignored or 0,
        )
        per_class = regional and bool(operands.table[2, HEAD - 1])
        return cls(operands, per_class, how, np.arange(2, dtype=pixels.dtype))

    def map(self, function: Callable[[Place], R]) -> list[tuple[Place, R]]:
        """Return each part with the result of a function for it, in order, from several threads."""
        parts = places(self.operands.rows, self.operands.classes, self.operands.columns)
        return list(zip(parts, map_parts(function, parts), strict=True))


def eligible(pixels: Pixels) -> bool:
    """Return whether the kernels take these pixels."""
    pred = pixels.pred
    columns = 1
    for axis in pixels.axis:
        columns *= pred.shape[axis]
    return (
        columns >= SHORT
        and pred.size > 0
        and np.dtype(pixels.dtype).name in ("float32", "float64")
        and readable(pred, pixels.target, pixels.mask)
    )


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`."""
    if not eligible(pixels):
        return NotImplemented
    pairs = Pairs.of(pixels)
    operands = pairs.operands

    def sums(place: Place) -> tuple[bool, np.ndarray]:
        found = np.zeros((place[1] - place[0], 4, operands.classes))
        wrong = overlap.forward(
            operands.table, operands.kept, pairs.per_class, place, pairs.how, pairs.unit, found
        )
        return wrong, found

    total, wrong = np.zeros((operands.rows, 4, operands.classes)), False
    for (first, last, _, _), (bad, found) in pairs.map(sums):
        total[first:last] += found
        wrong |= bad
    if wrong and pixels.checked:  # NumPy's blocks find the entry, and word the error
        return NotImplemented
    kept = [n for a, n in enumerate(pixels.pred.shape) if a not in pixels.axis]
    return tuple(np.moveaxis(total, 1, 0).reshape(4, *kept))


def places(rows: int, classes: int, columns: int) -> list[Place]:
    """Cut rows and columns into parts of some rows, or of some columns of a row."""
    together = PART // (classes * columns)
    if together:
        return [
            (first, min(first + together, rows), 0, columns) for first in range(0, rows, together)
        ]
    step = max(1024, PART // classes)
    return [
        (row, row + 1, start, min(start + step, columns))
        for row in range(rows)
        for start in range(0, columns, step)
    ]


def _fits(number: int, dtype: Any) -> bool:
    """Return whether a dtype of integers has this number, and a kernel too."""
    known = np.iinfo(dtype)
    return bool(known.min <= number <= known.max) and number < 1 << 63
