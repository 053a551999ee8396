"""The launch of the kernel that counts pairs at thresholds."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._lib.typing import Array, DType

from ._device import FLOATING, Device
from ._pairs import Pairs, pair_sums

#: A thread counts in 16 bits, and the counters of all must fit the shared memory.
_MOST_PAIRS = (1 << 16) - 1
_MOST_LEVELS = 12
#: Both tables must fit a kernel's arguments, 4 KiB: so many cells in float32, and half in float64.
_CELLS = (16, 32, 64, 128)
_THREADS = 128


def level_counts(device: Device, pairs: Pairs, thresholds: tuple[float, ...]) -> Array:
    """Return the counts, (3, T, *kept axes), of as many thresholds at a time as a kernel takes."""
    plan = _plan(thresholds, *_dtypes(pairs))
    parts = [(some, _counts(device, pairs, len(some), *tables)) for some, *tables in plan]
    if len(parts) == 1 and parts[0][0] == tuple(range(len(thresholds))):
        return parts[0][1]
    counts = device.empty((3, len(thresholds), *pairs.kept_shape), "int64")
    for some, found in parts:
        for k, place in enumerate(some):
            counts[:, place] = found[:, k]
    return counts


def _counts(
    device: Device, pairs: Pairs, levels: int, of_pred: NDArray[Any], of_target: NDArray[Any]
) -> Array:
    """Return the counts, (3, levels, *kept axes), of the thresholds in a pair of tables."""
    return pair_sums(
        device,
        pairs,
        "threshold_sums",
        "thresholds.cu",
        (3, levels),
        out="int64",
        threads=_THREADS,
        most=_MOST_PAIRS,
        macros=[("LEVELS", str(levels)), ("CELLS", str(len(of_pred) - 1))],
        more=[("of_pred", of_pred), ("of_target", of_target)],
    )


def _dtypes(pairs: Pairs) -> tuple[DType, DType, DType]:
    """Return the dtypes that thresholds for prediction and target are rounded to, and compared in.

    They are those of `dice_semimetric._lib.levels.cast_thresholds`.
    """
    own = (
        array.dtype if array.dtype.name in FLOATING and activation is None else pairs.dtype
        for array, activation in ((pairs.pred, pairs.activation), (pairs.target, None))
    )
    return *own, pairs.dtype


@functools.lru_cache(maxsize=64)
def _plan(
    thresholds: tuple[float, ...], of_pred: DType, of_target: DType, dtype: DType
) -> list[tuple[tuple[int, ...], NDArray[Any], NDArray[Any]]]:
    """Return the places of thresholds that are counted together, and the tables of both arrays."""
    levels = [np.asarray(thresholds, of).astype(dtype) for of in (of_pred, of_target)]
    plan = []
    for some, cells in groups(levels):
        one, other = (table(of[some], cells) for of in levels)
        one["before"] *= len(some) + 1
        plan.append((tuple(some), one, other))
    return plan


def groups(levels: list[NDArray[Any]]) -> Iterator[tuple[list[int], int]]:
    """Yield the places of thresholds that are counted together, ascending, and the cells needed.

    No two thresholds of a group share a cell.
    """
    some: list[int] = []
    cells = _CELLS[0]
    for place in np.argsort(levels[0], kind="stable").tolist():
        wanted = _cells_for([of[[*some, place]] for of in levels])
        if some and (wanted is None or len(some) == _MOST_LEVELS):
            yield some, cells
            some, wanted = [], _CELLS[0]
        some, cells = [*some, place], wanted or _CELLS[0]
    yield some, cells


def _cells_for(levels: list[NDArray[Any]]) -> int | None:
    """Return the fewest cells that hold one threshold each, or None."""
    for cells in _CELLS if levels[0].dtype.itemsize == 4 else _CELLS[:-1]:
        if all(len(np.unique(_cell_of(of, cells))) == len(of) for of in levels):
            return cells
    return None


def _cell_of(levels: NDArray[Any], cells: int) -> NDArray[np.intp]:
    """Return the cells of values in [0, 1], rounded as the kernel rounds."""
    return np.asarray(np.rint(levels * cells), np.intp)


def table(levels: NDArray[Any], cells: int) -> NDArray[Any]:
    """Return for every cell its threshold, or infinity, and the number of thresholds before it."""
    types = np.dtype([("threshold", levels.dtype), ("before", "i4")], align=True)
    found = np.zeros(cells + 1, types)
    found["threshold"] = np.inf
    at = _cell_of(levels, cells)
    found["threshold"][at] = levels
    found["before"] = np.searchsorted(at, np.arange(cells + 1))
    return found
