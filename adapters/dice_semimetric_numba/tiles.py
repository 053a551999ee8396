# mypy: ignore-errors
"""Tiles of a prediction and its target: all classes of some pixels, in a core's own cache.

``how`` is a tuple of what is to be done: softmax, sigmoid, labels, masked, ignores, ignored.
"""

from numba import carray

from .access import IGNORED
from .arithmetic import exp
from .compiling import sums
from .memory import move, pointer, run_at
from .operands import CODES, HEAD

#: Entries of a tile: its probabilities and targets take 32 KiB together in float32, for the L1
#: cache. Of many classes that is a short run of pixels each; then up to 512 KiB, for the L2 cache.
TILE, LARGE_TILE, RUN = 1 << 12, 1 << 16, 1 << 10
#: The rows of operands; gradients of pred and target are written to the last two.
PRED, TARGET, MASK, OF_PRED, OF_TARGET = 0, 1, 2, 3, 4
F32, F64 = CODES["float32"], CODES["float64"]
#: For what is read without a rule.
PLAIN = (0, 0, 0)


@sums
def tile_size(classes):
    return max(TILE // classes, min(RUN, LARGE_TILE // classes), 256)


@sums
def offset_of(table, kept, operand, row):
    """Return where a row of an operand begins, in elements."""
    lengths = table[-1, HEAD : HEAD + kept]
    return run_at(row, lengths, table[operand, HEAD : HEAD + kept])[0]


@sums
def read_class(table, kept, operand, row, c, start, n, out):
    """Read n pixels of a class from ``start`` on into out[:n]."""
    own = table[operand]
    offset = offset_of(table, kept, operand, row) + c * own[HEAD - 1]
    move(own, offset, table[-1, HEAD + kept :], own[HEAD + kept :], start, n, PLAIN, out)


@sums
def room_for(table, kept, operand, row, c, start, n, scratch):
    """Return memory for n pixels of a class: where they belong if nothing is to be cast."""
    own, lengths = table[operand], table[-1, HEAD + kept :]
    steps = own[HEAD + kept :]
    same = own[1] == (F32 if scratch.itemsize == 4 else F64)
    offset, beside = run_at(start, lengths, steps)
    if not same or steps[steps.size - 1] != 1 or beside < n:
        return scratch[:n]
    offset += offset_of(table, kept, operand, row) + c * own[HEAD - 1]
    return carray(pointer(own[0] + offset * own[2], scratch.dtype), n)


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
def read_tile(table, kept, row, start, n, how, unit, x, y, keep, label):
    """Read probabilities, targets and what counts of n pixels; return whether a label is wrong.

    ``keep`` has one row, or one for each class where the mask has.
    """
    softmax, sigmoid, labels, masked, ignores, ignored = how
    classes = x.shape[0]
    for c in range(classes):
        read_class(table, kept, PRED, row, c, start, n, x[c])
    if softmax:
        softmax_of(x, y[0], n, unit)
    elif sigmoid:
        sigmoid_of(x, n, unit)
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
        one = y[c]
        for i in range(n):
            one[i] = label[i] == c + first
    if rule[1]:
        for k in range(keep.shape[0]):
            some = keep[k]
            for i in range(n):
                some[i] = 0 if label[i] == IGNORED else some[i]
    return wrong > 0


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


@sums
def softmax_of(x, row, n, unit):
    """Turn logits (classes, n) into probabilities; row is for work."""
    if x.shape[0] == 2:
        softmax_of_two(x[0], x[1], n, unit)
        return
    one = unit[1]
    top(x, row, n)
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            own[i] = exp(own[i] - row[i])
    for i in range(n):
        row[i] = x[0, i]
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] += own[i]
    for i in range(n):
        row[i] = one / row[i]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            own[i] *= row[i]


@sums
def softmax_of_two(x, y, n, unit):
    """Turn the logits of two classes into probabilities, of which one exponential gives both."""
    zero, one = unit[0], unit[1]
    for i in range(n):
        less = x[i] - y[i]
        largest = x[i] if less >= zero else y[i]
        small = exp(-abs(less)) + largest * zero  # NaN where that is infinite
        share = one / (one + small)
        rest = small * share
        x[i] = share if less >= zero else rest
        y[i] = rest if less >= zero else share


@sums
def top(x, row, n):
    """Put the largest of the classes into row."""
    for i in range(n):
        row[i] = x[0, i]
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] = own[i] if own[i] > row[i] else row[i]


@sums
def sigmoid_of(x, n, unit):
    """Turn logits into the probability of each class by itself."""
    zero, one = unit[0], unit[1]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            small = exp(-abs(own[i]))
            share = one / (one + small)
            own[i] = share if own[i] >= zero else small * share
