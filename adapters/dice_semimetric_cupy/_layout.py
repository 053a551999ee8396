"""How arrays that broadcast against one another lie in memory, as the kernels want to know it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dice_semimetric._lib.typing import Array

from ._device import DIMS

#: The bytes that one instruction loads.
_LOAD = 16


@dataclass(frozen=True)
class Axes:
    """Some axes of several arrays, the last varying fastest.

    Attributes
    ----------
    shape : tuple of int
        The length of each axis.
    strides : tuple of tuple of int
        For each array the distance of neighbours along each axis, in elements; 0 where the array
        is broadcast.
    """

    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """The number of elements along all axes."""
        return math.prod(self.shape)

    def joined(self) -> "Axes":
        """Return the axes without those of length 1, neighbours joined where all allow it."""
        shape: list[int] = []
        strides: list[list[int]] = [[] for _ in self.strides]
        for a, length in enumerate(self.shape):
            if length == 1:
                continue
            if shape and all(
                s[-1] == own[a] * length for s, own in zip(strides, self.strides, strict=True)
            ):
                shape[-1] *= length
                for s, own in zip(strides, self.strides, strict=True):
                    s[-1] = own[a]
            else:
                shape.append(length)
                for s, own in zip(strides, self.strides, strict=True):
                    s.append(own[a])
        return Axes(tuple(shape), tuple(tuple(s) for s in strides))

    def structure(self) -> tuple[int, list[int], list[list[int]]]:
        """Return the fields of the kernels' structure of that name."""
        rest = [0] * (DIMS - len(self.shape))
        return len(self.shape), [*self.shape, *rest], [[*s, *rest] for s in self.strides]


def axes_type(arrays: int) -> np.dtype[Any]:
    """Return the layout in memory of the kernels' structure for so many arrays."""
    return np.dtype([("count", "i8"), ("shape", "i8", DIMS), ("stride", "i8", (arrays, DIMS))])


def split_axes(
    arrays: Sequence[Array | None], axis: Sequence[int], shape: Sequence[int]
) -> tuple[Axes, Axes]:
    """Return the kept and the summed axes of arrays that broadcast to a shape.

    The summed ones are walked in the memory order of the first array.
    """
    strides = [_strides(a, len(shape)) for a in arrays]
    kept = [a for a in range(len(shape)) if a not in axis]
    summed = sorted(axis, key=lambda a: -abs(strides[0][a]))
    first, second = (
        Axes(tuple(shape[a] for a in some), tuple(tuple(s[a] for a in some) for s in strides))
        for some in (kept, summed)
    )
    return first, second.joined()


def _strides(array: Array | None, ndim: int) -> list[int]:
    """Return the strides of an array broadcast to so many axes; of none, zeros."""
    if array is None:
        return [0] * ndim
    own = [
        0 if length == 1 else step // array.dtype.itemsize
        for length, step in zip(array.shape, array.strides, strict=True)
    ]
    return [0] * (ndim - len(own)) + own


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
