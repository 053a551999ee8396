"""The calls of the kernels over raters, which lie along axis 0."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dice_semimetric._lib.layout import memory_order
from dice_semimetric._lib.threads import map_parts
from dice_semimetric._lib.typing import Array, DType

from . import raters as kernels
from .operands import Operands, is_floating, readable
from .pairs import Place, ignored, is_beyond, places

#: So many joint decisions are counted in one table: those of 16 raters of a mask.
MOST, TABLE = 16, 1 << 16
#: How many such tables are held at a time: one takes half a megabyte.
TABLES = 16


def rater_counts(raters: Array, c: int | None = None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.rater_counts`."""
    return _counted(raters, _counting(raters), (int(c is None), c or 0, 0), 0)


def strict_majority(raters: Array) -> Any:
    """Return the marks of `dice_semimetric.fusion.strict_majority`."""
    return _counted(raters, raters.dtype, (1, 0, 0), raters.shape[0] // 2 + 1)


def _counted(raters: Array, dtype: DType, rule: tuple[int, int, int], least: int) -> Any:
    """Return how many raters marked each pixel, or whether at least so many did."""
    if not eligible(raters):
        return NotImplemented
    kind = _counting(raters)
    out, unit = _like_one(raters, dtype), np.zeros(1, kind)
    operands = _operands([raters, out], ("marks", "out"), kind.name)

    def write(place: Place) -> None:
        kernels.count(operands.table, operands.kept, raters.shape[0], place, rule, least, unit)

    _each_part(operands, write)
    return out


def _counting(raters: Array) -> Any:
    """Return the dtype that raters are counted in."""
    return np.dtype(np.uint8 if raters.shape[0] < 256 else np.int32)


def weighted_marks(raters: Array, shares: Array, c: int | None = None) -> Any:
    """Return the sums of `dice_semimetric._lib.raters.weighted_marks`."""
    kind = shares.dtype
    if not eligible(raters) or kind.name not in ("float32", "float64") or not readable(shares):
        return NotImplemented
    out, unit = _like_one(raters, kind), np.zeros(1, kind)
    operands = _operands([raters, out, shares], ("marks", "out", "values"), kind.name)
    rule = int(c is None), c or 0, 0

    def write(place: Place) -> None:
        kernels.weigh(operands.table, operands.kept, raters.shape[0], place, rule, unit)

    _each_part(operands, write)
    return out


def most_frequent(raters: Array, num_classes: int) -> Any:
    """Return the labels of `dice_semimetric.fusion.most_frequent`."""
    if not eligible(raters) or raters.dtype == bool:
        return NotImplemented
    out = _like_one(raters, raters.dtype)
    operands = _operands([raters, out], ("labels", "out"), "int32")

    def write(place: Place) -> None:
        number, classes = raters.shape[0], max(num_classes, 2)
        kernels.elect(operands.table, operands.kept, number, place, classes)

    _each_part(operands, write)
    return out


def vote_patterns(raters: Array, base: int = 2) -> Any:
    """Return the numbers of `dice_semimetric._lib.decisions.vote_patterns`."""
    length = base ** raters.shape[0]
    if not eligible(raters) or length > TABLE:
        return NotImplemented
    codes = _like_one(raters, np.dtype(np.uint8 if length <= 256 else np.int32))
    return codes, _tally(raters, codes, None, base)


def vote_counts(raters: Array, mask: Array | None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.vote_counts`."""
    number = raters.shape[0]
    if not eligible(raters) or number > MOST or not readable(mask):
        return NotImplemented
    counts = _tally(raters, None, mask)
    patterns = np.arange(counts.size)
    bits = (patterns >> np.arange(number)[:, None] & 1).astype(float)  # exact below 2^53
    marked = bits.sum(axis=0).astype(int)
    both = (bits * counts) @ bits.T
    majority = bits @ (counts * (marked > number // 2))
    votes = np.bincount(marked, counts, number + 1)
    return tuple(found.astype(np.intp) for found in (both, majority, votes))


def look_up(index: Array, table: Array) -> Any:
    """Return the entries of `dice_semimetric._lib.raters.look_up`."""
    kind = table.dtype
    if index.size == 0 or index.dtype.kind not in "iu" or not readable(index, table):
        return NotImplemented
    if kind.name not in ("float16", "bfloat16", "float32", "float64"):
        return NotImplemented
    values = table.astype(np.float64 if kind == np.float64 else np.float32)
    out = _like_one(index[None], kind)
    operands = _operands([index[None], out], ("labels", "out"), values.dtype.name)
    wrong = _each_part(
        operands,
        lambda place: kernels.look_up(operands.table, operands.kept, place, values),
    )
    return NotImplemented if any(wrong) else out


def spread(
    label: Array, values: Array, *, num_classes: int, axis: int, ignore_index: int | None
) -> Any:
    """Return the classes of `dice_semimetric.labels.spread`."""
    if label.dtype.kind not in "iu" or not readable(label, values) or is_beyond(ignore_index):
        return NotImplemented
    kind = values.dtype
    unit = {"float64": np.float64}.get(kind.name, np.float32 if is_floating(kind) else np.int32)
    out = np.empty((*label.shape[:axis], num_classes, *label.shape[axis:]), kind)
    classes = np.moveaxis(out, axis, 0)
    labels = np.broadcast_to(label, classes.shape)
    operands = _operands([labels, classes], ("labels", "out"), np.dtype(unit).name)
    rule = max(num_classes, 2), *ignored(ignore_index, label.dtype)
    two = values.astype(unit)

    def write(place: Place) -> None:
        kernels.spread(operands.table, operands.kept, num_classes, place, rule, two)

    _each_part(operands, write)
    return out


def value_range(array: Array) -> Any:
    """Return the ends of `dice_semimetric._lib.checks.value_range`."""
    if array.size == 0 or array.dtype.kind not in "iu" or not readable(array):
        return NotImplemented
    operands = _operands([array[None]], ("ends",), array.dtype.name)
    first = array[(0,) * array.ndim]

    def ends(place: Place) -> np.ndarray:
        found = np.full(2, first, array.dtype)
        kernels.ends(operands.table, operands.kept, place, found)
        return found

    found = np.stack(_each_part(operands, ends))
    return found[:, 0].min(), found[:, 1].max()


def eligible(raters: Array) -> bool:
    """Return whether the kernels take these raters."""
    return raters.size > 0 and raters.dtype.kind in "biu" and readable(raters)


def _operands(arrays: Sequence[Array | None], roles: Sequence[str], unit: str) -> Operands:
    """Describe raters, and what is read or written beside them."""
    axes = range(1, arrays[0].ndim)  # type: ignore[union-attr]
    return Operands.of(arrays, tuple(axes), roles=roles, unit=unit)


def _each_part(
    operands: Operands, function: Callable[[Place], Any], most: int | None = None
) -> list[Any]:
    """Return what a function returns for each part of the pixels, from several threads.

    There are about as many parts as ``most`` or fewer.
    """
    return map_parts(function, places(1, operands.rows, operands.columns, most=most))


def _tally(raters: Array, codes: Array | None, mask: Array | None, base: int = 2) -> np.ndarray:
    """Return how often each joint decision occurs, and write their numbers."""
    number = raters.shape[0]
    read = "marks" if base == 2 else "labels"
    operands = _operands([raters, codes, mask], (read, "out", "marks"), "int32")

    def tally(place: Place) -> np.ndarray:
        found = np.zeros(base**number + 1, np.intp)
        kernels.tally(operands.table, operands.kept, number, place, base, found)
        return found[:-1]

    total: np.ndarray = np.sum(_each_part(operands, tally, TABLES), axis=0)
    return total


def _like_one(raters: Array, dtype: DType) -> np.ndarray:
    """Return memory of the shape of one rater, and in the order of its axes in memory."""
    one = raters[0]
    order = memory_order(one)
    out = np.empty([one.shape[a] for a in order], dtype)
    return out.transpose(np.argsort(order))
