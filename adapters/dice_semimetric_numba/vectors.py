# mypy: ignore-errors
"""What a compiler does not find in a loop by itself: wide vectors, and a bit for each number.

Rows are given by their address, since a view of an array counts its owners, and that waits for
the memory.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiling import sums

#: How many numbers are read at a time: a bit for each fills a word.
WIDTH = 64
_BITS = ir.IntType(WIDTH)


@intrinsic
def wide(context):
    """Let the function that this is called in use the widest vectors that the processor has.

    LLVM stops at 256 bits where there are 512, since old processors slowed down for them.
    """

    def code(context, builder, signature, args):
        # an AttributeSet takes names only that it knows
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), code


@sums
def place_of(row):
    """Return the address of a row, as a number that others can be added to."""
    return np.int64(row.ctypes.data)


@intrinsic
def reaching(context, address, level):
    """Return in bits which of `WIDTH` numbers are not below a level, of whose type they are."""

    def code(context, builder, signature, args):
        values = _load(context, builder, args[0], args[1].type)
        floating = isinstance(signature.args[1], types.Float)
        compare = builder.fcmp_ordered if floating else builder.icmp_unsigned
        return builder.bitcast(compare(">=", values, _spread(builder, args[1])), _BITS)

    return types.uint64(types.int64, level), code


@intrinsic
def ones(context, bits):
    """Return how many bits are set."""

    def code(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), code


@intrinsic
def write_steps(context, address, scale, to):
    """Write floor(scale x) of `WIDTH` probabilities as bytes; return in bits which are none.

    Those below 0 and NaN count as 0, those above 1 as 1.
    """

    def code(context, builder, signature, args):
        address, scale, to = args
        values = _load(context, builder, address, scale.type)
        zero = ir.Constant(values.type, None)
        one = ir.Constant(values.type, [1.0] * WIDTH)
        inside = builder.select(builder.fcmp_ordered(">", values, zero), values, zero)
        inside = builder.select(builder.fcmp_ordered("<", inside, one), inside, one)
        steps = ir.VectorType(ir.IntType(8), WIDTH)
        found = builder.fptoui(builder.fmul(inside, _spread(builder, scale)), steps)
        builder.store(found, builder.inttoptr(to, steps.as_pointer()), align=1)
        return builder.bitcast(builder.fcmp_unordered("!=", inside, values), _BITS)

    return types.uint64(types.int64, scale, types.int64), code


@intrinsic
def add_two(context, table, offset, values, like):
    """Add two numbers, like ``like``, to two float64 of a table.

    How many bytes into the table they are stands at an address as an int32.
    """

    def code(context, builder, signature, args):
        table, offset, values, like = args
        double, pair = ir.DoubleType(), ir.VectorType(ir.DoubleType(), 2)
        step = builder.load(builder.inttoptr(offset, ir.IntType(32).as_pointer()), align=4)
        place = builder.add(table, builder.zext(step, ir.IntType(64)))
        place = builder.inttoptr(place, pair.as_pointer())
        given = ir.VectorType(like.type, 2)
        size = context.get_abi_sizeof(like.type)
        found = builder.load(builder.inttoptr(values, given.as_pointer()), align=size)
        found = found if like.type == double else builder.fpext(found, pair)
        total = builder.fadd(builder.load(place, align=8), found)
        builder.store(total, place, align=8)
        return context.get_dummy_value()

    kinds = types.int64, types.int64, types.int64, like
    return types.none(*kinds), code


def _load(context, builder, address, kind):
    row = ir.VectorType(kind, WIDTH)
    place = builder.inttoptr(address, row.as_pointer())
    return builder.load(place, align=context.get_abi_sizeof(kind))


def _spread(builder, value):
    """Return a number in every place of a vector."""
    nothing = ir.Constant(ir.VectorType(value.type, WIDTH), ir.Undefined)
    one = builder.insert_element(nothing, value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, nothing, ir.VectorType(ir.IntType(32), WIDTH)(None))
