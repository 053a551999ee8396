# mypy: ignore-errors
"""Tiles of pixels whose few classes lie together, as in PyTorch's ``channels_last``."""

from numba import carray

from .compiling import sums
from .memory import pointer
from .operands import CODES, HEAD
from .vectors import wide

F32, F64 = CODES["float32"], CODES["float64"]


@sums
def read_together(table, kept, operand, at, out):
    """Read all classes of a tile into out if they lie together; return whether they do."""
    memory = _pixels(table, kept, operand, at, out)
    if memory.size == 0:
        return False
    if out.shape[0] == 2:
        _read_two(memory, at[2], out[0], out[1])
    elif out.shape[0] == 3:
        _read_three(memory, at[2], out[0], out[1], out[2])
    else:
        _read_four(memory, at[2], out[0], out[1], out[2], out[3])
    return True


@sums
def write_together(table, kept, operand, at, values):
    """Write all classes of a tile to where they lie together."""
    memory = _pixels(table, kept, operand, at, values)
    if values.shape[0] == 2:
        _write_two(memory, at[2], values[0], values[1])
    elif values.shape[0] == 3:
        _write_three(memory, at[2], values[0], values[1], values[2])
    else:
        _write_four(memory, at[2], values[0], values[1], values[2], values[3])


@sums
def lie_together(table, kept, operand, tile):
    """Return whether the classes of an operand lie together, in the dtype of a tile."""
    classes, last = tile.shape[0], HEAD + kept
    same = table[operand, 1] == (F32 if tile.itemsize == 4 else F64)
    few = 2 <= classes <= 4
    one_axis = table.shape[1] == last + 1
    near = table[operand, HEAD - 1] == 1 and table[operand, last] == classes
    return same and few and one_axis and near


@sums
def _pixels(table, kept, operand, at, tile):
    """Return the memory of a tile, which is empty if its classes do not lie together."""
    row, start, n = at
    if not lie_together(table, kept, operand, tile):
        return carray(pointer(table[operand, 0], tile.dtype), 0)
    offset = offset_of(table, kept, operand, row) + start * tile.shape[0]
    address = table[operand, 0] + offset * tile.itemsize
    return carray(pointer(address, tile.dtype), n * tile.shape[0])


@sums
def offset_of(table, kept, operand, row):
    """Return where a row of an operand begins, in elements."""
    offset = 0
    for axis in range(HEAD + kept - 1, HEAD, -1):
        length = table[-1, axis]
        offset += (row % length) * table[operand, axis]
        row //= length
    return offset + row * table[operand, HEAD]


# The number of classes is written out in each, for a compiler to shuffle whole vectors.


@sums
def _read_two(memory, n, a, b):
    wide()
    for i in range(n):
        a[i], b[i] = memory[2 * i], memory[2 * i + 1]


@sums
def _read_three(memory, n, a, b, c):
    wide()
    for i in range(n):
        a[i], b[i], c[i] = memory[3 * i], memory[3 * i + 1], memory[3 * i + 2]


@sums
def _read_four(memory, n, a, b, c, d):
    wide()
    for i in range(n):
        a[i], b[i] = memory[4 * i], memory[4 * i + 1]
        c[i], d[i] = memory[4 * i + 2], memory[4 * i + 3]


@sums
def _write_two(memory, n, a, b):
    wide()
    for i in range(n):
        memory[2 * i], memory[2 * i + 1] = a[i], b[i]


@sums
def _write_three(memory, n, a, b, c):
    wide()
    for i in range(n):
        memory[3 * i], memory[3 * i + 1], memory[3 * i + 2] = a[i], b[i], c[i]


@sums
def _write_four(memory, n, a, b, c, d):
    wide()
    for i in range(n):
        memory[4 * i], memory[4 * i + 1] = a[i], b[i]
        memory[4 * i + 2], memory[4 * i + 3] = c[i], d[i]
