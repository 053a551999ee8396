# mypy: ignore-errors
"""The four sums of `Overlap`, alone and with the cross-entropy of the same logits.

A tile is read once, and nothing is kept for the gradient; see `gradient`.
"""

import numpy as np

from .arithmetic import exp
from .compiling import sums
from .entropy import add_entropy
from .tiles import PRED, TARGET, class_of, hide, hide_pixels, read_tile, tile_size


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
    plain = not (softmax or labels or masked)
    activated = softmax or sigmoid
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            if plain:
                for c in range(classes):
                    one = class_of(table, kept, PRED, row, c, tile, n, x[c])
                    other = class_of(table, kept, TARGET, row, c, tile, n, y[c])
                    if sigmoid:
                        wrong |= _add_logits(one, other, unit, part[:, c])
                    else:
                        wrong |= _add(one, other, unit, activated, part[:, c])
                continue
            wrong |= read_tile(table, kept, row, tile, n, how, unit, x, y, keep, label)
            if masked or ignores:
                hide(x, keep, n)
                hide(y, keep, n)
            for c in range(classes):
                wrong |= _add(x[c, :n], y[c, :n], unit, activated, part[:, c])
    return wrong


@sums
def _add(x, y, unit, activated, part):
    """Add the sums of two rows to part, and return whether an entry is no probability."""
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    for i in range(x.size):
        a, b = x[i], y[i]
        sum_x += a
        sum_y += b
        difference += abs(a - b)
        product += a * b
        outside += zero if (b >= zero) & (b <= one) else one
    if not activated:
        for i in range(x.size):
            outside += zero if (x[i] >= zero) & (x[i] <= one) else one
    return _put(sum_x, sum_y, difference, product, part) | (outside > zero)


@sums
def _add_logits(z, y, unit, part):
    """Add the sums of the sigmoid of a row beside another."""
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    for i in range(z.size):
        small = exp(-abs(z[i]))
        share = one / (one + small)
        a, b = share if z[i] >= zero else small * share, y[i]
        sum_x += a
        sum_y += b
        difference += abs(a - b)
        product += a * b
        outside += zero if (b >= zero) & (b <= one) else one
    return _put(sum_x, sum_y, difference, product, part) | (outside > zero)


@sums
def _put(sum_x, sum_y, difference, product, part):
    """Add four sums to those of a class, and return whether they are NaN."""
    part[0] += sum_x
    part[1] += sum_y
    part[2] += difference
    part[3] += product
    return sum_x != sum_x  # noqa: PLR0124


@sums
def forward_with_entropy(table, kept, per_class, place, how, unit, weight, found, entropy):
    """Add the sums to found, the cross-entropy to entropy[0] and what it counts to entropy[1]."""
    first, last, start, stop = place
    classes = found.shape[2]
    size = tile_size(classes)
    x, y = np.empty((classes, size), unit.dtype), np.empty((classes, size), unit.dtype)
    keep = np.empty((classes if per_class else 1, size), unit.dtype)
    rows, label = np.empty((3, size), unit.dtype), np.empty(size, np.int32)
    softmax, _, labels, masked, ignores, ignored = how
    raw = (False, False, labels, masked, ignores, ignored)
    hidden = masked or ignores
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            if not hidden:
                keep[0, :n] = 1
            wrong |= read_tile(table, kept, row, tile, n, raw, unit, x, y, keep, label)
            if hidden:
                hide_pixels(x, keep, n)
                hide(y, keep, n)
            add_entropy(x, y, keep, n, softmax, labels, unit, weight, rows, entropy)
            if hidden:
                hide(x, keep, n)
            for c in range(classes):
                wrong |= _add(x[c, :n], y[c, :n], unit, True, part[:, c])
    return wrong
