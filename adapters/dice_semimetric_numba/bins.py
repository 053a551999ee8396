# mypy: ignore-errors
"""The sums of `CalibrationBins`: a tile is read once, and each pixel added to its bin.

Pixels that follow one another often fall in one bin, whose sum then waits for itself. So they take
turns on a few tables, which are added up at the end.
"""

import numpy as np

from .access import IGNORED
from .compiling import sums
from .few_bins import add_few, are_few, join_few, room_for_few
from .operands import HEAD
from .tiles import (
    MASK,
    PRED,
    TARGET,
    are_outside,
    class_of,
    read_class,
    read_label_run,
)
from .vectors import wide

BINARY, TOP, CLASSWISE = 0, 1, 2
TILE = 2048
#: Edges that a pixel is compared with in one pass.
STEP = 4
#: How many tables pixels take turns on.
LANES = 4


@sums
def add(table, kept, place, how, edges, scale, unit, found):
    """Add the sums of some pixels to found (rows, bins, 3): count, confidence and correctness.

    ``edges`` are the inner ones of each row, as many as a multiple of ``STEP`` by NaN; ``scale`` is
    n if floor(n x) is the bin of each x below 1, else 0. Returns whether an entry that should be a
    probability or a label is none.
    """
    wide()
    _, _, start, stop = place
    kind, hard, implied, masked, ignores, _ = how
    rows, bins = found.shape[0], found.shape[1]
    classes = 1 if kind == BINARY else (2 if implied else table[-1, HEAD - 1])
    one, other = np.empty(TILE, unit.dtype), np.empty(TILE, unit.dtype)
    confidence, correct = np.empty(TILE, unit.dtype), np.empty(TILE, unit.dtype)
    keep, label = np.empty(TILE, unit.dtype), np.empty(TILE, np.int32)
    best, where = np.empty(TILE, np.int32), np.empty(TILE, np.uint32)
    few = are_few(bins, stop - start)
    held = np.zeros((0 if few else rows, LANES, 2 * bins + 1, 2 if hard else 3))
    tables, numbers, steps, pairs = room_for_few(rows if few else 0, bins, TILE)
    hidden, wrong = masked or ignores, False
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        wrong |= _read_kept(table, kept, tile, n, how, classes, keep, label)
        for c in range(classes):
            x, y = _side(table, kept, PRED, c, tile, n, implied, unit, one), other[:n]
            x = _shown(x, keep, one) if hidden else x
            wrong |= are_outside(x, unit)
            if not hard:
                y = _side(table, kept, TARGET, c, tile, n, implied, unit, other)
                y = _shown(y, keep, other) if hidden else y
                wrong |= are_outside(y, unit)
            if kind == TOP:
                _keep_top(x, y, c, hard, confidence, correct, best)
                if c + 1 < classes:
                    continue
                x, y = confidence[:n], correct[:n]
            else:
                best[:n] = 1 if kind == BINARY else c
            row = c if kind == CLASSWISE else 0
            bins_of(x, edges[row], scale, unit, where)
            marks = best, label, keep, hard, hidden
            if few:
                pixels = x, y, where[:n]
                add_few(pixels, marks, unit, bins, steps, pairs, tables[row], numbers[row])
            else:
                _add_many(x, y, where, marks, np.uint32(2 * bins), held[row])
    join_few(tables, numbers, hard, found)
    _join(held, hard, found)
    return wrong


@sums
def _add_many(x, y, where, marks, nowhere, held):
    """Add pixels to a table of bins."""
    best, label, keep, hard, hidden = marks
    if hard:
        _tell_hits(best, label, x.size, where)
    if hidden:
        _drop(keep, x.size, where, nowhere)
    if hard:
        _add_hard(x, where, held)
    else:
        _add_soft(x, y, where, held)


