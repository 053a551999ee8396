# mypy: ignore-errors
"""Tiles of a prediction and its target: all classes of some pixels, in a core's own cache.

``how`` is a tuple of what is to be done: softmax, sigmoid, labels, masked, ignores, ignored.
"""

import numpy as np
from numba import carray

from .access import IGNORED
from .activations import (
    exponentials_of,
    invert,
    largest_of,
    scale_by,
    sigmoid_of,
    softmax_of_two,
)
from .compiling import sums
from .memory import move, pointer
from .operands import HEAD
from .together import F32, F64, offset_of, read_together
from .vectors import wide

#: Entries of a tile's probabilities: 32 KiB in float32, for the L1 cache. Of many classes that is a
#: short run of pixels each; then up to 512 KiB, for the L2 cache.
TILE, LARGE_TILE, RUN = 1 << 13, 1 << 17, 1 << 12
#: The rows of operands; gradients of pred and target are written to the last two.
PRED, TARGET, MASK, OF_PRED, OF_TARGET = 0, 1, 2, 3, 4
#: For what is read without a rule.
PLAIN = (0, 0, 0)


@sums
def tile_size(classes):
    return max(TILE // classes, min(RUN, LARGE_TILE // classes), 256)


@sums
def tile_of(count, size, unit):
    """Return memory for some rows of a tile, each of which begins where a cache line does.

    They lie at different places of their pages: a processor takes what lies at the same one, of
    rows that are read and written in turn, for one.
    """
    line = 64 // unit.itemsize
    length = size + 2 * line
    memory = np.empty(count * length + line, unit.dtype)
    skip = (-memory.ctypes.data % 64) // unit.itemsize
    return memory[skip : skip + count * length].reshape(count, length)


@sums
def read_class(table, kept, operand, row, c, start, n, out):
    """Read n pixels of a class from ``start`` on into out[:n]."""
    own = table[operand]
    offset = offset_of(table, kept, operand, row) + c * own[HEAD - 1]
    move(own, offset, table[-1, HEAD + kept :], own[HEAD + kept :], start, n, PLAIN, out)


@sums
def room_for(table, kept, operand, row, c, start, n, scratch):
    """Return memory for n pixels of a class: where they belong if nothing is to be cast."""
    first, last = HEAD + kept, table.shape[1] - 1
    if table[operand, 1] != (F32 if scratch.itemsize == 4 else F64) or table[operand, last] != 1:
        return scratch[:n]
    offset = offset_of(table, kept, operand, row) + c * table[operand, HEAD - 1]
    for axis in range(last, first, -1):
        length = table[-1, axis]
        inside = start % length
        if axis == last and length - inside < n:
            return scratch[:n]
        offset += inside * table[operand, axis]
        start //= length
    offset += start * table[operand, first]
    return carray(pointer(table[operand, 0] + offset * scratch.itemsize, scratch.dtype), n)


@sums
def class_of(table, kept, operand, row, c, start, n, scratch):
    """Return n pixels of a class where they lie, or read into scratch if kernels need a cast."""
    found = room_for(table, kept, operand, row, c, start, n, scratch)
    if found.ctypes.data == scratch.ctypes.data:
        read_class(table, kept, operand, row, c, start, n, scratch)
    return found


@sums
def store(table, kept, operand, row, c, start, values, scratch):
    """Write the pixels of a class, which `room_for` gave the memory of, to where they belong."""
    if values.ctypes.data != scratch.ctypes.data:
        return
    own, lengths = table[operand], table[-1, HEAD + kept :]
    offset = offset_of(table, kept, operand, row) + c * own[HEAD - 1]
    move(own, offset, lengths, own[HEAD + kept :], start, values.size, PLAIN, values)


@sums
def read_tile(table, kept, row, start, n, how, unit, x, y, keep, rows, label):
    """Read probabilities, targets and what counts of n pixels; return whether a label is wrong.

    ``keep`` has one row, or one for each class where the mask has; the two of ``rows`` are for
    work.
    """
    softmax, sigmoid, labels, masked, ignores, ignored = how
    classes = x.shape[0]
    at = row, start, n
    if softmax:
        read_softmax(table, kept, at, unit, x, y, rows)
    else:
        for c in range(classes):
            if sigmoid:
                logits = class_of(table, kept, PRED, row, c, start, n, y[c])
                sigmoid_of(logits, n, unit, x[c])
            else:
                read_class(table, kept, PRED, row, c, start, n, x[c])
    if masked:
        for k in range(keep.shape[0]):
            read_class(table, kept, MASK, row, k, start, n, keep[k])
    elif ignores:
        keep[0, :n] = 1
    if labels:
        rule = (max(classes, 2), ignores, ignored)
        return read_label_tile(table, kept, row, start, n, rule, y, keep, label)
    for c in range(classes):
        read_class(table, kept, TARGET, row, c, start, n, y[c])
    return False


@sums
def read_softmax(table, kept, at, unit, x, scratch, rows):
    """Read the probabilities of logits under a softmax into x."""
    n = at[2]
    if x.shape[0] == 2:
        read = read_together(table, kept, PRED, at, scratch)
        one = row_of(table, kept, PRED, at, 0, read, scratch)
        other = row_of(table, kept, PRED, at, 1, read, scratch)
        softmax_of_two(one, other, n, unit, x[0], x[1])
        return
    read_exponentials(table, kept, at, unit, x, scratch, rows)
    for c in range(x.shape[0]):
        scale_by(x[c], n, rows[1])


@sums
def read_exponentials(table, kept, at, unit, x, scratch, rows):
    """Read exp(z - largest z) of logits into x, and one over their sum into rows[1]."""
    largest, scale, (row, start, n) = rows[0], rows[1], at
    largest[:n] = -np.inf
    scale[:n] = 0
    read = read_together(table, kept, PRED, at, scratch)
    for c in range(x.shape[0]):
        largest_of(row_of(table, kept, PRED, at, c, read, scratch), n, largest)
    for c in range(x.shape[0]):  # those that were cast stand in scratch
        logits = room_for(table, kept, PRED, row, c, start, n, scratch[c])
        exponentials_of(logits, n, largest, x[c], scale)
    invert(scale, n, unit)


@sums
def read_label_run(table, kept, row, start, n, rule, label):
    """Read n labels as numbers of classes, and return how many are wrong."""
    own = table[TARGET]
    offset = offset_of(table, kept, TARGET, row)
    lengths, steps = table[-1, HEAD + kept :], own[HEAD + kept :]
    return move(own, offset, lengths, steps, start, n, rule, label)


@sums
def read_label_tile(table, kept, row, start, n, rule, y, keep, label):
    """Read labels as one-hot targets; those that are ignored do not count."""
    first = 1 if y.shape[0] == 1 else 0  # one class alone is the foreground
    wrong = read_label_run(table, kept, row, start, n, rule, label)
    for c in range(y.shape[0]):
        mark(label, np.int32(c + first), n, y[c])
    if rule[1]:
        for k in range(keep.shape[0]):
            some = keep[k]
            for i in range(n):
                some[i] = 0 if label[i] == IGNORED else some[i]
    return wrong > 0


@sums
def mark(label, number, n, out):
    """Write 1 where a label is a number, and 0 elsewhere."""
    wide()
    for i in range(n):
        out[i] = 1 if label[i] == number else 0


@sums
def row_of(table, kept, operand, at, c, read, scratch):
    """Return a class of an operand at a row, tile and size: in scratch if all have been read."""
    row, tile, n = at
    return scratch[c, :n] if read else class_of(table, kept, operand, row, c, tile, n, scratch[c])


@sums
def pair_of(table, kept, row, c, start, n, plain, x, y):
    """Return n pixels of a class of both sides: where they lie if that is ``plain``, else x, y."""
    if plain:
        one = class_of(table, kept, PRED, row, c, start, n, x[c])
        return one, class_of(table, kept, TARGET, row, c, start, n, y[c])
    return x[c, :n], y[c, :n]


@sums
def are_outside(x, unit):
    """Return whether some entry is no probability."""
    zero, one = unit[0], unit[1]
    outside = zero
    for i in range(x.size):
        outside += zero if (x[i] >= zero) & (x[i] <= one) else one
    return outside > zero


@sums
def hide(x, keep, n):
    """Set to 0 what does not count, whatever it was."""
    for c in range(x.shape[0]):
        own, some = x[c], keep[c if keep.shape[0] > 1 else 0]
        for i in range(n):
            own[i] = own[i] if some[i] != 0 else 0


@sums
def hide_pixels(x, keep, n):
    """Set to 0 the pixels of which no class counts, whatever they were."""
    if keep.shape[0] == 1:
        hide(x, keep, n)
        return
    for i in range(n):
        some = False
        for k in range(keep.shape[0]):
            some |= keep[k, i] != 0
        if not some:
            for c in range(x.shape[0]):
                x[c, i] = 0
