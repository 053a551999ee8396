# mypy: ignore-errors
"""The gradient of the sums over bins: what a table holds for the bin of each pixel."""

import numpy as np

from .bins import STEP, TILE, bins_of
from .compiling import sums


def look_up(x: np.ndarray, inner: np.ndarray, table: np.ndarray, found: np.ndarray) -> None:
    """Write a table's entry for the bin of each confidence; all are 1-D and of one dtype."""
    edges = np.pad(inner, (0, -inner.size % STEP), constant_values=np.nan)
    _look_up(x, edges, np.arange(2, dtype=x.dtype), table, found)


@sums
def _look_up(x, edges, unit, table, found):
    where = np.empty(TILE, np.uint32)
    for start in range(0, x.size, TILE):
        part = x[start : start + TILE]
        bins_of(part, edges, 0, unit, where)
        for i in range(part.size):
            found[start + i] = table[where[i]]
