# mypy: ignore-errors
"""What several raters, or labels, say of each pixel: a tile at a time, one rater after another."""

import numpy as np

from .access import IGNORED
from .compiling import sums
from .memory import call, move, run_at
from .operands import HEAD
from .tiles import MASK, PLAIN, offset_of, read_class

TILE = 4096
RATERS, RESULT, SHARES = 0, 1, 2


@sums
def _write(table, kept, start, n, values):
    """Write what was found of n pixels, if anybody asks for it."""
    own = table[RESULT]
    if own[0]:
        move(own, 0, table[-1, HEAD + kept :], own[HEAD + kept :], start, n, PLAIN, values)


@sums
def _read(table, kept, rater, start, n, rule, tile):
    """Read what one rater says of n pixels."""
    own = table[RATERS]
    offset = offset_of(table, kept, RATERS, rater)
    return move(own, offset, table[-1, HEAD + kept :], own[HEAD + kept :], start, n, rule, tile)


@sums
def count(table, kept, number, place, rule, least, unit):
    """Write how many raters marked each pixel, or whether so many as ``least`` if that is not 0."""
    _, _, start, stop = place
    marks, found = np.empty(TILE, np.uint8), np.empty(TILE, unit.dtype)
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        found[:n] = 0
        for rater in range(number):
            _read(table, kept, rater, tile, n, rule, marks)
            for i in range(n):
                found[i] += marks[i]
        if least:
            for i in range(n):
                found[i] = found[i] >= least
        _write(table, kept, tile, n, found)


@sums
def weigh(table, kept, number, place, rule, unit):
    """Write the sum of the shares of the raters that marked each pixel."""
    _, _, start, stop = place
    marks, found = np.empty(TILE, np.uint8), np.empty(TILE, unit.dtype)
    share = np.empty(TILE, unit.dtype)
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        found[:n] = 0
        for rater in range(number):
            _read(table, kept, rater, tile, n, rule, marks)
            read_class(table, kept, SHARES, rater, 0, tile, n, share)
            for i in range(n):
                found[i] += share[i] if marks[i] != 0 else unit[0]
        _write(table, kept, tile, n, found)


@sums
def elect(table, kept, number, place, classes):
    """Write the label that most raters gave to each pixel, of equal ones the lowest."""
    _, _, start, stop = place
    size = max(256, 2 * TILE // number)
    label, found = np.empty((number, size), np.int32), np.empty(size, np.int32)
    votes, best = np.empty(size, np.int32), np.empty(size, np.int32)
    for tile in range(start, stop, size):
        n = min(size, stop - tile)
        for rater in range(number):
            _read(table, kept, rater, tile, n, (classes, 0, 0), label[rater])
        found[:n] = 0
        best[:n] = 0
        for c in range(classes):
            votes[:n] = 0
            for rater in range(number):
                own = label[rater]
                for i in range(n):
                    votes[i] += np.int32(own[i] == c)
            for i in range(n):
                found[i] = np.int32(c) if votes[i] > best[i] else found[i]
                best[i] = max(best[i], votes[i])
        _write(table, kept, tile, n, found)


@sums
def tally(table, kept, number, place, base, found):
    """Add to found how often each joint decision occurs, and write that of each pixel.

    What rater r says is digit r of its number. What does not count is added to the last entry of
    found, and a label that is no class is taken for 0.
    """
    _, _, start, stop = place
    marks, pattern = np.empty(TILE, np.uint8), np.empty(TILE, np.int32)
    label, keep = np.empty(TILE if base > 2 else 0, np.int32), np.empty(TILE, np.uint8)
    masked = table[MASK, 0] != 0
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        pattern[:n] = 0
        unit = np.int32(1)
        for rater in range(number):
            if base == 2:
                _read(table, kept, rater, tile, n, (1, 0, 0), marks)
                for i in range(n):
                    pattern[i] |= np.int32(marks[i]) << np.int32(rater)
            else:
                _read(table, kept, rater, tile, n, (base, 0, 0), label)
                for i in range(n):
                    pattern[i] += max(label[i], np.int32(0)) * unit
                unit = np.int32(unit * base)
        _write(table, kept, tile, n, pattern)
        if masked:
            own = table[MASK]
            lengths, steps = table[-1, HEAD + kept :], own[HEAD + kept :]
            move(own, 0, lengths, steps, tile, n, (1, 0, 0), keep)
            for i in range(n):
                pattern[i] = pattern[i] if keep[i] else np.int32(found.size - 1)
        for i in range(n):
            found[np.uint32(pattern[i])] += 1


@sums
def look_up(table, kept, place, values):
    """Write the entry of values at each index."""
    _, _, start, stop = place
    index, found = np.empty(TILE, np.int32), np.empty(TILE, values.dtype)
    wrong = False
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        wrong |= _read(table, kept, 0, tile, n, (values.size, 0, 0), index) > 0
        for i in range(n):
            found[i] = values[max(index[i], 0)]
        _write(table, kept, tile, n, found)
    return wrong


@sums
def spread(table, kept, classes, place, rule, values):
    """Write for each class values[1] where a label is that class, values[0] elsewhere.

    Where labels are ignored it is 0.
    """
    _, _, start, stop = place
    label, found = np.empty(TILE, np.int32), np.empty(TILE, values.dtype)
    own, lengths = table[RESULT], table[-1, HEAD + kept :]
    first = 1 if classes == 1 else 0
    off, on = values[0], values[1]
    for tile in range(start, stop, TILE):
        n = min(TILE, stop - tile)
        _read(table, kept, 0, tile, n, rule, label)
        for c in range(classes):
            for i in range(n):
                other = off * 0 if label[i] == IGNORED else off
                found[i] = on if label[i] == c + first else other
            offset = offset_of(table, kept, RESULT, c)
            move(own, offset, lengths, own[HEAD + kept :], tile, n, PLAIN, found)


@sums
def ends(table, kept, place, found):
    """Put the smallest and the largest of some integers into found."""
    _, _, start, stop = place
    own = table[RATERS]
    lengths, steps = table[-1, HEAD + kept :], own[HEAD + kept :]
    while start < stop:  # a run at a time, all of them to the same place
        offset, count = run_at(start, lengths, steps)
        count = min(count, stop - start)
        address = own[0] + offset * own[2]
        call(own[3], address, steps[steps.size - 1], found.ctypes.data, count, 0, 0, 0)
        start += count
