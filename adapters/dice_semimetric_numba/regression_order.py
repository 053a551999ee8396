# mypy: ignore-errors
"""An order in which neighbours have like probabilities."""

import numpy as np

from .arithmetic import exp
from .compiling import exact

#: Steps of a coordinate, as a power of 2; bits of the code that a pass of the sort looks at.
BITS, DIGIT = 10, 12
#: Pixels that are looked at together.
RUN = 256


@exact
def write_codes(pixels, start, stop, code):
    """Write numbers by which pixels (n, K) are to be sorted, those from start to stop.

    They are grouped by their two largest classes. In a group they follow a curve (Morton's) through
    the roots of the second and the third probability, since the kernel is about as wide everywhere
    in the roots.
    """
    value, which = np.empty((3, RUN)), np.empty((2, RUN))
    root = np.empty((2, RUN))
    for first in range(start, stop, RUN):
        count = min(RUN, stop - first)
        _largest(pixels, first, count, value, which)
        for c in range(2):
            for j in range(RUN):
                root[c, j] = exp(min(0.5 * value[c + 1, j], 0.0))
        for j in range(count):
            pair = np.uint64(which[0, j] * pixels.shape[1] + which[1, j])
            place = _between(_step(root[0, j])) << np.uint64(1) | _between(_step(root[1, j]))
            code[first + j] = pair << np.uint64(2 * BITS) | place


@exact
def _largest(pixels, first, count, value, which):
    """Write the three largest queries of some pixels, and which classes the first two are."""
    value[:] = -np.inf
    which[:] = 0.0
    row = np.empty(RUN)
    for k in range(pixels.shape[1]):
        number = float(k)
        for j in range(count):  # by itself, since a stride is not read by lanes
            row[j] = pixels[first + j, k]
        for j in range(RUN):
            v, a, b, c = row[j], value[0, j], value[1, j], value[2, j]
            one, two = which[0, j], which[1, j]
            value[2, j] = b if v > b else (v if v > c else c)
            value[1, j] = a if v > a else (v if v > b else b)
            value[0, j] = v if v > a else a
            which[1, j] = one if v > a else (number if v > b else two)
            which[0, j] = number if v > a else one


@exact
def _step(root):
    """Return in which of the steps from 0 to 1 a number is."""
    return np.uint64(root * ((1 << BITS) - 1))


@exact
def _between(x):
    """Return a number of ten bits with a 0 between each two of them."""
    x = (x | x << np.uint64(8)) & np.uint64(0x00FF00FF)
    x = (x | x << np.uint64(4)) & np.uint64(0x0F0F0F0F)
    x = (x | x << np.uint64(2)) & np.uint64(0x33333333)
    return (x | x << np.uint64(1)) & np.uint64(0x55555555)


@exact
def similar(code, start, stop):
    """Return the numbers from start to stop sorted by their codes, digit by digit from the last."""
    code, order = code[start:stop].copy(), np.arange(start, stop)
    other_code, other = np.empty_like(code), np.empty_like(order)
    last, most = np.uint64((1 << DIGIT) - 1), code.max()
    shift = np.uint64(0)
    while most >> shift:
        begin = np.zeros((1 << DIGIT) + 1, np.int64)
        for i in range(code.size):
            begin[(code[i] >> shift & last) + np.uint64(1)] += 1
        for d in range(1 << DIGIT):
            begin[d + 1] += begin[d]
        for i in range(code.size):
            digit = code[i] >> shift & last
            at = begin[digit]
            begin[digit] += 1
            other_code[at], other[at] = code[i], order[i]
        code, other_code, order, other = other_code, code, other, order
        shift += np.uint64(DIGIT)
    return order
