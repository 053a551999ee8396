# mypy: ignore-errors
"""A tile of the regression: pixels that are near one another, and the keys that count there.

The exponent of a key is linear in the logarithms of a pixel, so how far it is above another's is
at most what it is in a corner of the box around the pixels. Beside the key that is best in the
middle of the box, most keys contribute less to each pixel than the smallest normal number. They
are left out without a look at the pixels, and the result is the same.
"""

import numpy as np

from .compiling import sums

#: Pixels of a tile; keys that are weighed at a time.
TILE, CHUNK = 64, 32
#: The exponent of a pixel that is its own key.
NEVER = np.finfo(np.float64).min / 4


@sums
def gather(pixels, own, query):
    """Copy the pixels of a tile, (K, TILE), the first of them also to where there are none."""
    for k in range(pixels.shape[1]):
        for j in range(own.size):
            query[k, j] = pixels[own[j], k]
        for j in range(own.size, TILE):
            query[k, j] = query[k, 0]


@sums
def mark(own, place, here):
    """Note where in the tile a key is, if it is one of its pixels, or forget it."""
    for j in range(own.size):
        if own[j] < place.size:
            place[own[j]] = j if here else -1


@sums
def near(by_class, bias, query, own, skip_self, lowest, kept):
    """Put the keys that count in the tile into kept (m + 1), and return how many they are."""
    size, number = by_class.shape
    ends = np.empty((2, size))
    for k in range(size):
        ends[0, k], ends[1, k] = _ends(query, k)
    nearest = _nearest(by_class, bias, ends, own, skip_self)
    if nearest < 0:
        for i in range(number):
            kept[i] = i
        return number
    most = np.empty(number)
    for i in range(number):
        most[i] = bias[i] - bias[nearest]
    for k in range(size):
        row, low, high = by_class[k], ends[0, k], ends[1, k]
        mine = row[nearest]
        for i in range(number):
            difference = row[i] - mine
            most[i] += difference * (high if difference > 0.0 else low)
    most[nearest] = -np.inf
    kept[0], count = nearest, 1  # first, so that large scores are known before small ones
    for i in range(number):
        kept[count] = i
        count += 0 if most[i] < lowest else 1  # NaN counts
    return count


@sums
def _nearest(by_class, bias, ends, own, skip_self):
    """Return the key that is best in the middle of the tile, of those that all its pixels have.

    It is -1 where there is none, or where all is NaN.
    """
    size, number = by_class.shape
    middle = bias.copy()
    for k in range(size):
        row, half = by_class[k], 0.5 * (ends[0, k] + ends[1, k])
        for i in range(number):
            middle[i] += row[i] * half
    if skip_self:
        for j in range(own.size):
            if own[j] < number:
                middle[own[j]] = -np.inf
    best, nearest = -np.inf, -1
    for i in range(number):
        if middle[i] > best:
            best, nearest = middle[i], i
    return nearest


@sums
def _ends(query, k):
    """Return the smallest and the largest entry of a tile's row; NaN is passed over."""
    low, high = np.inf, -np.inf
    for j in range(TILE):
        low = query[k, j] if query[k, j] < low else low
        high = query[k, j] if query[k, j] > high else high
    return low, high


@sums
def scores(key, bias, kept, first, last, query, place, score):
    """Write the exponents of some keys at the pixels of a tile."""
    size = query.shape[0]
    for i in range(last - first):
        at = kept[first + i]
        shift = bias[at]
        if size == 2:
            a, b = key[at, 0], key[at, 1]
            for j in range(TILE):
                score[i, j] = shift + a * query[0, j] + b * query[1, j]
        elif size == 3:
            a, b, c = key[at, 0], key[at, 1], key[at, 2]
            for j in range(TILE):
                score[i, j] = shift + a * query[0, j] + b * query[1, j] + c * query[2, j]
        else:
            _long_score(key, at, shift, query, i, score)
        if place[at] >= 0:
            score[i, place[at]] = NEVER


@sums
def _long_score(key, at, shift, query, i, score):
    """Write the exponents of a key, four classes at a time."""
    size = query.shape[0]
    for j in range(TILE):
        score[i, j] = shift
    for k in range(0, size - 3, 4):
        a, b, c, d = key[at, k], key[at, k + 1], key[at, k + 2], key[at, k + 3]
        for j in range(TILE):
            left, right = a * query[k, j] + b * query[k + 1, j], c * query[k + 2, j]
            score[i, j] += left + right + d * query[k + 3, j]
    for k in range(size - size % 4, size):
        a = key[at, k]
        for j in range(TILE):
            score[i, j] += a * query[k, j]


@sums
def counts(score, i, top, lowest):
    """Return whether a key contributes to any pixel, whose largest exponent is top; NaN does."""
    found = False
    for j in range(TILE):
        found |= not score[i, j] - top[j] < lowest
    return found
