"""NumPy's own reductions: cache-sized blocks, scratch memory used again, BLAS for the sums.

No temporary is larger than a block, and the values are checked while they are in the cache.
"""

from collections.abc import Iterator
from typing import Any, cast

import array_api_compat.numpy as xp
import numpy as np

from .._lib.blocks import Place, rows
from .._lib.checks import require_known_labels
from .._lib.dtypes import PLAIN
from .._lib.levels import cast_thresholds
from .._lib.pairs import both
from .._lib.seam import Pixels
from .._lib.special import activate
from .._lib.typing import Array
from . import bins
from .checks import are_known, require_probabilities
from .levels import MANY, LevelCounts, level_corrections

#: Elements that are summed in the dtype of the sums, by one call of BLAS.
RUN = 4096

__all__ = ["bin_sums", "overlap_sums", "threshold_sums"]


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, block by block."""
    if not _fits(pixels):
        return NotImplemented
    total = np.zeros((4, *_kept_shape(pixels)))
    if pixels.pred.dtype == pixels.target.dtype == bool:
        return tuple(_mask_sums(pixels, total))
    scratch = _Scratch(pixels.dtype)
    for place, x, y in _pair_blocks(pixels, scratch):
        block = total[(slice(None), *place)]
        block += _pair_sums(x, y, scratch).reshape(block.shape)
    return tuple(total)


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`, block by block."""
    if not _fits(pixels):
        return NotImplemented
    total = np.zeros((3, len(thresholds), *_kept_shape(pixels)), np.intp)
    levels = cast_thresholds(xp, thresholds, pixels)
    number = np.arange(total[0, 0].size).reshape(total.shape[2:])
    counters = []
    if pixels.pred.size >= MANY * max(1, number.size):
        first, second = (level_corrections(values) for values in levels)
        if first is not None and second is not None:
            settings = len(thresholds) + 1, pixels.dtype, (first, second)
            counters = [LevelCounts(*settings) for _ in number.flat]
    scratch, flags = _Scratch(pixels.dtype), _Scratch(bool)
    for place, x, y in _pair_blocks(pixels, scratch, flags=True):
        if counters:
            rows_y = scratch.cast("target", y)
            for n, row_x, row_y in zip(number[place].ravel(), x, rows_y, strict=True):
                counters[n].add(row_x, row_y, inside=pixels.checked)
        else:
            block = total[(slice(None), slice(None), *place)]
            block += _counts_above(x, y, levels, flags).reshape(block.shape)
    for n, counter in enumerate(counters):
        total.reshape(*total.shape[:2], -1)[..., n] = counter.counts()
    return tuple(total)


