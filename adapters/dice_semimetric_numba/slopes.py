# mypy: ignore-errors
"""The gradients of the entries of a tile; see `gradient`."""

from .activations import sigmoid, softmax_of_pair
from .compiling import sums
from .vectors import wide


@sums
def through(how, x, y, keep, mean, unit, weight, other, out):
    """Turn the gradient of a class's probabilities into that of its logits."""
    wide()
    softmax, sigmoid, _, masked, ignores, _ = how
    one = unit[1]
    if sigmoid:  # x is 0 where nothing counts
        for i in range(out.size):
            rest = one - x[i]
            out[i] = x[i] * (rest * out[i] + other * (one - y[i])) - weight * y[i] * rest
        return
    if masked or ignores:
        hide_row(out, keep)
    if softmax:
        for i in range(out.size):
            out[i] = x[i] * (out[i] - mean[i]) - weight * y[i]


@sums
def slopes_of_sums(part, own, one, other, unit, out):
    """Write the gradient of one input beside the other; part[own] is that of its sum."""
    wide()
    zero, step = unit[0], unit[1]
    of_own, of_difference, of_product = part[own], part[2], part[3]
    for i in range(out.size):
        a, b = one[i], other[i]
        sign = (step if a > b else zero) - (step if a < b else zero)
        out[i] = of_own + of_difference * sign + of_product * b


@sums
def add_to_mean(part, x, scale, y, unit, weight, mean):
    """Turn exponentials into probabilities, and add what the class gives to the mean.

    See `means`.
    """
    wide()
    of_own, of_difference, of_product = part[0], part[2], part[3]
    for i in range(y.size):
        a, b = x[i] * scale[i], y[i]
        x[i] = a
        slope = of_own + of_product * b
        slope = slope + of_difference if a > b else slope
        slope = slope - of_difference if a < b else slope
        mean[i] += a * slope - weight * b


@sums
def slopes_of_softmax(part, x, y, mean, unit, weight, out):
    """Write the gradient of a class's logits; see `through`."""
    wide()
    of_own, of_difference, of_product = part[0], part[2], part[3]
    for i in range(out.size):
        a, b = x[i], y[i]
        slope = of_own + of_product * b
        slope = slope + of_difference if a > b else slope
        slope = slope - of_difference if a < b else slope
        out[i] = a * (slope - mean[i]) - weight * b


@sums
def slopes_of_two(part, z, w, y, v, unit, weight, out, rest):
    """Write the gradient of the logits of two classes, of which one is minus the other."""
    wide()
    zero, one = unit[0], unit[1]
    own, difference, product = part[0, 0], part[2, 0], part[3, 0]
    other, beside, along = part[0, 1], part[2, 1], part[3, 1]
    for i in range(out.size):
        a, c, _, _ = softmax_of_pair(z[i], w[i], unit)
        b, d = y[i], v[i]
        sign = (one if a > b else zero) - (one if a < b else zero)
        slope = own + difference * sign + product * b
        sign = (one if c > d else zero) - (one if c < d else zero)
        less = slope - (other + beside * sign + along * d)
        found = a * (c * less + weight[1] * d) - c * (weight[0] * b)
        out[i] = found
        rest[i] = -found


@sums
def slopes_of_logits(part, z, y, unit, weight, other, out):
    """Write the gradient of logits of a sigmoid beside a row; see `through`."""
    wide()
    zero, one = unit[0], unit[1]
    of_own, of_difference, of_product = part[0], part[2], part[3]
    for i in range(out.size):
        a, rest, _ = sigmoid(z[i], unit)
        b = y[i]
        sign = (one if a > b else zero) - (one if a < b else zero)
        slope = of_own + of_difference * sign + of_product * b
        out[i] = a * (rest * slope + other * (one - b)) - weight * b * rest


@sums
def hide_row(values, keep):
    for i in range(values.size):
        values[i] = values[i] if keep[i] != 0 else 0


@sums
def means(part, x, y, keep, n, unit, weight, mean):
    """Put what each pixel's classes share, the sum of x G less that of w y, into mean."""
    wide()
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
