# mypy: ignore-errors
"""Compiled code that moves a run of elements of one dtype to or from a tile, with a cast.

Each is compiled for itself when a dtype first comes, and called by its address: a kernel that held
them all took seconds to compile.
"""

import functools

import numpy as np
from numba import types

from .compiling import exact
from .memory import bits_of, float_of
from .vectors import wide

#: What stands in a tile of labels for one that is ignored, and for one that is no class.
IGNORED, WRONG = np.int32(-1), np.int32(-2)
#: 2^112: takes the exponent of a float16, read as that of a float32, to where it belongs.
HALF_SCALE, HALF_TINY = np.float32(2.0**112), np.float32(2.0**-112)
HALF_END, HALF_MOST = np.float32(65536.0), np.float32(65520.0)
INFINITY = 0x7F800000
#: How far outside [0, 1] rounding puts a value; see `dice_semimetric._lib.checks.rounding`.
SLACK, HALF_SLACK, BRAIN_SLACK = 1e-6, 2.0**-8, 2.0**-5


@exact
def _of_half(half):
    """Return the float32 of a float16's bits, without a branch."""
    wide = types.int32(half)
    size = float_of(types.int32((wide & 0x7FFF) << 13)) * HALF_SCALE
    size = size if size < HALF_END else float_of(types.int32(bits_of(size) | INFINITY))
    return float_of(types.int32(bits_of(size) | types.int32((wide & 0x8000) << 16)))


@exact
def _to_half(value):
    """Return the bits of the nearest float16, of two the even one."""
    bits = bits_of(value)
    sign = types.int32((bits >> 16) & 0x8000)
    size = types.int32(bits & 0x7FFFFFFF)
    normal = types.int32((size - 0x38000000 + 0xFFF + ((size >> 13) & 1)) >> 13)
    # adding 1/2 lets the processor round what is below the smallest normal number
    small = types.int32(bits_of(float_of(size) + np.float32(0.5)) - 0x3F000000)
    found = normal if size >= 0x38800000 else small
    found = found if size < 0x477FF000 else types.int32(0x7C00)
    found = found if size <= INFINITY else types.int32(0x7E00)
    return types.uint16(found | sign)


@exact
def _of_brain(brain):
    """Return the float32 of a bfloat16's bits."""
    return float_of(types.int32(types.int32(brain) << 16))


@exact
def _to_brain(value):
    """Return the bits of the nearest bfloat16, of two the even one."""
    bits = bits_of(value)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    is_nan = types.int32(bits & 0x7FFFFFFF) > INFINITY
    return types.uint16((bits >> 16) | 0x40) if is_nan else types.uint16(rounded)


@exact
def _plain(memory, step, tile, n, a, b, c):
    wide()
    if step == 1:
        for i in range(n):
            tile[i] = memory[i]
    else:
        for i in range(n):
            tile[i] = memory[i * step]
    return 0


@exact
def _halves(memory, step, tile, n, a, b, c):
    wide()
    if step == 1:
        for i in range(n):
            tile[i] = _of_half(memory[i])
    else:
        for i in range(n):
            tile[i] = _of_half(memory[i * step])
    return 0


@exact
def _brains(memory, step, tile, n, a, b, c):
    wide()
    if step == 1:
        for i in range(n):
            tile[i] = _of_brain(memory[i])
    else:
        for i in range(n):
            tile[i] = _of_brain(memory[i * step])
    return 0


@exact
def _clip(tile, n, slack):
    """Put what lies outside [0, 1] by rounding at its ends; what lies farther out stays."""
    for i in range(n):
        value = tile[i]
        value = 1 if (value > 1) & (value <= 1 + slack) else value
        tile[i] = 0 if (value < 0) & (value >= -slack) else value


@exact
def _plain_clipped(memory, step, tile, n, a, b, c):
    _plain(memory, step, tile, n, a, b, c)
    _clip(tile, n, SLACK)
    return 0


@exact
def _halves_clipped(memory, step, tile, n, a, b, c):
    _halves(memory, step, tile, n, a, b, c)
    _clip(tile, n, HALF_SLACK)
    return 0


@exact
def _brains_clipped(memory, step, tile, n, a, b, c):
    _brains(memory, step, tile, n, a, b, c)
    _clip(tile, n, BRAIN_SLACK)
    return 0