def bin_sums(pixels: Pixels, edges: Array, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`, block by block."""
    return bins.bin_sums(pixels, edges, kind) if _own_dtypes(pixels) else NotImplemented


def _fits(pixels: Pixels) -> bool:
    """Return whether the blocks are made for these pixels."""
    whole = pixels.axis == tuple(range(2, pixels.pred.ndim))
    return _own_dtypes(pixels) and (whole or not pixels.regional)


def _own_dtypes(pixels: Pixels) -> bool:
    """Return whether NumPy itself has the dtypes: another library may lend arrays of bfloat16."""
    return {pixels.pred.dtype.num, pixels.target.dtype.num} <= PLAIN


def _kept_shape(pixels: Pixels) -> tuple[int, ...]:
    """Return the shape of the sums."""
    return tuple(n for a, n in enumerate(pixels.pred.shape) if a not in pixels.axis)


def _mask_sums(pixels: Pixels, total: Array) -> Array:
    """Return the sums of two masks, which are counts, added to ``total``."""
    flags = _Scratch(bool)
    for place, (x, y, m) in rows(xp, [pixels.pred, pixels.target, pixels.mask], pixels.axis):
        a, b = (np.asarray(v if m is None else v & m) for v in (x, y))
        one, other = _count(a), _count(b)
        both_are = _count(np.logical_and(a, b, out=flags.empty("both", a.shape)))
        block = total[(slice(None), *place)]
        counts = np.stack([one, other, one + other - 2 * both_are, both_are])
        block += counts.reshape(block.shape)
    return total


def _counts_above(x: Array, y: Array, levels: tuple[Array, Array], flags: "_Scratch") -> Array:
    """Return how many of each row reach each threshold, (3, T, rows), one after the other."""
    counts = np.empty((3, levels[0].size, x.shape[0]), np.intp)
    above_x = flags.empty("pred", x.shape)
    hard = y.dtype == bool  # reaches every threshold, or none
    above_y = y if hard else flags.empty("target", y.shape)
    if hard:
        counts[1] = _count(y)
    for k, (x_level, y_level) in enumerate(zip(*levels, strict=True)):
        counts[0, k] = _count(np.greater_equal(x, x_level, out=above_x))
        if not hard:
            counts[1, k] = _count(np.greater_equal(y, y_level, out=above_y))
        counts[2, k] = _count(np.logical_and(above_x, above_y, out=above_x))
    return counts


def _pair_blocks(
    pixels: Pixels, scratch: "_Scratch", *, flags: bool = False
) -> Iterator[tuple[Place, Array, Array]]:
    """Yield what `dice_semimetric._lib.pairs.probabilities` returns as blocks of equal matrices.

    Kept axes lie along the rows, summed ones along the columns; with each block comes its place
    among the kept axes. With ``flags``, hard targets stay boolean.
    """
    pred, labels, activation = pixels.pred, pixels.labels, pixels.activation
    target = pixels.target[:, None] if labels else pixels.target
    ignored = pixels.ignore_index
    if pixels.regional:  # a block then holds all classes of one image
        images: list[Place] = [(slice(b, b + 1),) for b in range(pred.shape[0])]
        whole: tuple[int, ...] = (1,)
    else:
        images, whole = [()], ()
    numbers = np.arange(pred.shape[1])[:, None] if labels and pred.shape[1] > 1 else 1
    for image in images:
        arrays = [pred[image], target[image], _image(pixels.mask, image, pred.ndim)]
        for place, block in rows(xp, arrays, pixels.axis, whole=whole):
            x, y, m = cast(tuple[Array, Array, Array], tuple(block))
            label = y if labels else None
            x = activate(xp, scratch.cast("pred", x), activation, axis=0)
            if labels:
                m = both(m, None if ignored is None else y != ignored)
                y = y == numbers
            if not (flags and y.dtype == bool):
                y = scratch.cast("target", y)
            if m is not None:
                x, y = np.where(m, x, 0), np.where(m, y, y.dtype.type(0))
            if pixels.checked:
                x, y = _checked(x, y, label, pixels)
            yield (*image, *place[len(image) :]), x, y


def _checked(x: Array, y: Array, label: Array | None, pixels: Pixels) -> tuple[Array, Array]:
    """Return the probabilities of a block, rounding beyond 0 and 1 taken off, or raise.

    Labels, masked or not, come first, wherever one is wrong, as on every library.
    """
    pred, ignored = pixels.pred, pixels.ignore_index
    if label is not None and not are_known(label, max(pred.shape[1], 2), ignored):
        require_known_labels(pixels)
    try:
        x = require_probabilities(x, "pred", pred, pixels.activation)
        if label is None and y.dtype != bool:
            y = require_probabilities(y, "target", pixels.target)
    except ValueError:
        if label is not None:
            require_known_labels(pixels)
        raise
    return x, y


def _pair_sums(x: Array, y: Array, scratch: "_Scratch") -> Array:
    """Return the four sums over the columns of two matrices, (4, rows), by BLAS.

    BLAS adds up short runs, and their sums are added in float64. One run over a whole block would
    lose a digit: each of its few lanes is added up in turn.
    """
    runs, rest = divmod(x.shape[1], RUN)
    difference = np.subtract(x, y, out=scratch.empty("difference", x.shape))
    np.abs(difference, out=difference)
    ones = scratch.ones(RUN)
    parts = np.zeros((4, len(x), runs + 1))
    for part, a, b in zip(parts, (x, y, difference, x), (ones, ones, ones, y), strict=True):
        head, tail = _split(a, runs)
        other, other_tail = (b, b[:rest]) if b is ones else _split(b, runs)
        np.vecdot(head, other, out=part[:, :runs])
        if rest:
            np.vecdot(tail, other_tail, out=part[:, runs])
    return parts.sum(axis=-1)


def _split(x: Array, runs: int) -> tuple[Array, Array]:
    """Cut rows into runs, (rows, runs, RUN), and the rest, (rows, rest)."""
    return x[:, : runs * RUN].reshape(len(x), runs, RUN), x[:, runs * RUN :]


def _count(flags: Array) -> Array:
    """Return how many entries of each row are True."""
    if flags.shape[1] < 256:
        return flags.sum(axis=1, dtype=np.intp)
    return np.array([np.count_nonzero(row) for row in flags])


class _Scratch:
    """Memory that the blocks share."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self._held: dict[str, Array] = {}

    def empty(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return memory of that shape, as the last block left it."""
        count = shape[0] * shape[1]
        if name not in self._held or self._held[name].size < count:
            self._held[name] = np.empty(count, self._dtype)
        return self._held[name][:count].reshape(shape)

    def ones(self, count: int) -> Array:
        """Return a row of ones, to sum by BLAS."""
        if "ones" not in self._held or self._held["ones"].size < count:
            self._held["ones"] = np.ones(count, self._dtype)
        return self._held["ones"][:count]

    def cast(self, name: str, block: Array) -> Array:
        """Return the block in the dtype of the sums; a copy only where it has another."""
        if block.dtype == self._dtype:
            return block
        out = self.empty(name, block.shape)
        np.copyto(out, block, casting="unsafe")
        return out


def _image(mask: Array | None, image: tuple[slice, ...], ndim: int) -> Array | None:
    """Return the mask of one image, where the mask has a batch axis of its own."""
    if mask is None or mask.ndim < ndim or mask.shape[0] == 1:
        return mask
    return mask[image]
