# mypy: ignore-errors
"""What a compiler does not find by itself in a loop over numbers: wide vectors."""

from numba import types
from numba.extending import intrinsic


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
