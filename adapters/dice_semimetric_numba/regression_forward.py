# mypy: ignore-errors
"""The mean of the keys' values at each pixel, in one pass over tiles."""

import numpy as np

from .arithmetic import exp
from .compiling import sums
from .regression_tiles import CHUNK, TILE, counts, gather, mark, near, scores


@sums
def forward(pixels, order, keys, entries, skip_self, lowest, mean, log_total):
    """Write the mean of the keys' values, (C, n), and ln of the kernel's sum for some pixels.

    ``pixels`` (n, K) are the queries, ``order`` tells which of them and in which order, ``keys``
    are the keys (m, K), the same (K, m), and their biases (m,); ``entries`` the values other than
    0, and a 1, key by key: where those of a key begin, their rows, and themselves.
    """
    key, by_class, bias = keys
    rows = mean.shape[0] + 1
    query, kept = np.empty((key.shape[1], TILE)), np.empty(key.shape[0] + 1, np.int64)
    place = np.full(key.shape[0], -1)
    score, top = np.empty((CHUNK, TILE)), np.empty(TILE)
    weight, scale = np.empty(TILE, mean.dtype), np.empty(TILE, mean.dtype)
    part, total = np.empty((rows, TILE), mean.dtype), np.empty((rows, TILE))
    for start in range(0, order.size, TILE):
        own = order[start : start + TILE]
        gather(pixels, own, query)
        if skip_self:
            mark(own, place, True)
        count = near(by_class, bias, query, own, skip_self, lowest, kept)
        top[:] = -np.inf
        total[:] = 0.0
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count)
            scores(key, bias, kept, first, last, query, place, score)
            _raise(score, last - first, top, scale)
            part[:] = 0
            for i in range(last - first):
                if counts(score, i, top, lowest):
                    _weigh(score, i, top, weight)
                    _add(entries, kept[first + i], weight, part)
            for c in range(rows):
                for j in range(TILE):
                    total[c, j] = total[c, j] * scale[j] + part[c, j]
        _write(total, top, own, mean, log_total)
        if skip_self:
            mark(own, place, False)


@sums
def _raise(score, count, top, scale):
    """Raise the largest scores so far; scale is what sums relative to the former ones shrink by."""
    former = top.copy()
    for i in range(count):
        for j in range(TILE):
            top[j] = score[i, j] if score[i, j] > top[j] else top[j]
    for j in range(TILE):
        scale[j] = former[j] - top[j]
    for j in range(TILE):
        scale[j] = exp(scale[j])


@sums
def _weigh(score, i, top, weight):
    """Write exp(score - top): rounded in a loop of its own, lest the other have fewer lanes."""
    for j in range(TILE):
        weight[j] = score[i, j] - top[j]
    for j in range(TILE):
        weight[j] = exp(weight[j])


@sums
def _add(entries, key, weight, part):
    """Add the weights of a key times its values."""
    starts, rows, numbers = entries
    for entry in range(starts[key], starts[key + 1]):
        c, number = rows[entry], numbers[entry]
        for j in range(TILE):
            part[c, j] += number * weight[j]


@sums
def _write(total, top, own, mean, log_total):
    """Write the results of a tile to where its pixels are."""
    rows = mean.shape[0]
    for c in range(rows):
        for j in range(TILE):
            total[c, j] /= total[rows, j]
        for j in range(own.size):
            mean[c, own[j]] = total[c, j]
    for j in range(own.size):
        log_total[own[j]] = top[j] + np.log(total[rows, j])
