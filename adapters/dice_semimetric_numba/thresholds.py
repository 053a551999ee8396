# mypy: ignore-errors
"""The counts of `ThresholdCounts`, from one reading of a tile.

For thresholds k / n, floor(n x) is how many of them x reaches: its level, which fits in a byte. Of
bytes or of the entries themselves, 64 at a time are compared with a threshold, and bits counted.
"""

import numpy as np

from .compiling import sums
from .tiles import are_outside, hide, pair_of, read_tile, tile_size
from .vectors import WIDTH, ones, place_of, reaching, wide, write_steps

#: Entries whose levels are counted while the memory brings the next ones; a multiple of `WIDTH`.
BLOCK = 256


@sums
def count(table, kept, per_class, place, how, unit, levels, scale, found):
    """Add the counts of some rows and pixels to found (rows, 3, thresholds, classes).

    ``levels`` (2, thresholds) are those of prediction and target; ``scale`` is n if floor(n x) is
    the level of both, else 0. See `overlap.forward`.
    """
    wide()
    first, last, start, stop = place
    classes = found.shape[3]
    size = tile_size(classes)
    x, y = np.empty((classes, size), unit.dtype), np.empty((classes, size), unit.dtype)
    keep = np.empty((classes if per_class else 1, size), unit.dtype)
    rows, label = np.empty((2, size), unit.dtype), np.empty(size, np.int32)
    softmax, sigmoid, labels, masked, ignores, _ = how
    plain = not (softmax or sigmoid or labels or masked)
    steps, rest = np.empty((3, BLOCK), np.uint8), np.empty(WIDTH, unit.dtype)
    wrong = False
    for row in range(first, last):
        part = found[row - first]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            if not plain:
                wrong |= read_tile(table, kept, row, tile, n, how, unit, x, y, keep, rows, label)
            if masked or ignores:
                hide(x, keep, n)
                hide(y, keep, n)
            for c in range(classes):
                one, other = pair_of(table, kept, row, c, tile, n, plain, x, y)
                if scale:
                    wrong |= _count_steps(one, other, unit, scale, steps, rest, part[:, :, c])
                else:
                    wrong |= are_outside(one, unit) or are_outside(other, unit)
                    _count(one, other, levels, part[:, :, c])
    return wrong


@sums
def _count(x, y, levels, part):
    """Add how many reach each level."""
    wide()
    at_x, at_y, size = place_of(x), place_of(y), x.itemsize
    for start in range(0, x.size, BLOCK):
        stop = min(start + BLOCK, x.size)
        whole = stop - stop % WIDTH
        for k in range(levels.shape[1]):
            a, b = levels[0, k], levels[1, k]
            in_x = in_y = in_both = 0
            for i in range(start, whole, WIDTH):
                p, q = reaching(at_x + i * size, a), reaching(at_y + i * size, b)
                in_x += ones(p)
                in_y += ones(q)
                in_both += ones(p & q)
            for i in range(whole, stop):
                p, q = x[i] >= a, y[i] >= b
                in_x += p
                in_y += q
                in_both += p & q
            part[0, k] += in_x
            part[1, k] += in_y
            part[2, k] += in_both


@sums
def _count_steps(x, y, unit, scale, steps, rest, part):
    """Add how many reach k / scale, and return whether an entry is no probability."""
    wide()
    one, other, both = steps
    rows = place_of(one), place_of(other), place_of(both)
    at_x, at_y, size = place_of(x), place_of(y), x.itemsize
    most, outside = unit.dtype.type(scale), np.uint64(0)
    for start in range(0, x.size, BLOCK):
        n = min(BLOCK, x.size - start)
        whole = n - n % WIDTH
        for i in range(0, whole, WIDTH):
            outside |= write_steps(at_x + (start + i) * size, most, rows[0] + i)
            outside |= write_steps(at_y + (start + i) * size, most, rows[1] + i)
        if whole < n:
            outside |= write_steps(_filled(x, start + whole, rest), most, rows[0] + whole)
            outside |= write_steps(_filled(y, start + whole, rest), most, rows[1] + whole)
            whole += WIDTH
        for i in range(whole):
            both[i] = min(one[i], other[i])
        for k in range(scale - 1):
            for side in range(3):
                reached = 0
                for i in range(0, whole, WIDTH):
                    reached += ones(reaching(rows[side] + i, np.uint8(k + 1)))
                part[side, k] += reached
    return outside > 0


@sums
def _filled(x, start, rest):
    """Copy the last entries and zeros behind them, and return where."""
    for i in range(WIDTH):
        rest[i] = x[start + i] if start + i < x.size else 0
    return place_of(rest)
