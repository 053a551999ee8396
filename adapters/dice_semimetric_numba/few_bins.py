# mypy: ignore-errors
"""Add pixels to few bins, as calibration mostly has them.

Two neighbours are added at once, to a table of all pairs of bins. Bits count how many pixels lie
in a bin or a higher one, 64 at a time, and how many of them are hits.
"""

import numpy as np

from .compiling import sums
from .vectors import WIDTH, add_two, ones, place_of, reaching, wide

#: With more bins a table of pairs would leave the L1 cache.
MOST = 15
#: Tables that pairs take turns on, since one that is written to must not be read at once.
LANES = 8


@sums
def room_for_few(rows, bins, size):
    """Return tables of pairs, counts of pixels and hits, and memory for bytes and places."""
    held = np.zeros((rows, 2, bins * bins * LANES * 2))
    numbers = np.zeros((rows, 2, bins + 1), np.int64)
    steps = np.zeros((2, (size + WIDTH - 1) // WIDTH * WIDTH), np.uint8)
    return held, numbers, steps, np.empty(size // 2 + 1, np.int32)


@sums
def are_few(bins, pixels):
    """Return whether a table of all pairs fits in the cache, and is soon filled."""
    return bins <= MOST and pixels >= bins * bins * LANES * 2


@sums
def add_few(pixels, marks, unit, bins, steps, pairs, held, numbers):
    """Add confidences and soft labels to two tables of pairs, and counts to two rows of numbers."""
    x, y, where = pixels
    best, label, keep, hard, hidden = marks
    _add_steps(where, best, label, keep, hard, hidden, steps, numbers)
    _pair_up(where, bins, pairs)
    _add_pairs(x, where, unit, bins, pairs, held[0])
    if not hard:
        _add_pairs(y, where, unit, bins, pairs, held[1])


@sums
def _add_steps(where, best, label, keep, hard, hidden, steps, numbers):
    """Count pixels and hits from bin to bin; a byte is 0 for what does not count."""
    wide()
    n = where.size
    every, right = steps
    for i in range(n):
        every[i] = where[i] + np.uint32(1)
    if hidden:
        for i in range(n):
            every[i] = every[i] if keep[i] != 0 else 0
    if hard:
        for i in range(n):
            right[i] = every[i] if best[i] == label[i] else 0
    whole = (n + WIDTH - 1) // WIDTH * WIDTH
    for side in range(2 if hard else 1):
        row = steps[side]
        for i in range(n, whole):
            row[i] = 0
        at = place_of(row)
        for k in range(numbers.shape[1] - 1):
            reached = 0
            for i in range(0, whole, WIDTH):
                reached += ones(reaching(at + i, np.uint8(k + 1)))
            numbers[side, k] += reached


@sums
def _pair_up(where, bins, pairs):
    """Write where in a table each pair of neighbours belongs, in bytes."""
    wide()
    for i in range(where.size // 2):
        pair = np.int32(where[2 * i]) * np.int32(bins) + np.int32(where[2 * i + 1])
        pairs[i] = pair * np.int32(LANES * 16)


@sums
def _add_pairs(x, where, unit, bins, pairs, held):
    """Add x to a table; the last of an odd number is the first of a pair."""
    zero, at, table, step = unit[0], place_of(x), place_of(held), 2 * x.itemsize
    turns, code = x.size // (2 * LANES), place_of(pairs)
    for turn in range(turns):
        for lane in range(LANES):
            i = turn * LANES + lane
            add_two(table + lane * 16, code + 4 * i, at + i * step, zero)
    for i in range(turns * LANES, x.size // 2):
        add_two(table, code + 4 * i, at + i * step, zero)
    if x.size % 2:
        held[where[x.size - 1] * bins * LANES * 2] += x[x.size - 1]


@sums
def join_few(held, numbers, hard, found):
    """Add up the tables, and take from those in a bin or a higher one those in a higher one."""
    bins = found.shape[1]
    for row in range(held.shape[0]):
        for k in range(bins):
            found[row, k, 0] += numbers[row, 0, k] - numbers[row, 0, k + 1]
            if hard:
                found[row, k, 2] += numbers[row, 1, k] - numbers[row, 1, k + 1]
        for side in range(1 if hard else 2):
            table = held[row, side]
            for pair in range(bins * bins):
                first, second = 0.0, 0.0
                for lane in range(LANES):
                    first += table[(pair * LANES + lane) * 2]
                    second += table[(pair * LANES + lane) * 2 + 1]
                found[row, pair // bins, side + 1] += first
                found[row, pair % bins, side + 1] += second
