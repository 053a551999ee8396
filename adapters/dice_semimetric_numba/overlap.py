# mypy: ignore-errors
"""The four sums of `Overlap` and their gradient. A tile is read once, and nothing is kept.

With x the probabilities of the logits z, y the target and g the gradient that arrives at each sum,
the gradient of x is

    G = g_pred + g_difference sign(x - y) + g_product y

and that of z is G itself, x (1 - x) G for a sigmoid, and x (G - sum over classes of x G) for a
softmax. The backward pass computes the probabilities again.
"""

import numpy as np

from .compiling import sums
from .tiles import hide, pair_of, read_tile, tile_size


@sums
def forward(table, kept, per_class, place, how, unit, found):
    """Add the sums of some rows and pixels to found (rows, 4, classes).

    ``place`` is the first row, the last, the first pixel and the last; ``unit`` holds 0 and 1 in
    the dtype of the sums. Returns whether an entry that should be a probability or a label is none.
    """
    first, last, start, stop = place
    classes = found.shape[2]
    size = tile_size(classes)
    x, y = np.empty((classes, size), unit.dtype), np.empty((classes, size), unit.dtype)
    keep = np.empty((classes if per_class else 1, size), unit.dtype)
    label = np.empty(size, np.int32)
    softmax, sigmoid, labels, masked, ignores, _ = how
    plain = not (softmax or sigmoid or labels or masked)
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            if not plain:
                wrong |= read_tile(table, kept, row, tile, n, how, x, y, keep, label)
            if masked or ignores:
                hide(x, keep, n)
                hide(y, keep, n)
            for c in range(classes):
                one, other = pair_of(table, kept, row, c, tile, n, plain, x, y)
                wrong |= _add(one, other, unit, part[:, c])
    return wrong


@sums
def _add(x, y, unit, part):
    """Add the sums of two rows to part, and return whether an entry is no probability."""
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    for i in range(x.size):
        a, b = x[i], y[i]
        sum_x += a
        sum_y += b
        difference += abs(a - b)
        product += a * b
        inside = (a >= zero) & (a <= one) & (b >= zero) & (b <= one)
        outside += zero if inside else one
    part[0] += sum_x
    part[1] += sum_y
    part[2] += difference
    part[3] += product
    return outside > zero
