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
def softmax_of_two(x, other, n, unit, share, rest):
    """Write the probabilities of two classes, of which one exponential gives both."""
    wide()
    zero, one = unit[0], unit[1]
    for i in range(n):
        less = x[i] - other[i]
        largest = x[i] if less >= zero else other[i]
        small = exp(-abs(less)) + largest * zero  # NaN where that is infinite
        most = one / (one + small)
        least = small * most
        share[i] = most if less >= zero else least
        rest[i] = least if less >= zero else most


@sums
def sigmoid_of(x, n, unit, out):
    """Write the probability of a class by itself."""
    wide()
    zero, one = unit[0], unit[1]
    for i in range(n):
        small = exp(-abs(x[i]))
        share = one / (one + small)
        out[i] = share if x[i] >= zero else small * share
