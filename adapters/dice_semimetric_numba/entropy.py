# mypy: ignore-errors
"""The cross-entropy of a tile of logits, which become the probabilities on the way.

With t = w y, it is the sum of t (log sum(exp(z)) - z) over the classes for a softmax. For a sigmoid
it is that of each class by itself: t log(1 + exp(-z)) + (1 - y) log(1 + exp(z)).
"""

import numpy as np

from .activations import largest_of, scale_by, sigmoid, softmax_of_pair
from .arithmetic import exp, log, log1p
from .compiling import sums
from .tiles import PRED, TARGET, room_for, row_of
from .vectors import wide


@sums
def add_entropy(table, kept, at, how, x, y, z, keep, unit, weight, rows, entropy):
    """Write the probabilities of logits to x and add their cross-entropy to entropy[0].

    ``how`` says whether of a softmax, of labels, and whether y and z have been read. To entropy[1]
    goes what the mean divides by: the weight of each label, or 1 for each pixel that counts; for a
    sigmoid 1 for each entry. ``keep`` is read for soft labels and a sigmoid only.
    """
    softmax, labels, has_y, has_z = how
    n = at[2]
    if softmax and x.shape[0] != 2:
        _add_categorical(table, kept, at, how, x, y, z, unit, weight, rows, entropy)
    elif softmax:
        one = row_of(table, kept, PRED, at, 0, has_z, z)
        other = row_of(table, kept, PRED, at, 1, has_z, z)
        first = row_of(table, kept, TARGET, at, 0, has_y, y)
        second = row_of(table, kept, TARGET, at, 1, has_y, y)
        _add_two(one, other, first, second, labels, unit, weight, x[0], x[1], entropy)
    else:
        for c in range(x.shape[0]):
            some = keep[c if keep.shape[0] > 1 else 0]
            logits = row_of(table, kept, PRED, at, c, has_z, z)
            target = row_of(table, kept, TARGET, at, c, has_y, y)
            _add_binary(logits, target, some, unit, weight[c], x[c], entropy)
    if softmax and not labels:
        entropy[1] += _count(keep, n, unit)


@sums
def _add_categorical(table, kept, at, how, x, y, z, unit, weight, rows, entropy):
    _, labels, has_y, has_z = how
    n = at[2]
    largest, total, mass = rows[0], rows[1], rows[2]
    largest[:n] = -np.inf
    total[:n] = 0
    mass[:n] = 0
    for c in range(x.shape[0]):
        largest_of(row_of(table, kept, PRED, at, c, has_z, z), n, largest)
    for c in range(x.shape[0]):  # those that were cast stand in z
        if has_z:
            logits = z[c, :n]
        else:
            logits = room_for(table, kept, PRED, at[0], c, at[1], n, z[c])
        target = row_of(table, kept, TARGET, at, c, has_y, y)
        row = x[c], largest, total, mass
        below, count = _add_class(logits, target, unit, weight[c], row)
        entropy[0] += weight[c] * below
        if labels:
            entropy[1] += weight[c] * count
    entropy[0] += _add_logarithms(mass, total, n, unit)
    for c in range(x.shape[0]):
        scale_by(x[c], n, total)


@sums
def _add_class(logits, share, unit, weight, rows):
    """Write the exponentials of a class; return its sums of y (largest z - z) and of y."""
    wide()
    zero = unit[0]
    out, largest, total, mass = rows
    below, count = zero, zero
    for i in range(logits.size):
        less, y = logits[i] - largest[i], share[i]
        term = y * less
        below -= term if y != zero else zero  # also where a logit is -inf
        count += y
        mass[i] += weight * y
        value = exp(less)
        out[i] = value
        total[i] += value
    return below, count


@sums
def _add_logarithms(mass, total, n, unit):
    """Return the sum of mass log(total), and invert the totals."""
    wide()
    one, logs = unit[1], unit[0]
    for i in range(n):
        logs += mass[i] * log(total[i])
        total[i] = one / total[i]
    return logs


@sums
def _add_two(x, other, y, beside, labels, unit, weight, share, rest, entropy):
    """The same of two classes, of which one exponential and one logarithm give both."""
    wide()
    zero = unit[0]
    below, above, count, number, logs = zero, zero, zero, zero, zero
    for i in range(x.size):
        share[i], rest[i], less, small = softmax_of_pair(x[i], other[i], unit)
        b, d = y[i], beside[i]
        term, further = b * less, d * less
        below -= term if (less < zero) & (b != zero) else zero  # also where a logit is -inf
        above += further if (less > zero) & (d != zero) else zero
        count += b
        number += d
        logs += (weight[0] * b + weight[1] * d) * log1p(small)
    entropy[0] += weight[0] * below + weight[1] * above + logs
    if labels:
        entropy[1] += weight[0] * count + weight[1] * number


@sums
def _add_binary(logits, y, keep, unit, weight, out, entropy):
    wide()
    zero, one = unit[0], unit[1]
    terms, count = zero, zero
    for i in range(logits.size):
        z = logits[i]
        out[i], _, small = sigmoid(z, unit)
        rest = log1p(small)
        negative = rest + (z if z > zero else zero)
        term = weight * y[i] * (rest - (z if z < zero else zero)) + (one - y[i]) * negative
        terms += term if keep[i] != zero else zero
        count += one if keep[i] != zero else zero
    entropy[0] += terms
    entropy[1] += count


@sums
def _count(keep, n, unit):
    """Return how many pixels have a class that counts."""
    zero, one = unit[0], unit[1]
    count = zero
    for i in range(n):
        some = zero
        for k in range(keep.shape[0]):
            some = one if keep[k, i] != zero else some
        count += some
    return count
