"""Pairs of a prediction and a target as the kernels take them, and the parts that threads take."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

import numpy as np

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import map_parts

from .operands import HEAD, Operands, readable

R = TypeVar("R")
F = TypeVarTuple("F")

#: Entries that a thread takes at a time; the order of summation depends on it alone.
PART = 1 << 18
#: Where fewer pixels are summed for each sum, NumPy's own operations are faster.
SHORT = 16
#: So few entries take no time, however few are summed.
FEW = 1 << 12

Place = tuple[int, int, int, int]


class Pairs(NamedTuple):
    """Pixels as the kernels take them.

    The sums are of ``shape``, the lengths of the axes that are kept.
    """

    operands: Operands
    per_class: bool
    how: tuple[bool, bool, bool, bool, bool, int]
    unit: np.ndarray
    shape: tuple[int, ...]

    @classmethod
    def of(cls, pixels: Pixels, *results: np.ndarray | None, whole: bool = False) -> "Pairs":
        """Describe pixels that are `eligible`, and memory for gradients of pred and target.

        With ``whole`` kernels hold all classes of a pixel under a sigmoid too.
        """
        pred, mask, labels = pixels.pred, pixels.mask, pixels.labels
        target = pixels.target[:, None] if labels else pixels.target
        activated = pixels.activation is not None
        regional = pixels.regional or (whole and activated)
        roles = "values", "labels" if labels else "values", "values", "out", "out"
        arrays = [pred, target, mask, *results]
        unit = np.dtype(pixels.dtype).name
        operands = Operands.of(
            arrays, pixels.axis, roles=roles[: len(arrays)], unit=unit, regional=regional
        )
        how = (
            pixels.activation == "softmax",
            pixels.activation == "sigmoid",
            labels,
            mask is not None,
            *ignored(pixels.ignore_index if labels else None, target.dtype),
        )
        per_class = regional and bool(operands.table[2, HEAD - 1])
        shape = tuple(n for a, n in enumerate(pred.shape) if a not in pixels.axis)
        return cls(operands, per_class, how, np.arange(2, dtype=pixels.dtype), shape)

    def at(self, *addresses: int) -> "Pairs":
        """Return the same of other arrays, which lie in memory as these do."""
        return self._replace(operands=self.operands.at(addresses))

    def clipped(self) -> "Pairs":
        """Return the same, read without rounding beyond 0 and 1: probabilities, not logits."""
        softmax, sigmoid, labels, *_ = self.how
        values = [k for k, other in enumerate((softmax or sigmoid, labels)) if not other]
        operands = self.operands.clipped(*values, unit=self.unit.dtype.name)
        return self._replace(operands=operands)

    def arguments(self, place: Place) -> tuple[Any, ...]:
        """Return the first arguments of a kernel."""
        operands = self.operands
        return operands.table, operands.kept, self.per_class, place, self.how, self.unit

    def map(self, function: Callable[[Place], R], part: int = 0) -> list[tuple[Place, R]]:
        """Return each part with the result of a function for it, in order, from several threads."""
        operands = self.operands
        parts = places(operands.rows, operands.classes, operands.columns, part)
        if len(parts) == 1:
            return [(parts[0], function(parts[0]))]
        return list(zip(parts, map_parts(function, parts), strict=True))

    def total(
        self,
        function: Callable[["Pairs", Place], tuple[bool, np.ndarray]],
        lead: tuple[int, ...],
        dtype: Any = float,
        *,
        part: int = 0,
        checked: bool,
    ) -> tuple[np.ndarray, bool]:
        """Return the sums, (*lead, *kept axes), that a function takes of each part.

        Beside them goes whether a value is wrong. If values are checked, rounding beyond 0 and 1 is
        taken off first.
        """

        def total(clip: bool) -> tuple[np.ndarray, bool]:
            pairs, wrong = self.clipped() if clip else self, False
            total = np.zeros((pairs.operands.rows, *lead, pairs.operands.classes), dtype)
            for (first, last, _, _), (bad, found) in pairs.map(partial(function, pairs), part):
                total[first:last] += found
                wrong |= bad
            return total, wrong

        found, wrong = without_rounding(total, checked)
        return np.moveaxis(found, 0, -2).reshape(*lead, *self.shape), wrong


def eligible(pixels: Pixels) -> bool:
    """Return whether the kernels take these pixels."""
    pred = pixels.pred
    return (
        pred.size > 0
        and (not pixels.regional or _class_is_last(pixels))
        and (_columns(pixels) >= SHORT or pred.size <= FEW)
        and not is_beyond(pixels.ignore_index)
        and np.dtype(pixels.dtype).name in ("float32", "float64")
        and readable(pred, pixels.target, pixels.mask)
    )


def _columns(pixels: Pixels) -> int:
    """Return how many entries are summed for each sum."""
    return math.prod(pixels.pred.shape[axis] for axis in pixels.axis)


def _class_is_last(pixels: Pixels) -> bool:
    """Return whether the classes are the last of the axes that are kept."""
    return 1 not in pixels.axis and {*range(2, pixels.pred.ndim)} <= {*pixels.axis}


def without_rounding(sums: Callable[[bool], tuple[*F, bool]], checked: bool) -> tuple[*F, bool]:
    """Return sums and, last, whether a value is wrong.

    If one is and that matters, they are taken once more, of values clipped where they lie outside
    [0, 1] by rounding.
    """
    found = sums(False)
    return sums(True) if found[-1] and checked else found


def ignored(number: int | None, dtype: np.dtype) -> tuple[bool, int]:
    """Return whether labels of a dtype may be ignored, and which."""
    if number is None or dtype.kind not in "iub" or not _fits(number, dtype):
        return False, 0  # no label is
    return True, number


def is_beyond(number: int | None) -> bool:
    """Return whether a label is larger than kernels know them."""
    return number is not None and number >= 1 << 63


def places(
    rows: int, classes: int, columns: int, part: int = 0, most: int | None = None
) -> list[Place]:
    """Cut rows and columns into parts of some rows, or of some columns of a row.

    A part holds about so many entries, or more where there would be many more parts than ``most``.
    """
    part = part or PART
    if most is not None:
        part = max(part, -(-rows * classes * columns // most))
    together = part // (classes * columns)
    if together:
        return [
            (first, min(first + together, rows), 0, columns) for first in range(0, rows, together)
        ]
    step = max(1024, part // classes)
    return [
        (row, row + 1, start, min(start + step, columns))
        for row in range(rows)
        for start in range(0, columns, step)
    ]


def _fits(number: int, dtype: Any) -> bool:
    """Return whether a dtype of integers has this number."""
    if dtype.kind == "b":
        return number in (0, 1)
    known = np.iinfo(dtype)
    return bool(known.min <= number <= known.max)
