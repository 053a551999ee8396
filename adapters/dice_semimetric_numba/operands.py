"""Describe arrays to kernels by numbers, so that one compiled kernel serves every dtype and layout.

An operand is a row of integers: where its first element lies, the code of its dtype, how many bytes
an element has, the address of what reads or writes it, and how many elements apart neighbours lie
along the class axis, each kept axis and each summed axis. A last row has the lengths of these axes.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dice_semimetric._lib.layout import split_axes
from dice_semimetric._lib.typing import Array

from .access import access
from .kernels import BRAIN

#: The dtypes that kernels read, by NumPy's names; the place of each is its code.
NAMES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
CODES = {name: code for code, name in enumerate(NAMES)}
# a dtype of another order of bytes is another key
_KNOWN = {np.dtype(name): code for name, code in CODES.items() if name != "bfloat16"}
_KNOWN[BRAIN] = CODES["bfloat16"]
#: Columns in front of the kept axes: address, code, bytes, accessor, step along the classes.
HEAD = 5


@dataclass(frozen=True)
class Operands:
    """Arrays as kernels read them.

    Attributes
    ----------
    table : numpy.ndarray
        Integers, a row for each array and one of lengths.
    kept : int
        How many columns the kept axes take.
    rows : int
        The product of the lengths of the kept axes.
    classes : int
        The length of the class axis: 1 where each class is a row of its own.
    columns : int
        The product of the lengths of the summed axes.
    """

    table: np.ndarray
    kept: int
    rows: int
    classes: int
    columns: int

    @classmethod
    def of(
        cls,
        arrays: Sequence[Array | None],
        axis: Sequence[int],
        *,
        roles: Sequence[str],
        unit: str,
        regional: bool = False,
    ) -> "Operands":
        """Describe arrays that broadcast to the first of them, which lend their memory.

        ``roles`` says what each is and ``unit`` the dtype of tiles; see `access`. With
        ``regional`` axis 1 is the class axis, and kernels hold all classes of some pixels.
        """
        found = _described(layouts(arrays), tuple(axis), tuple(roles), unit, regional)
        return found.at(addresses(arrays))

    def at(self, addresses: Sequence[int]) -> "Operands":
        """Return the same of other arrays, which lie in memory as these do."""
        table = self.table.copy()
        table[: len(addresses), 0] = addresses
        return Operands(table, self.kept, self.rows, self.classes, self.columns)

    def clipped(self, *places: int, unit: str) -> "Operands":
        """Return the same with some values read without rounding beyond 0 and 1.

        So they are read into tiles and never where they lie, whence their code is that of nothing.
        """
        table = self.table.copy()
        for k in places:
            table[k, 1], table[k, 3] = -1, access("clipped", NAMES[table[k, 1]], unit)
        return replace(self, table=table)


def layouts(arrays: Sequence[Array | None]) -> tuple["Layout | None", ...]:
    """Return what there is to know of arrays but their addresses."""
    return tuple(None if a is None else Layout(a.shape, a.strides, a.dtype) for a in arrays)


def addresses(arrays: Sequence[Array | None]) -> list[int]:
    """Return where the first elements of arrays lie; of none, 0."""
    return [0 if a is None else a.__array_interface__["data"][0] for a in arrays]


class Layout(NamedTuple):
    """What there is to know of an array but its address."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype


@functools.lru_cache(maxsize=256)
def _described(
    layouts: tuple[Layout | None, ...],
    axis: tuple[int, ...],
    roles: tuple[str, ...],
    unit: str,
    regional: bool,
) -> Operands:
    """Return operands without their addresses, as they are in every step of a training."""
    shape = layouts[0].shape  # type: ignore[union-attr]
    kept, summed = split_axes(layouts, axis, shape)
    along = [a for a in range(len(shape)) if a not in axis].index(1) if regional else None
    lengths, steps = list(kept.shape), [list(k) for k in kept.strides]
    classes = 1 if along is None else lengths.pop(along)
    class_steps = [0 if along is None else s.pop(along) for s in steps]
    lengths, across = lengths or [1], summed.shape or (1,)
    table = [
        [*_head(layout, role, unit), step, *(own or [0]), *(summed_steps or (0,))]
        for layout, role, step, own, summed_steps in zip(
            layouts, roles, class_steps, steps, summed.strides, strict=True
        )
    ]
    table.append([0, 0, 0, 0, classes, *lengths, *across])
    rows = math.prod(lengths)
    return Operands(np.array(table, np.int64), len(lengths), rows, classes, summed.size)


def readable(*arrays: Array | None) -> bool:
    """Return whether kernels can read these arrays where they lie."""
    return all(a is None or (_code(a.dtype) is not None and _is_even(a)) for a in arrays)


def is_floating(dtype: np.dtype) -> bool:
    """Return whether a dtype that kernels read is a floating one, bfloat16 too."""
    code = _code(dtype)
    return code is not None and code >= CODES["float16"]


def _code(dtype: np.dtype) -> int | None:
    """Return the code of a dtype; NumPy has bfloat16 from another package."""
    code = _KNOWN.get(dtype)
    return CODES["bfloat16"] if code is None and dtype.name == "bfloat16" else code


def _is_even(array: Array) -> bool:
    """Return whether every element lies at a multiple of its size from the first."""
    size = array.dtype.itemsize
    return array.flags.aligned and all(step % size == 0 for step in array.strides)


def _head(layout: Layout | None, role: str, unit: str) -> tuple[int, int, int, int]:
    """Return room for the address, code, bytes of an element and accessor; of nothing, zeros."""
    if layout is None:
        return 0, 0, 0, 0
    code = _code(layout.dtype)
    assert code is not None
    return 0, code, layout.dtype.itemsize, access(role, NAMES[code], unit)
