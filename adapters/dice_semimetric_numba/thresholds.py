# mypy: ignore-errors
"""The counts of `ThresholdCounts`, from one reading of a tile.

For thresholds k / n, floor(n x) is how many of them x reaches: its level. Then the histogram of the
levels of both sides holds all counts. Any other thresholds are compared with, a few at a time.
"""

import numpy as np

from .compiling import sums
from .tiles import are_outside, hide, pair_of, read_tile, tile_size

#: Thresholds that a pixel is compared with in one pass.
STEP = 3
#: Tables of which pixels take turns, since one that is written to must not be read at once.
LANES = 4


@sums
def count(table, kept, per_class, place, how, unit, levels, scale, found):
    """Add the counts of some rows and pixels to found (rows, 3, thresholds, classes).

    ``levels`` (2, thresholds) are those of prediction and target, as many as a multiple of ``STEP``
    by NaN; ``scale`` is n if floor(n x) is the level of both, else 0. See `overlap.forward`.
    """
    first, last, start, stop = place
    classes = found.shape[3]
    size = tile_size(classes)
    x, y = np.empty((classes, size), unit.dtype), np.empty((classes, size), unit.dtype)
    keep = np.empty((classes if per_class else 1, size), unit.dtype)
    rows, label = np.empty((2, size), unit.dtype), np.empty(size, np.int32)
    softmax, sigmoid, labels, masked, ignores, _ = how
    plain = not (softmax or sigmoid or labels or masked)
    codes = np.empty(size if scale else 0, np.uint32)
    joint = np.zeros((classes, LANES, (scale + 1) ** 2), np.int64)
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
                wrong |= are_outside(one, unit) or are_outside(other, unit)
                if scale:
                    _tally(one, other, unit, scale, codes, joint[c])
                    continue
                for k in range(0, levels.shape[1], STEP):
                    _compare(one, other, levels[:, k : k + STEP], unit, part[:, k : k + STEP, c])
        if scale:
            _spread(joint, scale, part)
            joint[...] = 0
    return wrong


@sums
def _compare(x, y, levels, unit, part):
    """Add how many reach each level: a tile has no more than float32 counts exactly."""
    zero, one = unit[0], unit[1]
    x0, x1, x2 = levels[0, 0], levels[0, 1], levels[0, 2]
    y0, y1, y2 = levels[1, 0], levels[1, 1], levels[1, 2]
    a0, a1, a2, b0, b1, b2, c0, c1, c2 = (zero, zero, zero, zero, zero, zero, zero, zero, zero)
    for i in range(x.size):
        v, w = x[i], y[i]
        above, other = v >= x0, w >= y0
        a0 += one if above else zero
        b0 += one if other else zero
        c0 += one if above & other else zero
        above, other = v >= x1, w >= y1
        a1 += one if above else zero
        b1 += one if other else zero
        c1 += one if above & other else zero
        above, other = v >= x2, w >= y2
        a2 += one if above else zero
        b2 += one if other else zero
        c2 += one if above & other else zero
    for k, counts in enumerate(((a0, b0, c0), (a1, b1, c1), (a2, b2, c2))):
        for side in range(3):
            part[side, k] += np.int64(counts[side])


@sums
def _tally(x, y, unit, scale, codes, joint):
    """Count the levels of both sides together."""
    zero, most = unit[0], unit.dtype.type(scale)
    for i in range(x.size):
        v, w = x[i] * most, y[i] * most
        v, w = v if v > zero else zero, w if w > zero else zero
        v, w = v if v < most else most, w if w < most else most
        codes[i] = np.uint32(np.int32(v)) * np.uint32(scale + 1) + np.uint32(np.int32(w))
    for i in range(x.size):
        joint[np.uint32(i & (LANES - 1)), codes[i]] += 1


@sums
def _spread(joint, scale, part):
    """Add to part (3, thresholds, classes) what the histograms of levels hold."""
    for c in range(joint.shape[0]):
        for code in range((scale + 1) ** 2):
            number = joint[c, 0, code] + joint[c, 1, code] + joint[c, 2, code] + joint[c, 3, code]
            first, second = code // (scale + 1), code % (scale + 1)
            for k in range(scale - 1):
                part[0, k, c] += number if first > k else 0
                part[1, k, c] += number if second > k else 0
                part[2, k, c] += number if min(first, second) > k else 0
