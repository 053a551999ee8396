"""What the kernels are told of how arrays lie in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dice_semimetric._lib.layout import Axes
from dice_semimetric._lib.typing import Array

from ._device import DIMS

#: The bytes that one instruction loads.
_LOAD = 16


def structure(axes: Axes) -> tuple[int, list[int], list[list[int]]]:
    """Return axes as the fields of the kernels' structure of that name."""
    rest = [0] * (DIMS - len(axes.shape))
    return len(axes.shape), [*axes.shape, *rest], [[*s, *rest] for s in axes.strides]


def axes_type(arrays: int) -> np.dtype[Any]:
    """Return the layout in memory of the kernels' structure for so many arrays."""
    return np.dtype([("count", "i8"), ("shape", "i8", DIMS), ("stride", "i8", (arrays, DIMS))])


def vector(
    arrays: Sequence[Array | None], addresses: Sequence[int], kept: Axes, summed: Axes
) -> int:
    """Return how many neighbours one load may take of every array; 0 if they are not neighbours."""
    given = [k for k, array in enumerate(arrays) if array is not None]
    if len(summed.shape) > 1 or any(
        s not in ((), (1,)) for k in given for s in [summed.strides[k]]
    ):
        return 0
    count: int = _LOAD // max(arrays[k].dtype.itemsize for k in given)  # type: ignore[union-attr]
    while count > 1 and not all(
        addresses[k] % (count * arrays[k].dtype.itemsize) == 0  # type: ignore[union-attr]
        and all(s % count == 0 for s in kept.strides[k])
        for k in given
    ):
        count //= 2
    return count


def parts_of(rows: int, columns: int, least: int, blocks: int, most: int) -> tuple[int, int]:
    """Return into how many parts of how many columns each row is cut.

    Parts are multiples of ``least``, at most ``most`` and together about as many as the blocks
    that keep the GPU busy.
    """
    parts = max(1, min(-(-columns // least), -(-blocks // rows)))
    chunk = min(-(-columns // parts), most)
    chunk = -(-chunk // least) * least
    return -(-columns // chunk), chunk
