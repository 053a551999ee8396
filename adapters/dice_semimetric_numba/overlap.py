# mypy: ignore-errors
"""The four sums of `Overlap`, alone and with the cross-entropy of the same logits.

A tile is read once, and nothing is kept for the gradient; see `gradient`.
"""

import numpy as np

from .activations import sigmoid, softmax_of_pair
from .compiling import sums
from .entropy import add_entropy
from .tiles import (
    PRED,
    TARGET,
    hide,
    hide_pixels,
    read_exponentials,
    read_label_tile,
    read_tile,
    row_of,
    tile_of,
    tile_size,
)
from .together import read_together
from .vectors import wide


@sums
def forward(table, kept, per_class, place, how, unit, found):
    """Add the sums of some rows and pixels to found (rows, 4, classes).

    ``place`` is the first row, the last, the first pixel and the last; ``unit`` holds 0 and 1 in
    the dtype of the sums. Returns whether an entry that should be a probability or a label is none.
    """
    first, last, start, stop = place
    classes = found.shape[2]
    size = tile_size(classes)
    masks = classes if per_class else 1
    tiles, label = tile_of(2 * classes + masks + 2, size, unit), np.empty(size, np.int32)
    x, y, rest = tiles[:classes], tiles[classes : 2 * classes], tiles[2 * classes :]
    keep, rows = rest[:masks], rest[masks:]
    softmax, sigmoid, labels, masked, ignores, ignored = how
    hidden = masked or ignores
    rule = (max(classes, 2), ignores, ignored)
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            at = row, tile, n
            if hidden:
                wrong |= read_tile(table, kept, row, tile, n, how, unit, x, y, keep, rows, label)
                hide(x, keep, n)
                hide(y, keep, n)
                for c in range(classes):
                    wrong |= _add(x[c, :n], y[c, :n], unit, softmax or sigmoid, part[:, c])
                continue
            if softmax and classes != 2:
                read_exponentials(table, kept, at, unit, x, y, rows)
            if labels:
                wrong |= read_label_tile(table, kept, row, tile, n, rule, y, keep, label)
            has_y = labels or read_together(table, kept, TARGET, at, y)
            has_x = (softmax and classes != 2) or read_together(table, kept, PRED, at, x)
            if softmax and classes == 2:
                wrong |= _add_two(table, kept, at, has_x, has_y, unit, x, y, part)
                continue
            for c in range(classes):
                other = row_of(table, kept, TARGET, at, c, has_y, y)
                if softmax:
                    wrong |= _add_scaled(x[c, :n], rows[1], other, unit, part[:, c])
                    continue
                one = row_of(table, kept, PRED, at, c, has_x, x)
                if sigmoid:
                    wrong |= _add_logits(one, other, unit, part[:, c])
                else:
                    wrong |= _add(one, other, unit, False, part[:, c])
    return wrong


@sums
def _add_scaled(x, scale, y, unit, part):
    """Add the sums of a row times another, which are probabilities, beside a third."""
    wide()
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    for i in range(x.size):
        a, b = x[i] * scale[i], y[i]
        sum_x += a
        sum_y += b
        difference += abs(a - b)
        product += a * b
        outside += zero if (b >= zero) & (b <= one) else one
    return _put(sum_x, sum_y, difference, product, part) | (outside > zero)


@sums
def _add_two(table, kept, at, has_x, has_y, unit, x, y, part):
    """Add the sums of the softmax of two classes, of which one exponential gives both."""
    one = row_of(table, kept, PRED, at, 0, has_x, x)
    other = row_of(table, kept, PRED, at, 1, has_x, x)
    first = row_of(table, kept, TARGET, at, 0, has_y, y)
    second = row_of(table, kept, TARGET, at, 1, has_y, y)
    return _add_pair(one, other, first, second, unit, part)


@sums
def _add_pair(z, w, y, v, unit, part):
    wide()
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    sum_u, sum_v, beside, along = zero, zero, zero, zero
    for i in range(z.size):
        a, u, _, _ = softmax_of_pair(z[i], w[i], unit)
        b, d = y[i], v[i]
        sum_x += a
        sum_y += b
        difference += abs(a - b)
        product += a * b
        sum_u += u
        sum_v += d
        beside += abs(u - d)
        along += u * d
        good = (b >= zero) & (b <= one) & (d >= zero) & (d <= one)
        outside += zero if good else one
    bad = _put(sum_x, sum_y, difference, product, part[:, 0])
    return bad | _put(sum_u, sum_v, beside, along, part[:, 1]) | (outside > zero)


@sums
def _add(x, y, unit, activated, part):
    """Add the sums of two rows to part, and return whether an entry is no probability."""
    wide()
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
    wide()
    zero, one = unit[0], unit[1]
    sum_x, sum_y, difference, product, outside = zero, zero, zero, zero, zero
    for i in range(z.size):
        a, _, _ = sigmoid(z[i], unit)
        b = y[i]
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
    masks = classes if per_class else 1
    tiles, label = tile_of(3 * classes + masks + 3, size, unit), np.empty(size, np.int32)
    x, y, rest = tiles[:classes], tiles[classes : 2 * classes], tiles[2 * classes :]
    z, keep, rows = rest[:classes], rest[classes : classes + masks], rest[classes + masks :]
    softmax, _, labels, masked, ignores, ignored = how
    raw = (False, False, labels, masked, ignores, ignored)
    hidden = masked or ignores
    rule = (max(classes, 2), False, ignored)
    keep[0] = 1
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            at = row, tile, n
            if hidden:
                wrong |= read_tile(table, kept, row, tile, n, raw, unit, z, y, keep, rows, label)
                hide_pixels(z, keep, n)
                hide(y, keep, n)
            elif labels:
                wrong |= read_label_tile(table, kept, row, tile, n, rule, y, keep, label)
            has_y = labels or hidden or read_together(table, kept, TARGET, at, y)
            has_z = hidden or read_together(table, kept, PRED, at, z)
            read = softmax, labels, has_y, has_z
            add_entropy(table, kept, at, read, x, y, z, keep, unit, weight, rows, entropy)
            if hidden:
                hide(x, keep, n)
            for c in range(classes):
                other = row_of(table, kept, TARGET, at, c, has_y, y)
                wrong |= _add(x[c, :n], other, unit, True, part[:, c])
    return wrong
