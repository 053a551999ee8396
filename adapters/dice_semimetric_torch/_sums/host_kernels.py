# mypy: ignore-errors
"""The host's kernels: all classes of some pixels at a time, in the L1 cache.

A tile is read once. Nothing is kept between the passes: the backward pass computes the
probabilities again. The functions release the interpreter's lock. They share one file because
Numba, to see whether the code that it keeps on disk is up to date, looks at the function's own.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

#: Entries of a tile; its probabilities and targets take 32 KiB together.
TILE = 4096

#: Below this a float32 exponential would be subnormal; it counts as 0.
LOWEST = np.float32(-87.0)

ZERO, ONE = np.float32(0), np.float32(1)
LOG2_E = np.float32(1.4426950408889634)
#: The logarithm of 2 in two parts, the first of so few digits that k times it is exact.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
#: 1.5 x 2^23: adding it rounds to an integer, which then stands in the last bits.
ROUND = np.float32(12582912.0)
#: exp(r) = 1 + r + r^2 P(r) for |r| <= log(2) / 2; the minimax P of Cephes' expf.
P5, P4, P3, P2, P1, P0 = (
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)


def _kernel(*liberties):
    """Return a decorator that compiles, with some liberties in the order of operations."""

    def decorate(function):
        options = {"nogil": True, "fastmath": set(liberties)}
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # there is no folder to keep the code in
            return njit(**options)(function)

    return decorate


#: Sums may be taken in any order and by lanes; NaN and infinity keep their meaning.
_sums = _kernel("reassoc", "contract", "nsz", "arcp")
#: Without reassociation, which would undo the rounding in `_exp`.
_exact = _kernel("contract")


@intrinsic
def _bits(context, value):
    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), code


@intrinsic
def _float(context, bits):
    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), code


@_exact
def _exp(v):
    """Return exp(v) for v <= 0 within 1e-7 of itself, without a branch; NaN stays."""
    low = v <= LOWEST
    w = LOWEST if low else v
    t = w * LOG2_E + ROUND
    k = t - ROUND
    r = (w - k * LN2_HIGH) - k * LN2_LOW
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    p = p * (r * r) + r + ONE
    power = _float(types.int32((_bits(t) << types.int32(23)) + types.int32(0x3F800000)))
    return ZERO if low else p * power


@_sums
def _softmax(x, row, n):
    """Turn logits (classes, n) into probabilities."""
    for i in range(n):
        row[i] = x[0, i]
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] = own[i] if own[i] > row[i] else row[i]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            own[i] = _exp(own[i] - row[i])
    for i in range(n):
        row[i] = x[0, i]
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] += own[i]
    for i in range(n):
        row[i] = ONE / row[i]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            own[i] *= row[i]


@_sums
def _sigmoid(x, n):
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            small = _exp(-abs(own[i]))
            share = ONE / (ONE + small)
            own[i] = share if own[i] >= ZERO else small * share


@_sums
def _read(pred, target, counts, image, start, pixels, modes, x, y, row, n):
    """Read a tile: probabilities and targets, both 0 where a pixel does not count."""
    softmax, sigmoid, labels, hides, ignores, _ignored = modes
    classes = x.shape[0]
    first = np.float32(1 if classes == 1 else 0)  # one class alone is the foreground
    at = image * pixels + start  # slices, since an index that may be negative is not vectorised
    for c in range(classes):
        there = (image * classes + c) * pixels + start
        source, own = pred[there : there + n], x[c]
        for i in range(n):
            own[i] = source[i]
    if labels:
        numbers = target[at : at + n]
        for i in range(n):
            row[i] = np.float32(numbers[i])
        for c in range(classes):
            own, number = y[c], np.float32(c) + first
            for i in range(n):
                own[i] = ONE if row[i] == number else ZERO
    else:
        for c in range(classes):
            there = (image * classes + c) * pixels + start
            source, own = target[there : there + n], y[c]
            for i in range(n):
                own[i] = source[i]
    if softmax:
        _softmax(x, row, n)
    elif sigmoid:
        _sigmoid(x, n)
    if hides or ignores:
        _hide(target[at : at + n], counts[at : at + n], modes, x, y, row, n)


@_sums
def _hide(target, counts, modes, x, y, row, n):
    """Set a tile to 0 where a pixel does not count, and row to whether it does."""
    _, _, _, hides, ignores, ignored = modes
    for i in range(n):
        row[i] = ONE
    if hides:
        for i in range(n):
            row[i] = ONE if counts[i] else ZERO
    if ignores:
        for i in range(n):
            row[i] = ZERO if target[i] == ignored else row[i]
    for c in range(x.shape[0]):
        one, other = x[c], y[c]
        for i in range(n):
            one[i] = one[i] if row[i] == ONE else ZERO
            other[i] = other[i] if row[i] == ONE else ZERO


@_sums
def sums_forward(pred, target, counts, images, pixels, start, stop, modes, sums):
    """Add the four sums over pixels start to stop of some images to sums (images, 4, classes).

    Returns whether an entry that should be a probability is none.
    """
    classes = sums.shape[2]
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row = np.empty(size, np.float32)
    wrong = False
    for image in range(images[0], images[1]):
        part = sums[image - images[0]]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            _read(pred, target, counts, image, tile, pixels, modes, x, y, row, n)
            for c in range(classes):
                own, other = x[c], y[c]
                sum_x, sum_y, difference, product, outside = ZERO, ZERO, ZERO, ZERO, ZERO
                for i in range(n):
                    a, b = own[i], other[i]
                    sum_x += a
                    sum_y += b
                    difference += abs(a - b)
                    product += a * b
                    inside = (a >= ZERO) & (a <= ONE) & (b >= ZERO) & (b <= ONE)
                    outside += ZERO if inside else ONE
                part[0, c] += sum_x
                part[1, c] += sum_y
                part[2, c] += difference
                part[3, c] += product
                wrong |= outside > ZERO
    return wrong


@_sums
def sums_backward(gradient, pred, target, counts, images, pixels, start, stop, modes, out):
    """Write the gradient of pred over the same pixels from that of the sums (images, 4, classes).

    The formula is that of `blockwise`.
    """
    classes = gradient.shape[2]
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row, mean = np.empty(size, np.float32), np.empty(size, np.float32)
    for image in range(images[0], images[1]):
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            _read(pred, target, counts, image, tile, pixels, modes, x, y, row, n)
            _slopes(gradient[image], x, y, mean, n)
            for c in range(classes):
                at = (image * classes + c) * pixels + tile
                _through(modes, x[c], y[c], mean, row, out[at : at + n])


@_sums
def _slopes(g, x, y, mean, n):
    """Put the gradient of x into y, and its mean over the classes into mean."""
    for i in range(n):
        mean[i] = ZERO
    for c in range(x.shape[0]):
        of_pred, of_difference, of_product = g[0, c], g[2, c], g[3, c]
        one, other = x[c], y[c]
        for i in range(n):
            a, b = one[i], other[i]
            sign = (ONE if a > b else ZERO) - (ONE if a < b else ZERO)
            slope = of_pred + of_difference * sign + of_product * b
            other[i] = slope
            mean[i] += a * slope


@_sums
def _through(modes, x, slope, mean, row, out):
    """Write the gradient of the logits of a class from that of its probabilities."""
    softmax, sigmoid, _, hides, ignores, _ = modes
    if softmax:
        for i in range(out.size):
            out[i] = x[i] * (slope[i] - mean[i])
    elif sigmoid:
        for i in range(out.size):
            out[i] = x[i] * (ONE - x[i]) * slope[i]
    elif hides or ignores:
        for i in range(out.size):
            out[i] = slope[i] if row[i] == ONE else ZERO
    else:
        for i in range(out.size):
            out[i] = slope[i]


@_sums
def entropy_forward(logits, target, counts, weight, images, pixels, start, stop, modes, sums):
    """Add the cross-entropy over pixels start to stop of some images to sums[0].

    To sums[1] goes what the mean divides by: each pixel that counts, or the weight of its label.
    """
    _, _, labels, hides, ignores, ignored = modes
    raw = (False, False, labels, hides, ignores, ignored)
    classes = weight.size
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row, total = np.empty(size, np.float32), np.empty(size, np.float32)
    for image in range(images[0], images[1]):
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            row[:] = ONE
            _read(logits, target, counts, image, tile, pixels, raw, x, y, row, n)
            if not labels:
                kept = ZERO
                for i in range(n):
                    kept += row[i] if hides else ONE
                sums[1] += kept
            _log_sum(x, row, total, n)
            for c in range(classes):
                logit, share = x[c], y[c]
                entropy, count = ZERO, ZERO
                for i in range(n):
                    count += share[i]
                    term = share[i] * _entropy(row[i], logit[i], total[i])
                    entropy += term if share[i] != ZERO else ZERO  # also where a logit is -inf
                sums[0] += weight[c] * entropy
                if labels:
                    sums[1] += weight[c] * count


@_exact
def _entropy(top, logit, log_total):
    """Return minus the logarithm of a probability: first the difference of what may be large."""
    return (top - logit) + log_total


@_sums
def _log_sum(x, row, total, n):
    """Put the largest x of the classes into row, the log of the sum of exp(x - row) into total."""
    for i in range(n):
        row[i] = x[0, i]
        total[i] = ZERO
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] = own[i] if own[i] > row[i] else row[i]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            total[i] += _exp(own[i] - row[i])
    for i in range(n):
        total[i] = np.float32(math.log(total[i]))


@_sums
def entropy_backward(
    scale, logits, target, counts, weight, images, pixels, start, stop, modes, out
):
    """Write scale times the gradient of the logits: with t = w y, it is x sum(t) - t."""
    classes = weight.size
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row, mass = np.empty(size, np.float32), np.empty(size, np.float32)
    for image in range(images[0], images[1]):
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            _read(logits, target, counts, image, tile, pixels, modes, x, y, row, n)
            for i in range(n):
                mass[i] = ZERO
            for c in range(classes):
                share, factor = y[c], scale * weight[c]
                for i in range(n):
                    share[i] *= factor
                    mass[i] += share[i]
            for c in range(classes):
                prob, share = x[c], y[c]
                there = (image * classes + c) * pixels + tile
                own = out[there : there + n]
                for i in range(n):
                    own[i] = prob[i] * mass[i] - share[i]
