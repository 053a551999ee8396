# mypy: ignore-errors
"""The gradient of the four sums of `Overlap` and of the cross-entropy, in one pass.

With x the probabilities of the logits z, y the target and g the gradient that arrives at each sum,
the gradient of x is

    G = g_pred + g_difference sign(x - y) + g_product y

and that of z is G itself, x (1 - x) G for a sigmoid, and x (G - sum over classes of x G) for a
softmax. The backward pass computes the probabilities again.

The cross-entropy of the same logits goes along in both passes; see `entropy`. It has a weight w of
each class, already times the gradient that arrives at its sum in the backward pass. There it adds
x sum(w y) - w y to the gradient of z under a softmax and x (1 - y) s - w y (1 - x) for a sigmoid,
with s the w of y = 0.
"""

import numpy as np

from .arithmetic import exp
from .compiling import sums
from .tiles import (
    OF_PRED,
    OF_TARGET,
    PRED,
    TARGET,
    class_of,
    hide,
    hide_pixels,
    read_tile,
    room_for,
    store,
    tile_size,
)


@sums
def backward(table, kept, per_class, place, how, unit, slopes, weight):
    """Write the gradients of the same rows and pixels from those of the sums (rows, 4, classes).

    ``weight`` is that of each class in the cross-entropy and, last, that of y = 0 for a sigmoid.
    """
    first, last, start, stop = place
    classes = slopes.shape[2]
    size = tile_size(classes)
    x, y = np.empty((classes, size), unit.dtype), np.empty((classes, size), unit.dtype)
    keep = np.empty((classes if per_class else 1, size), unit.dtype)
    mean, label = np.empty(size, unit.dtype), np.empty(size, np.int32)
    scratch = np.empty(size, unit.dtype)
    softmax, sigmoid, labels, masked, ignores, _ = how
    hidden = masked or ignores
    direct = sigmoid and not (labels or hidden) and table[OF_TARGET, 0] == 0
    for row in range(first, last):
        part = slopes[row]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            at = row, tile, n
            if direct:
                _write_logits(table, kept, at, part, x, y, unit, weight, scratch)
                continue
            read_tile(table, kept, row, tile, n, how, unit, x, y, keep, label)
            if hidden:
                hide(y, keep, n)
            if hidden and softmax:
                hide_pixels(x, keep, n)
            elif hidden:
                hide(x, keep, n)
            if table[OF_TARGET, 0] != 0:
                _write_target(table, kept, at, part, x, y, hidden, keep, unit, scratch)
            if table[OF_PRED, 0] == 0:
                continue
            if softmax and classes == 2 and not per_class:
                _write_two(table, kept, at, part, x, y, unit, weight, mean, scratch)
            else:
                _write_pred(table, kept, at, how, part, x, y, keep, unit, weight, mean, scratch)


@sums
def _write_logits(table, kept, at, part, x, y, unit, weight, scratch):
    """Write the gradient of logits of a sigmoid, from where they and the target lie."""
    row, tile, n = at
    classes = x.shape[0]
    for c in range(classes):
        one = class_of(table, kept, PRED, row, c, tile, n, x[c])
        other = class_of(table, kept, TARGET, row, c, tile, n, y[c])
        out = room_for(table, kept, OF_PRED, row, c, tile, n, scratch)
        _slopes_of_logits(part[:, c], one, other, unit, weight[c], weight[classes], out)
        store(table, kept, OF_PRED, row, c, tile, out, scratch)


@sums
def _write_target(table, kept, at, part, x, y, hidden, keep, unit, scratch):
    row, tile, n = at
    for c in range(x.shape[0]):
        out = room_for(table, kept, OF_TARGET, row, c, tile, n, scratch)
        _slopes(part[:, c], 1, y[c, :n], x[c, :n], unit, out)
        if hidden:
            _hide_row(out, keep[c if keep.shape[0] > 1 else 0])
        store(table, kept, OF_TARGET, row, c, tile, out, scratch)


@sums
def _write_two(table, kept, at, part, x, y, unit, weight, mean, scratch):
    """Write the gradient of two classes under a softmax; ``mean`` is for work."""
    row, tile, n = at
    out = room_for(table, kept, OF_PRED, row, 0, tile, n, scratch)
    rest = room_for(table, kept, OF_PRED, row, 1, tile, n, mean)
    _slopes_of_two(part, x, y, unit, weight, out, rest)
    store(table, kept, OF_PRED, row, 0, tile, out, scratch)
    store(table, kept, OF_PRED, row, 1, tile, rest, mean)


