"""How arrays that broadcast against one another lie in memory, for compiled kernels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .typing import Array


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


def memory_order(array: Array) -> list[int]:
    """Return the axes of an array from the one whose neighbours lie farthest apart on."""
    return sorted(range(array.ndim), key=lambda a: -abs(array.strides[a]))


def _strides(array: Array | None, ndim: int) -> list[int]:
    """Return the strides of an array broadcast to so many axes; of none, zeros."""
    if array is None:
        return [0] * ndim
    own = [
        0 if length == 1 else step // array.dtype.itemsize
        for length, step in zip(array.shape, array.strides, strict=True)
    ]
    return [0] * (ndim - len(own)) + own
