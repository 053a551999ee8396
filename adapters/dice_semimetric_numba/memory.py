# mypy: ignore-errors
"""Read a run of elements of any dtype and stride into a tile, and write a tile back.

An operand of a kernel is one row of integers: its address, the code of its dtype, and how many
elements apart neighbours lie along each axis. So one compiled kernel serves every dtype and layout,
and a cast takes place where the tile lies, in the L1 cache.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling import exact
from .operands import CODES

(
    BOOL,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
) = CODES.values()
#: What stands in a tile of labels for one that is ignored, and for one that is no class.
IGNORED, WRONG = np.int32(-1), np.int32(-2)
#: 2^112: takes the exponent of a float16, read as that of a float32, to where it belongs.
HALF_SCALE, HALF_TINY = np.float32(2.0**112), np.float32(2.0**-112)
HALF_END, HALF_MOST = np.float32(65536.0), np.float32(65520.0)
INFINITY = 0x7F800000


@intrinsic
def bits_of(context, value):
    """Return the bits of a float32."""

    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), code


@intrinsic
def float_of(context, bits):
    """Return the float32 of these bits."""

    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), code


@intrinsic
def pointer(context, address, kind):
    """Return an address as a pointer to elements of a dtype."""

    def code(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(kind.dtype)(types.int64, kind), code


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
def _read_plain(source, step, out, first, n):
    for i in range(n):
        out[first + i] = source[i * step]


@exact
def _read_halves(source, step, out, first, n):
    for i in range(n):
        out[first + i] = _of_half(source[i * step])


@exact
def _read_brains(source, step, out, first, n):
    for i in range(n):
        out[first + i] = _of_brain(source[i * step])


@exact
def _read_run(address, code, step, out, first, n):
    """Read elements that lie a step apart into out[first:first + n]."""
    if code == F32:
        _read_plain(pointer(address, np.float32), step, out, first, n)
    elif code == F64:
        _read_plain(pointer(address, np.float64), step, out, first, n)
    elif code == F16:
        _read_halves(pointer(address, np.uint16), step, out, first, n)
    elif code == BF16:
        _read_brains(pointer(address, np.uint16), step, out, first, n)
    elif code <= U8:
        _read_plain(pointer(address, np.uint8), step, out, first, n)
    elif code == I8:
        _read_plain(pointer(address, np.int8), step, out, first, n)
    elif code == U16:
        _read_plain(pointer(address, np.uint16), step, out, first, n)
    elif code == I16:
        _read_plain(pointer(address, np.int16), step, out, first, n)
    elif code == U32:
        _read_plain(pointer(address, np.uint32), step, out, first, n)
    elif code == I32:
        _read_plain(pointer(address, np.int32), step, out, first, n)
    elif code == U64:
        _read_plain(pointer(address, np.uint64), step, out, first, n)
    else:
        _read_plain(pointer(address, np.int64), step, out, first, n)


@exact
def _write_plain(target, step, values, first, n):
    for i in range(n):
        target[i * step] = values[first + i]


@exact
def _write_halves(target, step, values, first, n):
    for i in range(n):
        target[i * step] = _to_half(np.float32(values[first + i]))


@exact
def _write_brains(target, step, values, first, n):
    for i in range(n):
        target[i * step] = _to_brain(np.float32(values[first + i]))


@exact
def _write_run(address, code, step, values, first, n):
    """Write values[first:first + n] to floating elements that lie a step apart."""
    if code == F32:
        _write_plain(pointer(address, np.float32), step, values, first, n)
    elif code == F64:
        _write_plain(pointer(address, np.float64), step, values, first, n)
    elif code == F16:
        _write_halves(pointer(address, np.uint16), step, values, first, n)
    else:
        _write_brains(pointer(address, np.uint16), step, values, first, n)


@exact
def _read_labels(source, step, out, first, n, rule):
    classes, ignores, ignored = rule
    for i in range(n):
        label = types.int64(source[i * step])
        found = types.int32(label) if (label >= 0) & (label < classes) else WRONG
        out[first + i] = IGNORED if ignores & (label == ignored) else found


@exact
def _label_run(address, code, step, out, first, n, rule):
    """Read labels as numbers of classes; see `read_labels`."""
    if code <= U8:
        _read_labels(pointer(address, np.uint8), step, out, first, n, rule)
    elif code == I8:
        _read_labels(pointer(address, np.int8), step, out, first, n, rule)
    elif code == U16:
        _read_labels(pointer(address, np.uint16), step, out, first, n, rule)
    elif code == I16:
        _read_labels(pointer(address, np.int16), step, out, first, n, rule)
    elif code == U32:
        _read_labels(pointer(address, np.uint32), step, out, first, n, rule)
    elif code == I32:
        _read_labels(pointer(address, np.int32), step, out, first, n, rule)
    elif code == U64:  # what is beyond an int64 becomes negative, and so no class
        _read_labels(pointer(address, np.uint64), step, out, first, n, rule)
    else:
        _read_labels(pointer(address, np.int64), step, out, first, n, rule)


@exact
def run_at(position, shape, steps):
    """Return where a pixel lies, in elements, and how many of its axis follow it, itself included.

    Pixels are counted along the axes of ``shape``, the last one fastest.
    """
    last = shape.size - 1
    inside, rest = position % shape[last], position // shape[last]
    offset = inside * steps[last]
    for axis in range(last - 1, -1, -1):
        offset += (rest % shape[axis]) * steps[axis]
        rest //= shape[axis]
    return offset, shape[last] - inside


@exact
def read(operand, offset, shape, steps, start, n, out):
    """Read n pixels from ``start`` on of an operand's row into out[:n]."""
    done, step = 0, steps[shape.size - 1]
    while done < n:
        place, count = run_at(start + done, shape, steps)
        count = min(count, n - done)
        address = operand[0] + (offset + place) * operand[2]
        _read_run(address, operand[1], step, out, done, count)
        done += count


@exact
def read_labels(operand, offset, shape, steps, start, n, rule, out):
    """Read n labels into out[:n]: the number of the class, `IGNORED` or `WRONG`.

    ``rule`` is the number of classes, whether a label is ignored, and which.
    """
    done, step = 0, steps[shape.size - 1]
    while done < n:
        place, count = run_at(start + done, shape, steps)
        count = min(count, n - done)
        address = operand[0] + (offset + place) * operand[2]
        _label_run(address, operand[1], step, out, done, count, rule)
        done += count


@exact
def write(operand, offset, shape, steps, start, n, values):
    """Write values[:n] to n pixels from ``start`` on of an operand's row."""
    done, step = 0, steps[shape.size - 1]
    while done < n:
        place, count = run_at(start + done, shape, steps)
        count = min(count, n - done)
        address = operand[0] + (offset + place) * operand[2]
        _write_run(address, operand[1], step, values, done, count)
        done += count