@sums
def _read_kept(table, kept, start, n, how, classes, keep, label):
    """Read which of n pixels count, and hard labels; return whether one is wrong."""
    kind, hard, _, masked, ignores, ignored = how
    wrong = False
    if masked:
        read_class(table, kept, MASK, 0, 0, start, n, keep)
    elif ignores:
        keep[:n] = 1
    if hard:
        rule = (2 if kind == BINARY else classes, ignores, ignored)
        wrong = read_label_run(table, kept, 0, start, n, rule, label) > 0
    if ignores:
        for i in range(n):
            keep[i] = 0 if label[i] == IGNORED else keep[i]
    return wrong


@sums
def _side(table, kept, operand, c, start, n, implied, unit, scratch):
    """Return n pixels of a class; the background implied by one class is what it leaves."""
    row = class_of(table, kept, operand, 0, 0 if implied else c, start, n, scratch)
    if implied and c == 0:
        for i in range(n):
            scratch[i] = unit[1] - row[i]
        return scratch[:n]
    return row


@sums
def _shown(x, keep, scratch):
    """Return what counts, and 0 for what does not, whatever it was."""
    for i in range(x.size):
        scratch[i] = x[i] if keep[i] != 0 else 0
    return scratch[: x.size]


@sums
def _keep_top(x, y, c, hard, confidence, correct, best):
    """Keep the larger confidence, of equal ones the first, and what goes with it."""
    if c == 0:
        for i in range(x.size):
            confidence[i] = x[i]
            best[i] = 0
    elif hard:
        for i in range(x.size):
            best[i] = np.int32(c) if x[i] > confidence[i] else best[i]
            confidence[i] = x[i] if x[i] > confidence[i] else confidence[i]
        return
    if hard:
        return
    for i in range(x.size):
        higher = (c == 0) | (x[i] > confidence[i])
        correct[i] = y[i] if higher else correct[i]
        confidence[i] = x[i] if higher else confidence[i]


@sums
def bins_of(x, edges, scale, unit, where):
    """Write how many inner edges are at or below each confidence."""
    wide()
    if scale:
        zero, most, last = unit[0], unit.dtype.type(scale), unit.dtype.type(scale - 1)
        for i in range(x.size):
            v = x[i] * most
            v = v if v > zero else zero
            where[i] = np.uint32(np.int32(v if v < last else last))
        return
    for i in range(x.size):
        where[i] = 0
    for k in range(0, edges.size, STEP):
        a, b, c, d = edges[k], edges[k + 1], edges[k + 2], edges[k + 3]
        for i in range(x.size):
            v = x[i]
            low = np.uint32(v >= a) + np.uint32(v >= b)
            where[i] += low + np.uint32(v >= c) + np.uint32(v >= d)


@sums
def _drop(keep, n, where, nowhere):
    """Put what does not count into a bin of its own."""
    for i in range(n):
        where[i] = where[i] if keep[i] != 0 else nowhere


@sums
def _tell_hits(best, label, n, where):
    """Make two bins of each, for misses and for hits."""
    for i in range(n):
        where[i] = np.uint32(2) * where[i] + np.uint32(best[i] == label[i])


@sums
def _add_hard(x, where, held):
    for i in range(x.size):
        own = held[np.uint32(i & (LANES - 1)), where[i]]
        own[0] += 1.0
        own[1] += x[i]


@sums
def _add_soft(x, y, where, held):
    for i in range(x.size):
        own = held[np.uint32(i & (LANES - 1)), where[i]]
        own[0] += 1.0
        own[1] += x[i]
        own[2] += y[i]


@sums
def _join(held, hard, found):
    """Add up the tables that pixels took turns on."""
    for row in range(held.shape[0]):
        for lane in range(LANES):
            for k in range(found.shape[1]):
                if hard:
                    miss, hit = held[row, lane, 2 * k], held[row, lane, 2 * k + 1]
                    found[row, k, 0] += miss[0] + hit[0]
                    found[row, k, 1] += miss[1] + hit[1]
                    found[row, k, 2] += hit[0]
                else:
                    for field in range(3):
                        found[row, k, field] += held[row, lane, k, field]