@sums
def _write_pred(table, kept, at, how, part, x, y, keep, unit, weight, mean, scratch):
    row, tile, n = at
    classes, per_class, softmax = x.shape[0], keep.shape[0] > 1, how[0]
    if softmax:
        _means(part, x, y, keep, n, unit, weight, mean)
    for c in range(classes):
        out = room_for(table, kept, OF_PRED, row, c, tile, n, scratch)
        if softmax and not per_class:
            _slopes_of_softmax(part[:, c], x[c], y[c], mean, unit, weight[c], out)
        else:
            some = keep[c if per_class else 0]
            _slopes(part[:, c], 0, x[c, :n], y[c, :n], unit, out)
            _through(how, x[c], y[c], some, mean, unit, weight[c], weight[classes], out)
        store(table, kept, OF_PRED, row, c, tile, out, scratch)


@sums
def _through(how, x, y, keep, mean, unit, weight, other, out):
    """Turn the gradient of a class's probabilities into that of its logits."""
    softmax, sigmoid, _, masked, ignores, _ = how
    one = unit[1]
    if sigmoid:  # x is 0 where nothing counts
        for i in range(out.size):
            rest = one - x[i]
            out[i] = x[i] * (rest * out[i] + other * (one - y[i])) - weight * y[i] * rest
        return
    if masked or ignores:
        _hide_row(out, keep)
    if softmax:
        for i in range(out.size):
            out[i] = x[i] * (out[i] - mean[i]) - weight * y[i]


@sums
def _slopes(part, own, one, other, unit, out):
    """Write the gradient of one input beside the other; part[own] is that of its sum."""
    zero, step = unit[0], unit[1]
    of_own, of_difference, of_product = part[own], part[2], part[3]
    for i in range(out.size):
        a, b = one[i], other[i]
        sign = (step if a > b else zero) - (step if a < b else zero)
        out[i] = of_own + of_difference * sign + of_product * b


@sums
def _slopes_of_softmax(part, x, y, mean, unit, weight, out):
    """Write the gradient of a class's logits; see `_through`."""
    zero, one = unit[0], unit[1]
    of_own, of_difference, of_product = part[0], part[2], part[3]
    for i in range(out.size):
        a, b = x[i], y[i]
        sign = (one if a > b else zero) - (one if a < b else zero)
        slope = of_own + of_difference * sign + of_product * b
        out[i] = a * (slope - mean[i]) - weight * b


@sums
def _slopes_of_two(part, x, y, unit, weight, out, rest):
    """Write the gradient of the logits of two classes, of which one is minus the other."""
    zero, one = unit[0], unit[1]
    own, difference, product = part[0, 0], part[2, 0], part[3, 0]
    other, beside, along = part[0, 1], part[2, 1], part[3, 1]
    first, second = x[0], x[1]
    for i in range(out.size):
        a, b, c, d = first[i], y[0, i], second[i], y[1, i]
        sign = (one if a > b else zero) - (one if a < b else zero)
        slope = own + difference * sign + product * b
        sign = (one if c > d else zero) - (one if c < d else zero)
        less = slope - (other + beside * sign + along * d)
        found = a * (c * less + weight[1] * d) - c * (weight[0] * b)
        out[i] = found
        rest[i] = -found


@sums
def _slopes_of_logits(part, z, y, unit, weight, other, out):
    """Write the gradient of logits of a sigmoid beside a row; see `_through`."""
    zero, one = unit[0], unit[1]
    of_own, of_difference, of_product = part[0], part[2], part[3]
    for i in range(out.size):
        small = exp(-abs(z[i]))
        share = one / (one + small)
        less = small * share
        a, rest, b = share if z[i] >= zero else less, less if z[i] >= zero else share, y[i]
        sign = (one if a > b else zero) - (one if a < b else zero)
        slope = of_own + of_difference * sign + of_product * b
        out[i] = a * (rest * slope + other * (one - b)) - weight * b * rest


@sums
def _hide_row(values, keep):
    for i in range(values.size):
        values[i] = values[i] if keep[i] != 0 else 0


@sums
def _means(part, x, y, keep, n, unit, weight, mean):
    """Put what each pixel's classes share, the sum of x G less that of w y, into mean."""
    zero, step = unit[0], unit[1]
    per_class = keep.shape[0] > 1
    for i in range(n):
        mean[i] = zero
    for c in range(x.shape[0]):
        of_pred, of_difference, of_product, w = part[0, c], part[2, c], part[3, c], weight[c]
        one, other = x[c], y[c]
        for i in range(n):
            a, b = one[i], other[i]
            sign = (step if a > b else zero) - (step if a < b else zero)
            term = a * (of_pred + of_difference * sign + of_product * b)
            if per_class:
                term = term if keep[c, i] != 0 else zero
            mean[i] += term - w * b
