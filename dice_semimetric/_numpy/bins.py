"""NumPy's own sums over bins of confidence, in cache-sized blocks and float64."""

from collections.abc import Iterator
from typing import cast

import array_api_compat.numpy as xp
import numpy as np

from .._lib.blocks import rows
from .._lib.checks import require_known_labels
from .._lib.pairs import both
from .._lib.seam import Pixels
from .._lib.typing import Array
from .checks import are_known, require_probabilities

#: Up to so many inner edges, comparing with each is faster than a binary search.
FEW = 64


def bin_sums(pixels: Pixels, edges: Array, kind: str) -> tuple[Array, Array, Array]:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`, block by block."""
    n_bins = edges.shape[-1] - 1
    num_rows = 1 if kind != "classwise" else max(pixels.pred.shape[1], 2)
    inner = np.broadcast_to(edges[..., 1:-1], (num_rows, n_bins - 1))
    total = np.zeros((3, num_rows, n_bins))
    for x, y in _pixel_blocks(pixels, kind):
        for row, (confidence, correct) in enumerate(_pairs(x, y, kind)):
            total[:, row] += _sums(confidence, correct, inner[row])
    count, confidence, correct = total if kind == "classwise" else total[:, 0]
    return count.astype(np.intp), confidence, correct


def _pixel_blocks(pixels: Pixels, kind: str) -> Iterator[tuple[Array, Array]]:
    """Yield blocks of the pixels that count: (C, n), and hard labels (1, n) or soft ones (C, n)."""
    prob, label, mask = pixels.pred, pixels.target, pixels.mask
    dtype, ignored = pixels.dtype, pixels.ignore_index
    most = max(prob.shape[1], 2) if pixels.labels else 2
    if kind == "binary":
        prob, label = prob[None, None], label[None, None]
        mask = None if mask is None else mask[None, None]
    elif pixels.labels:
        label = label[:, None]
    for image in range(prob.shape[0]):
        some = slice(image, image + 1)
        arrays = [prob[some], label[some], None if mask is None else mask[some]]
        for _, block in rows(xp, arrays, tuple(range(2, prob.ndim)), whole=(1,)):
            x, y, m = cast(tuple[Array, Array, Array], tuple(block))
            if pixels.checked and y.dtype.kind in "iu" and not are_known(y, most, ignored):
                require_known_labels(pixels, "label")
            kept = both(m, None if ignored is None else y != ignored)
            if kept is not None and not kept.all():
                x, y = x[:, kept[0]], y[:, kept[0]]
            x = x.astype(dtype, copy=False)
            soft = y.dtype.kind == "f"
            y = y.astype(dtype, copy=False) if soft else y
            if kind != "binary" and len(x) == 1:  # the implied background
                x, y = np.concatenate([1 - x, x]), np.concatenate([1 - y, y]) if soft else y
            if pixels.checked:
                x, y = _checked(x, y, pixels)
            yield x, y


def _checked(x: Array, y: Array, pixels: Pixels) -> tuple[Array, Array]:
    """Return the probabilities of a block, rounding beyond 0 and 1 taken off, or raise.

    Labels come first, wherever one is wrong, as on every library.
    """
    try:
        x = require_probabilities(x, "prob", pixels.pred)
        if y.dtype.kind == "f":
            y = require_probabilities(y, "label", pixels.target)
    except ValueError:
        if y.dtype.kind in "iu":
            require_known_labels(pixels, "label")
        raise
    return x, y


def _pairs(x: Array, y: Array, kind: str) -> Iterator[tuple[Array, Array]]:
    """Yield confidence and correctness of a block, as often as there are rows of bins."""
    soft = y.dtype.kind == "f"
    if kind == "binary":
        yield x[0], y[0] if soft else y[0] == 1
    elif kind == "classwise":
        for c in range(len(x)):
            yield x[c], y[c] if soft else y[0] == c
    else:
        yield _top_soft(x, y) if soft else _top_hard(x, y[0])


def _top_hard(x: Array, label: Array) -> tuple[Array, Array]:
    """Return the largest probability of each pixel and whether its first class is the label."""
    confidence = x[0].copy()
    best = np.zeros(confidence.shape, np.min_scalar_type(len(x) - 1))
    for c in range(1, len(x)):
        # a later class that wins is also the larger number: no masked write is needed
        wins = (x[c] > confidence).view(np.uint8)
        np.maximum(best, wins * best.dtype.type(c), out=best)
        np.maximum(confidence, x[c], out=confidence)
    return confidence, best.astype(label.dtype) == label


def _top_soft(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the largest probability of each pixel and its label's mass at that first class."""
    confidence, correct = x[0].copy(), y[0].copy()
    for c in range(1, len(x)):
        np.copyto(correct, y[c], where=x[c] > confidence)
        np.maximum(confidence, x[c], out=confidence)
    return confidence, correct


def _sums(confidence: Array, correct: Array, inner: Array) -> Array:
    """Return count, confidence and correctness, (3, n_bins), of pixels in a row."""
    n_bins = len(inner) + 1
    place = places(confidence, inner)
    hard = correct.dtype == bool
    if hard:  # misses first, then hits: one pass counts both
        place += place.dtype.type(n_bins) * correct.view(np.uint8)
    place = place.astype(np.intp, copy=False)
    length = n_bins * (1 + hard)
    count = np.bincount(place, minlength=length).reshape(-1, n_bins)
    # bincount casts weights by itself too, but four times slower
    mass = np.bincount(place, confidence.astype(float), length).reshape(-1, n_bins)
    hits = count[1] if hard else np.bincount(place, correct.astype(float), length)
    return np.stack([count.sum(axis=0), mass.sum(axis=0), hits])


def places(confidence: Array, inner: Array) -> Array:
    """Return how many inner edges are at or below each confidence."""
    if len(inner) > FEW:
        return np.searchsorted(inner, confidence, side="right")
    place = np.zeros(confidence.shape, np.uint8)
    above = np.empty(confidence.shape, bool)
    for edge in inner:
        np.greater_equal(confidence, edge, out=above)
        np.add(place, above.view(np.uint8), out=place)
    return place
