"""Count pixels above equally spaced thresholds by one histogram in place of many comparisons.

With thresholds k / n, floor(n x) is the number of thresholds that x reaches, its level. The
levels of a pixel's prediction and target make a code of one byte, and the histogram of the codes
holds all counts. Two neighbouring codes are counted at once, as a number of two bytes.
"""

import numpy as np
from numpy.typing import DTypeLike

from .._lib.typing import Array

#: Codes that are gathered before they are counted.
GATHERED = 1 << 18
#: Pixels from which on this is worth its memory, half a megabyte.
MANY = 1 << 20


#: Floats around a threshold, a value and what its level lacks.
Corrections = list[tuple[np.floating, int]]


def level_corrections(thresholds: Array, reach: int = 4) -> Corrections | None:
    """Return the floats x at which floor(n x), rounded, is not the number of thresholds reached.

    The thresholds are meant to be k / n for k = 1 to n - 1; the result is None if they are not. The
    rounded product is monotone in x, so that the floats to look at are those next to a threshold,
    down from it to the first that is right, and up.
    """
    dtype, n = thresholds.dtype, thresholds.size + 1
    if n > 15 or dtype.kind != "f":  # a code must fit in a byte
        return None
    found = []
    for k, t in enumerate(thresholds, start=1):
        for start, end, lacks in ((np.nextafter(t, dtype.type(0)), 0, -1), (t, 1, 1)):
            x = start
            for _ in range(reach):
                if (np.floor(x * dtype.type(n)) >= k) == (lacks == 1):
                    break
                found.append((x, lacks))
                x = np.nextafter(x, dtype.type(end))
            else:
                return None
    return found


class LevelCounts:
    """Counts pixels by the levels of prediction and target, for thresholds k / n."""

    def __init__(self, n: int, dtype: DTypeLike, corrections: tuple[Corrections, ...]) -> None:
        self._n = np.dtype(dtype).type(n)
        self._corrections = corrections
        self._base = n + 1  # levels run from 0 to n: 1 lies above the last threshold
        self._codes = np.zeros(GATHERED, np.uint8)
        self._filled = 0
        self._scaled, self._levels = np.empty(0, dtype), np.empty(0, np.uint8)
        self._pairs = np.zeros(257 * (self._base**2 - 1) + 1, np.intp)

    def add(self, x: Array, y: Array, *, inside: bool) -> None:
        """Count pixels in a row; ``inside`` says that all are known to lie in [0, 1]."""
        if self._filled + x.size > GATHERED:
            self._flush()
        code = self._codes[self._filled : self._filled + x.size]
        if x.size > self._scaled.size:
            self._scaled, self._levels = np.empty_like(x), np.empty(x.size, np.uint8)
        first, second = self._corrections
        np.multiply(self._level(x, inside, first), np.uint8(self._base), out=code)
        np.add(code, self._level(y, inside, second), out=code)
        self._filled += x.size

    def counts(self) -> Array:
        """Return the counts of prediction, target and both, (3, n - 1)."""
        self._flush()
        codes = np.arange(self._pairs.size)
        joint = np.bincount(codes & 255, self._pairs, 256) + np.bincount(
            codes >> 8, self._pairs, 256
        )
        joint = joint[: self._base**2].reshape(self._base, self._base)
        # how many have both levels at or above a pair: sum from the far corner
        table = np.cumsum(np.cumsum(joint[::-1, ::-1], axis=0), axis=1)
        table = table[::-1, ::-1].astype(np.intp)
        inner = slice(1, self._base - 1)
        return np.stack([table[inner, 0], table[0, inner], np.diagonal(table)[inner]])

    def _level(self, x: Array, inside: bool, corrections: Corrections) -> Array:
        scaled, level = self._scaled[: x.size], self._levels[: x.size]
        np.multiply(x, self._n, out=scaled)
        if not inside:
            np.fmin(np.fmax(scaled, 0, out=scaled), self._n, out=scaled)
        np.copyto(level, scaled, casting="unsafe")
        for value, lacks in corrections:
            found = (x == value).view(np.uint8)
            (np.add if lacks > 0 else np.subtract)(level, found, out=level)
        return level

    def _flush(self) -> None:
        """Count the codes; the odd one out goes with code 0, which is above no threshold."""
        if self._filled % 2:
            self._codes[self._filled] = 0
            self._filled += 1
        pairs = self._codes[: self._filled].view(np.uint16).astype(np.intp)
        self._pairs += np.bincount(pairs, minlength=self._pairs.size)
        self._filled = 0
