# mypy: ignore-errors
"""The derivative of the regression, in closed form and one pass over tiles.

With w the share of a key in the kernel's sum at a pixel, y its values, g the gradient that arrives
at the mean and l that at ln of the sum, the gradient of the key's exponent there is

    w (y g + l - mean g)

and those of pixels, keys and biases follow from the exponent, a scalar product. Over the keys these
add up to l. So of a pixel's gradient, in which keys of 1 / h cancel, only their differences are
summed.
"""

import numpy as np

from .arithmetic import exp
from .compiling import sums
from .regression_tiles import CHUNK, TILE, counts, gather, mark, near, scores


@sums
def backward(pixels, order, keys, entries, skip_self, lowest, upstream, log_total, found):
    """Write the gradient of some pixels, and add up what they give to the keys.

    ``upstream`` (C + 2, n) is g, l - mean g, and l; ``found`` the gradients of pixels (n, K), of
    keys (m, K), of biases (m,) and of values (m, C). The rest is as in `forward`.
    """
    key, by_class, bias = keys
    size, rows = key.shape[1], upstream.shape[0]
    to_pixels, to_keys, to_bias, to_values = found
    query, kept = np.empty((size, TILE)), np.empty(key.shape[0] + 1, np.int64)
    place = np.full(key.shape[0], -1)
    score, top = np.empty((CHUNK, TILE)), np.empty(TILE)
    given, slope, out = np.empty((rows, TILE)), np.empty(TILE), np.empty((size, TILE))
    for start in range(0, order.size, TILE):
        own = order[start : start + TILE]
        gather(pixels, own, query)
        _gather_rows(upstream, log_total, own, given, top)
        if skip_self:
            mark(own, place, True)
        count = near(by_class, bias, query, own, skip_self, lowest, kept)
        for k in range(size):
            for j in range(TILE):
                out[k, j] = key[kept[0], k] * given[rows - 1, j]
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count)
            scores(key, bias, kept, first, last, query, place, score)
            for i in range(last - first):
                if counts(score, i, top, lowest):
                    at = kept[first + i]
                    _weigh(score, i, top)
                    _to_values(score, i, given, at, to_values)
                    _slopes(entries, at, given, score, i, slope)
                    to_bias[at] += _to_keys(query, slope, at, to_keys)
                    _to_pixels(key, at, kept[0], slope, out)
        for k in range(size):
            for j in range(own.size):
                to_pixels[own[j], k] = out[k, j]
        if skip_self:
            mark(own, place, False)


@sums
def _gather_rows(upstream, log_total, own, given, top):
    """Copy what arrives at the pixels of a tile; where there are none, no key has a share."""
    for c in range(given.shape[0]):
        for j in range(own.size):
            given[c, j] = upstream[c, own[j]]
        for j in range(own.size, TILE):
            given[c, j] = 0.0
    for j in range(own.size):
        top[j] = log_total[own[j]]
    for j in range(own.size, TILE):
        top[j] = np.inf


@sums
def _weigh(score, i, top):
    """Turn the exponents of a key into its shares."""
    for j in range(TILE):
        score[i, j] = exp(score[i, j] - top[j])


@sums
def _to_values(share, i, given, at, to_values):
    """Add the gradient of a key's values."""
    for c in range(to_values.shape[1]):
        total = 0.0
        for j in range(TILE):
            total += given[c, j] * share[i, j]
        to_values[at, c] += total


@sums
def _slopes(entries, at, given, share, i, slope):
    """Write the gradient of a key's exponents."""
    starts, rows, numbers = entries
    for j in range(TILE):
        slope[j] = 0.0
    for entry in range(starts[at], starts[at + 1]):
        c, number = rows[entry], numbers[entry]
        for j in range(TILE):
            slope[j] += number * given[c, j]
    for j in range(TILE):
        slope[j] *= share[i, j]


@sums
def _to_keys(query, slope, at, to_keys):
    """Add the gradient of a key, and return that of its bias."""
    for k in range(query.shape[0]):
        total = 0.0
        for j in range(TILE):
            total += slope[j] * query[k, j]
        to_keys[at, k] += total
    total = 0.0
    for j in range(TILE):
        total += slope[j]
    return total


@sums
def _to_pixels(key, at, other, slope, out):
    """Add to the gradient of the pixels what the key adds beyond the other."""
    for k in range(out.shape[0]):
        a = key[at, k] - key[other, k]
        for j in range(TILE):
            out[k, j] += a * slope[j]
