# mypy: ignore-errors
"""The cross-entropy of a tile of logits, which become the probabilities on the way.

With t = w y, it is the sum of t (log sum(exp(z)) - z) over the classes for a softmax. For a sigmoid
it is that of each class by itself: t log(1 + exp(-z)) + (1 - y) log(1 + exp(z)).
"""

from .arithmetic import exp, log, log1p
from .compiling import sums
from .tiles import top


@sums
def add_entropy(x, y, keep, n, softmax, labels, unit, weight, rows, entropy):
    """Turn logits (classes, n) into probabilities and add their cross-entropy to entropy[0].

    To entropy[1] goes what the mean divides by: the weight of each label, or 1 for each pixel that
    counts; for a sigmoid 1 for each entry. ``keep`` is read for soft labels and a sigmoid only.
    """
    if not softmax:
        for c in range(x.shape[0]):
            some = keep[c if keep.shape[0] > 1 else 0]
            _add_binary(x[c, :n], y[c, :n], some, unit, weight[c], entropy)
        return
    if x.shape[0] == 2:
        _add_two(x[0, :n], x[1, :n], y[0], y[1], labels, unit, weight, entropy)
    else:
        _add_categorical(x, y, n, labels, unit, weight, rows, entropy)
    if not labels:
        entropy[1] += _count(keep, n, unit)


@sums
def _add_categorical(x, y, n, labels, unit, weight, rows, entropy):
    zero, one = unit[0], unit[1]
    largest, total, mass = rows[0], rows[1], rows[2]
    top(x, largest, n)
    for i in range(n):
        total[i], mass[i] = zero, zero
    for c in range(x.shape[0]):
        logit, share, w = x[c], y[c], weight[c]
        below, count = zero, zero
        for i in range(n):
            less = logit[i] - largest[i]
            term = share[i] * less
            below -= term if share[i] != zero else zero  # also where a logit is -inf
            count += share[i]
            mass[i] += w * share[i]
            logit[i] = exp(less)
            total[i] += logit[i]
        entropy[0] += w * below
        if labels:
            entropy[1] += w * count
    logs = zero
    for i in range(n):
        logs += mass[i] * log(total[i])
        total[i] = one / total[i]
    entropy[0] += logs
    for c in range(x.shape[0]):
        prob = x[c]
        for i in range(n):
            prob[i] *= total[i]


@sums
def _add_two(x, other, y, beside, labels, unit, weight, entropy):
    """The same of two classes, of which one exponential and one logarithm give both."""
    zero, one = unit[0], unit[1]
    below, above, count, rest, logs = zero, zero, zero, zero, zero
    for i in range(x.size):
        less = x[i] - other[i]
        largest = x[i] if less >= zero else other[i]
        small = exp(-abs(less)) + largest * zero  # NaN where that is infinite
        share = one / (one + small)
        x[i] = share if less >= zero else small * share
        other[i] = small * share if less >= zero else share
        b, d = y[i], beside[i]
        term, further = b * less, d * less
        below -= term if (less < zero) & (b != zero) else zero  # also where a logit is -inf
        above += further if (less > zero) & (d != zero) else zero
        count += b
        rest += d
        logs += (weight[0] * b + weight[1] * d) * log1p(small)
    entropy[0] += weight[0] * below + weight[1] * above + logs
    if labels:
        entropy[1] += weight[0] * count + weight[1] * rest


@sums
def _add_binary(x, y, keep, unit, weight, entropy):
    zero, one = unit[0], unit[1]
    terms, count = zero, zero
    for i in range(x.size):
        z = x[i]
        small = exp(-abs(z))
        rest = log1p(small)
        share = one / (one + small)
        x[i] = share if z >= zero else small * share
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
