# mypy: ignore-errors
"""The probabilities of a tile of logits."""

from .arithmetic import exp
from .compiling import sums
from .vectors import wide


@sums
def largest_of(x, n, largest):
    """Raise each entry of largest to that of a class."""
    wide()
    for i in range(n):
        largest[i] = x[i] if x[i] > largest[i] else largest[i]


@sums
def exponentials_of(x, n, largest, out, total):
    """Write exp(x - largest) of a class, and add it to total."""
    wide()
    for i in range(n):
        value = exp(x[i] - largest[i])
        out[i] = value
        total[i] += value


@sums
def invert(x, n, unit):
    wide()
    one = unit[1]
    for i in range(n):
        x[i] = one / x[i]


@sums
def scale_by(x, n, factor):
    wide()
    for i in range(n):
        x[i] *= factor[i]


@sums
def sigmoid(z, unit):
    """Return the probability of a logit, what it leaves, and exp(-|z|)."""
    small = exp(-abs(z))
    most = unit[1] / (unit[1] + small)
    least = small * most
    if z >= unit[0]:
        return most, least, small
    return least, most, small


@sums
def softmax_of_pair(z, w, unit):
    """Return the probabilities of two logits, of which one exponential gives both.

    Behind them come the difference of the logits, and exp of minus its size.
    """
    less = z - w
    largest = z if less >= unit[0] else w
    small = exp(-abs(less)) + largest * unit[0]  # NaN where that is infinite
    most = unit[1] / (unit[1] + small)
    least = small * most
    if less >= unit[0]:
        return most, least, less, small
    return least, most, less, small


@sums
def softmax_of_two(x, other, n, unit, share, rest):
    """Write the probabilities of two classes."""
    wide()
    for i in range(n):
        share[i], rest[i], _, _ = softmax_of_pair(x[i], other[i], unit)


@sums
def sigmoid_of(x, n, unit, out):
    """Write the probability of a class by itself."""
    wide()
    for i in range(n):
        out[i], _, _ = sigmoid(x[i], unit)
