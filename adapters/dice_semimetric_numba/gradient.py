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

from .compiling import sums
from .slopes import (
    add_to_mean,
    hide_row,
    means,
    slopes_of_logits,
    slopes_of_softmax,
    slopes_of_sums,
    slopes_of_two,
    through,
)
from .tiles import (
    OF_PRED,
    OF_TARGET,
    PRED,
    TARGET,
    hide,
    hide_pixels,
    read_exponentials,
    read_label_tile,
    read_tile,
    room_for,
    row_of,
    store,
    tile_of,
    tile_size,
)
from .together import lie_together, read_together, write_together


@sums
def backward(table, kept, per_class, place, how, unit, slopes, weight):
    """Write the gradients of the same rows and pixels from those of the sums (rows, 4, classes).

    ``weight`` is that of each class in the cross-entropy and, last, that of y = 0 for a sigmoid.
    """
    first, last, start, stop = place
    classes = slopes.shape[2]
    size = tile_size(classes)
    masks, spare = classes if per_class else 1, min(classes, 4)  # more are not written together
    tiles = tile_of(2 * classes + spare + masks + 3, size, unit)
    x, y, rest = tiles[:classes], tiles[classes : 2 * classes], tiles[2 * classes :]
    z, keep, rows = rest[:spare], rest[spare : spare + masks], rest[spare + masks :]
    label = np.empty(size, np.int32)
    mean, scratch = rows[0], rows[2]
    softmax, _, labels, masked, ignores, ignored = how
    hidden = masked or ignores
    direct = not hidden and table[OF_TARGET, 0] == 0
    rule = (max(classes, 2), False, ignored)
    for row in range(first, last):
        part = slopes[row]
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            at = row, tile, n
            if direct:
                if softmax and classes != 2:
                    read_exponentials(table, kept, at, unit, x, y, rows)
                if labels:
                    read_label_tile(table, kept, row, tile, n, rule, y, keep, label)
                _write_direct(table, kept, at, how, part, x, y, z, unit, weight, rows)
                continue
            read_tile(table, kept, row, tile, n, how, unit, x, y, keep, rows, label)
            if hidden:
                hide(y, keep, n)
            if hidden and softmax:
                hide_pixels(x, keep, n)
            elif hidden:
                hide(x, keep, n)
            if table[OF_TARGET, 0] != 0:
                _write_target(table, kept, at, part, x, y, hidden, keep, unit, scratch)
            if table[OF_PRED, 0] != 0:
                _write_pred(table, kept, at, how, part, x, y, keep, unit, weight, mean, scratch)


@sums
def _write_direct(table, kept, at, how, part, x, y, z, unit, weight, rows):
    """Write the gradient of pred where all pixels count, from where they lie."""
    softmax, sigmoid, labels = how[:3]
    read = labels or read_together(table, kept, TARGET, at, y)
    together = lie_together(table, kept, OF_PRED, z)
    if not softmax:
        how = sigmoid, read, together
        _write_rows(table, kept, at, how, part, x, y, z, unit, weight, rows[2])
    elif x.shape[0] == 2:
        _write_two(table, kept, at, (read, together), part, x, y, z, unit, weight)
    else:
        _write_softmax(table, kept, at, (read, together), part, x, y, z, unit, weight, rows)
    if together:
        write_together(table, kept, OF_PRED, at, z)


@sums
def _write_softmax(table, kept, at, how, part, x, y, z, unit, weight, rows):
    """Write the gradient of logits of a softmax, whose exponentials are in x."""
    row, tile, n = at
    read, together = how
    mean, scale, scratch = rows[0], rows[1], rows[2]
    mean[:n] = 0
    for c in range(x.shape[0]):
        other = row_of(table, kept, TARGET, at, c, read, y)
        add_to_mean(part[:, c], x[c], scale, other, unit, weight[c], mean)
    for c in range(x.shape[0]):
        if read:
            other = y[c, :n]
        else:  # what was cast stands in y
            other = room_for(table, kept, TARGET, row, c, tile, n, y[c])
        out = _room_of(table, kept, at, c, together, z, scratch)
        slopes_of_softmax(part[:, c], x[c], other, mean, unit, weight[c], out)
        if not together:
            store(table, kept, OF_PRED, row, c, tile, out, scratch)


@sums
def _room_of(table, kept, at, c, together, z, scratch):
    """Return memory for the gradient of a class: in z if all classes are written together."""
    row, tile, n = at
    return z[c, :n] if together else room_for(table, kept, OF_PRED, row, c, tile, n, scratch)


@sums
def _write_rows(table, kept, at, how, part, x, y, z, unit, weight, scratch):
    """Write the gradient of classes by themselves: of logits of a sigmoid, or of probabilities."""
    sigmoid, has_y, together = how
    has_x = read_together(table, kept, PRED, at, x)
    for c in range(x.shape[0]):
        one = row_of(table, kept, PRED, at, c, has_x, x)
        other = row_of(table, kept, TARGET, at, c, has_y, y)
        out = _room_of(table, kept, at, c, together, z, scratch)
        if sigmoid:
            slopes_of_logits(part[:, c], one, other, unit, weight[c], weight[-1], out)
        else:
            slopes_of_sums(part[:, c], 0, one, other, unit, out)
        if not together:
            store(table, kept, OF_PRED, at[0], c, at[1], out, scratch)


@sums
def _write_two(table, kept, at, how, part, x, y, z, unit, weight):
    """Write the gradient of the logits of two classes under a softmax."""
    has_y, together = how
    has_x = read_together(table, kept, PRED, at, x)
    one = row_of(table, kept, PRED, at, 0, has_x, x)
    other = row_of(table, kept, PRED, at, 1, has_x, x)
    first = row_of(table, kept, TARGET, at, 0, has_y, y)
    second = row_of(table, kept, TARGET, at, 1, has_y, y)
    out = _room_of(table, kept, at, 0, together, z, z[0])
    rest = _room_of(table, kept, at, 1, together, z, z[1])
    slopes_of_two(part, one, other, first, second, unit, weight, out, rest)
    if not together:
        store(table, kept, OF_PRED, at[0], 0, at[1], out, z[0])
        store(table, kept, OF_PRED, at[0], 1, at[1], rest, z[1])


@sums
def _write_target(table, kept, at, part, x, y, hidden, keep, unit, scratch):
    row, tile, n = at
    for c in range(x.shape[0]):
        out = room_for(table, kept, OF_TARGET, row, c, tile, n, scratch)
        slopes_of_sums(part[:, c], 1, y[c, :n], x[c, :n], unit, out)
        if hidden:
            hide_row(out, keep[c if keep.shape[0] > 1 else 0])
        store(table, kept, OF_TARGET, row, c, tile, out, scratch)


@sums
def _write_pred(table, kept, at, how, part, x, y, keep, unit, weight, mean, scratch):
    row, tile, n = at
    classes, per_class, softmax = x.shape[0], keep.shape[0] > 1, how[0]
    if softmax:
        means(part, x, y, keep, n, unit, weight, mean)
    for c in range(classes):
        out = room_for(table, kept, OF_PRED, row, c, tile, n, scratch)
        some = keep[c if per_class else 0]
        slopes_of_sums(part[:, c], 0, x[c, :n], y[c, :n], unit, out)
        through(how, x[c], y[c], some, mean, unit, weight[c], weight[classes], out)
        store(table, kept, OF_PRED, row, c, tile, out, scratch)
