"""The calls of the kernels over pairs of a prediction and a target."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

import numpy as np

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import map_parts
from dice_semimetric._numpy.levels import level_corrections

from . import bins, overlap
from . import thresholds as levels
from .operands import HEAD, Operands, is_floating, readable

R = TypeVar("R")
F = TypeVarTuple("F")

#: Entries that a thread takes at a time; the order of summation depends on it alone.
PART = 1 << 18
#: How many tables of bins are held at a time: one of a hundred classes takes a quarter megabyte.
TABLES = 64
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


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`."""
    if not eligible(pixels):
        return NotImplemented

    def sums(pairs: Pairs, place: Place) -> tuple[bool, np.ndarray]:
        found = np.zeros((place[1] - place[0], 4, pairs.operands.classes))
        return overlap.forward(*pairs.arguments(place), found), found

    return _added(pixels, sums, (4,))


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    if not eligible(pixels):
        return NotImplemented
    both = _levels(thresholds, pixels)
    scale = _scale(both, pixels)

    def counts(pairs: Pairs, place: Place) -> tuple[bool, np.ndarray]:
        found = np.zeros(
            (place[1] - place[0], 3, len(thresholds), pairs.operands.classes), np.int64
        )
        return levels.count(*pairs.arguments(place), both, scale, found), found

    return _added(pixels, counts, (3, len(thresholds)), np.int64)


def _levels(thresholds: tuple[float, ...], pixels: Pixels) -> np.ndarray:
    """Return the thresholds of both sides, rounded to a floating dtype as its values are."""

    def cast(dtype: np.dtype, own: bool) -> np.ndarray:
        values = np.array(thresholds, dtype if own and is_floating(dtype) else pixels.dtype)
        return values.astype(pixels.dtype)

    given = pixels.activation is None
    return np.stack([cast(pixels.pred.dtype, given), cast(pixels.target.dtype, True)])


def _scale(levels: np.ndarray, pixels: Pixels) -> int:
    """Return the n of thresholds k / n if floor(n x) is the number that x reaches, else 0."""
    soft = levels if is_floating(pixels.target.dtype) else levels[:1]  # labels reach all or none
    even = all(_are_even(tuple(side.tolist()), side.dtype) for side in soft)
    return levels.shape[1] + 1 if even else 0


@functools.lru_cache(maxsize=64)
def _are_even(levels: tuple[float, ...], dtype: np.dtype) -> bool:
    """Return whether levels are k / n and floor(n x) is the number of them that x reaches."""
    n = len(levels) + 1
    even = np.allclose(levels, np.arange(1, n) / n)
    return bool(even) and level_corrections(np.array(levels, dtype)) == []


def _filled(rows: np.ndarray, step: int) -> np.ndarray:
    """Return rows filled up to a multiple of a number by NaN, which nothing reaches."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % step)), constant_values=np.nan)


def _added(
    pixels: Pixels,
    function: Callable[[Pairs, Place], tuple[bool, np.ndarray]],
    lead: tuple[int, ...],
    dtype: Any = float,
) -> Any:
    """Return the sums, (*lead, *kept axes), that a function takes of each part."""
    pairs = Pairs.of(pixels)

    def added(clip: bool) -> tuple[np.ndarray, bool]:
        some, wrong = pairs.clipped() if clip else pairs, False
        total = np.zeros((some.operands.rows, *lead, some.operands.classes), dtype)
        for (first, last, _, _), (bad, found) in some.map(functools.partial(function, some)):
            total[first:last] += found
            wrong |= bad
        return total, wrong

    total, wrong = without_rounding(added, pixels.checked)
    if wrong and pixels.checked:  # NumPy's blocks find the entry, and word the error
        return NotImplemented
    return tuple(np.moveaxis(total, 0, -2).reshape(*lead, *pairs.shape))


def without_rounding(sums: Callable[[bool], tuple[*F, bool]], checked: bool) -> tuple[*F, bool]:
    """Return sums and, last, whether a value is wrong.

    If one is and that matters, they are taken once more, of values clipped where they lie outside
    [0, 1] by rounding.
    """
    found = sums(False)
    return sums(True) if found[-1] and checked else found


def bin_sums(pixels: Pixels, edges: np.ndarray, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`."""
    if not eligible(pixels):
        return NotImplemented
    pred, target, mask, binary = pixels.pred, pixels.target, pixels.mask, kind == "binary"
    labels = not is_floating(target.dtype)
    target = target if binary or not labels else target[:, None]
    roles = "values", "labels" if labels else "values", "values"
    unit = np.arange(2, dtype=pixels.dtype)
    operands = Operands.of(
        [pred, target, mask], pixels.axis, roles=roles, unit=unit.dtype.name, regional=not binary
    )
    number = 1 if kind != "classwise" else max(pred.shape[1], 2)
    inner = _inner_edges(edges, number, unit.dtype)
    even = edges.ndim == 1 and _are_even(tuple(edges[1:-1].tolist()), unit.dtype)
    scale = edges.size - 1 if even else 0
    how = (
        ("binary", "top_label", "classwise").index(kind),
        labels,
        not binary and pred.shape[1] == 1,
        mask is not None,
        *ignored(pixels.ignore_index if labels else None, target.dtype),
    )

    def sums(clip: bool) -> tuple[np.ndarray, bool]:
        values = (0,) if labels else (0, 1)
        some = operands.clipped(*values, unit=unit.dtype.name) if clip else operands

        def part(place: Place) -> tuple[bool, np.ndarray]:
            found = np.zeros((number, edges.shape[-1] - 1, 3))
            return bins.add(some.table, some.kept, place, how, inner, scale, unit, found), found

        found = map_parts(part, places(1, some.classes, some.columns, most=TABLES))
        return np.sum([sums for _, sums in found], axis=0), any(bad for bad, _ in found)

    total, wrong = without_rounding(sums, pixels.checked)
    if wrong and pixels.checked:  # NumPy's blocks find the entry, and word the error
        return NotImplemented
    count, confidence, correct = np.moveaxis(total if kind == "classwise" else total[0], -1, 0)
    return count.astype(np.intp), confidence, correct


def _inner_edges(edges: np.ndarray, number: int, dtype: np.dtype) -> np.ndarray:
    """Return the inner edges of each row of bins, filled up with NaN, which nothing reaches."""
    inner = np.broadcast_to(edges[..., 1:-1], (number, edges.shape[-1] - 2))
    return _filled(inner.astype(dtype), bins.STEP)


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