@exact
def _class_of(label, classes, ignores, ignored):
    """Return a label as the number of a class, `IGNORED` or `WRONG`."""
    found = types.int32(label) if (label >= 0) & (label < classes) else WRONG
    return IGNORED if (ignores != 0) & (label == ignored) else found


@exact
def _labels(memory, step, tile, n, classes, ignores, ignored):
    """Read labels as numbers of classes, `IGNORED` or `WRONG`; return how many are wrong.

    A uint64 beyond an int64 becomes negative, and so no class.
    """
    wide()
    wrong = types.int32(0)
    if step == 1:
        for i in range(n):
            tile[i] = _class_of(types.int64(memory[i]), classes, ignores, ignored)
            wrong += types.int32(tile[i] == WRONG)
    else:
        for i in range(n):
            tile[i] = _class_of(types.int64(memory[i * step]), classes, ignores, ignored)
            wrong += types.int32(tile[i] == WRONG)
    return types.int64(wrong)


@exact
def _short_labels(memory, step, tile, n, classes, ignores, ignored):
    """Do what `_labels` does with labels that an int32 holds, twice as many at a time."""
    wide()
    classes, ignored, wrong = types.int32(classes), types.int32(ignored), types.int32(0)
    if step == 1:
        for i in range(n):
            tile[i] = _class_of(types.int32(memory[i]), classes, ignores, ignored)
            wrong += types.int32(tile[i] == WRONG)
    else:
        for i in range(n):
            tile[i] = _class_of(types.int32(memory[i * step]), classes, ignores, ignored)
            wrong += types.int32(tile[i] == WRONG)
    return types.int64(wrong)


@exact
def _marks(memory, step, tile, n, every, number, c):
    """Read where masks are not 0, or labels are a number, as 0 and 1."""
    if every != 0:
        for i in range(n):
            tile[i] = memory[i * step] != 0
    else:
        for i in range(n):
            tile[i] = types.int64(memory[i * step]) == number
    return 0


@exact
def _to_plain(memory, step, tile, n, a, b, c):
    for i in range(n):
        memory[i * step] = tile[i]
    return 0


@exact
def _to_halves(memory, step, tile, n, a, b, c):
    for i in range(n):
        memory[i * step] = _to_half(np.float32(tile[i]))
    return 0


@exact
def _to_brains(memory, step, tile, n, a, b, c):
    for i in range(n):
        memory[i * step] = _to_brain(np.float32(tile[i]))
    return 0


@exact
def _ends(memory, step, ends, n, a, b, c):
    """Lower ends[0] to the smallest and raise ends[1] to the largest."""
    low = high = memory[0]
    for i in range(n):
        value = memory[i * step]
        low = value if value < low else low
        high = value if value > high else high
    ends[0], ends[1] = min(ends[0], low), max(ends[1], high)
    return 0


_VALUES = {"float16": _halves, "bfloat16": _brains}
_CLIPPED = {"float16": _halves_clipped, "bfloat16": _brains_clipped}
_CLIPPED |= dict.fromkeys(("float32", "float64"), _plain_clipped)
_OUT = {"float16": _to_halves, "bfloat16": _to_brains}
_LONG = ("int64", "uint64", "uint32")
_BITS = {"bool": "uint8", "float16": "uint16", "bfloat16": "uint16"}


@functools.cache
def access(role: str, dtype: str, unit: str) -> int:
    """Return the address of the code that moves elements of a dtype.

    ``role`` is "values" or "out", to or from floating numbers of the dtype ``unit``, or "clipped",
    to those without rounding beyond 0 and 1; "labels", to int32; "marks", to uint8; or "ends", to
    the smallest and the largest.
    """
    if role == "ends":
        code, tile = _ends, _BITS.get(dtype, dtype)
    elif role == "labels":
        code, tile = _labels if dtype in _LONG else _short_labels, "int32"
    elif role == "marks":
        code, tile = _marks, "uint8"
    else:
        code, tile = {"out": _OUT, "clipped": _CLIPPED}.get(role, _VALUES).get(dtype), unit
        code = code or (_to_plain if role == "out" else _plain)
    memory, tile = (types.CPointer(getattr(types, n)) for n in (_BITS.get(dtype, dtype), tile))
    signature = (memory, types.int64, tile, *[types.int64] * 4)
    code.compile(signature)
    compiled = code.overloads[signature]
    address: int = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
    return address
