"""The launch of the kernel that counts pairs at thresholds."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._lib.typing import Array

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
    counts = device.empty((3, len(thresholds), *pairs.kept_shape), "int64")
    levels = _cast(pairs, thresholds)
    for some, cells in groups(levels):
        tables = [table(of[some], cells) for of in levels]
        tables[0]["before"] *= len(some) + 1
        found = pair_sums(
            device,
            pairs,
            "threshold_sums",
            "thresholds.cu",
            (3, len(some)),
            out="int64",
            threads=_THREADS,
            most=_MOST_PAIRS,
            macros=[("LEVELS", str(len(some))), ("CELLS", str(cells))],
            more=[("of_pred", tables[0]), ("of_target", tables[1])],
        )
        for k, place in enumerate(some):
            counts[:, place] = found[:, k]
    return counts


def _cast(pairs: Pairs, thresholds: tuple[float, ...]) -> list[NDArray[Any]]:
    """Return the thresholds for prediction and target.

    They are cast as by `dice_semimetric._lib.levels.cast_thresholds`, on the host.
    """
    found = []
    for array, activation in ((pairs.pred, pairs.activation), (pairs.target, None)):
        own = array.dtype.name in FLOATING and activation is None
        levels = np.asarray(thresholds, array.dtype if own else pairs.dtype)
        found.append(levels.astype(pairs.dtype))
    return found


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
