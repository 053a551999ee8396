# mypy: ignore-errors
"""Move runs of elements of any stride between memory and a tile.

An operand of a kernel is one row of integers: its address, that of the code that reads its dtype,
and how many elements apart neighbours lie along each axis. So one compiled kernel serves every
dtype and layout, and a cast takes place where the tile lies, in the L1 cache.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling import exact


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


@intrinsic
def call(context, function, memory, step, tile, n, a, b, c):
    """Call compiled code at an address, with eight integers less one, and return its integer."""

    def code(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * 7).as_pointer()
        return builder.call(builder.inttoptr(args[0], kind), args[1:])

    return types.int64(*[types.int64] * 8), code


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
def move(operand, offset, shape, steps, start, n, rule, tile):
    """Read n pixels from ``start`` on of an operand's row into tile[:n], or write them from there.

    What is done is up to the operand; see `access`. Returns how many labels were no class.
    """
    done, wrong, step = 0, 0, steps[shape.size - 1]
    where = tile.ctypes.data
    while done < n:
        place, count = run_at(start + done, shape, steps)
        count = min(count, n - done)
        address = operand[0] + (offset + place) * operand[2]
        there = where + done * tile.itemsize
        wrong += call(operand[3], address, step, there, count, rule[0], rule[1], rule[2])
        done += count
    return wrong
