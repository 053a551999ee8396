"""The calls of the kernels of a loss: its sums, with the cross-entropy or alone, and gradients."""

import numpy as np

from dice_semimetric._lib.seam import Pixels

from . import gradient, overlap
from .pairs import Pairs, Place, eligible
from .sums import four_sums

__all__ = ["eligible", "gradients", "pairs_of", "sums", "sums_with_entropy"]

#: Entries that a thread takes at a time: few, since an entry takes longer than in a score.
PART = 1 << 16


def pairs_of(pixels: Pixels, *results: np.ndarray | None) -> Pairs:
    """Describe pixels that are `eligible`, and memory for gradients of pred and target."""
    return Pairs.of(pixels, *results, whole=True)


def sums(pairs: Pairs, *, checked: bool = False) -> tuple[np.ndarray, bool]:
    """Return the sums (4, *kept axes), and whether an entry is no probability or no label.

    Where values are checked, those beyond 0 and 1 by rounding are read as 0 and 1.
    """
    return pairs.total(four_sums, (4,), part=PART, checked=checked)


def sums_with_entropy(pairs: Pairs, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the sums, the cross-entropy beside what its mean divides by, and as `sums` does.

    ``weight`` is that of each class. Values are read as they are.
    """
    weight = weight.astype(pairs.unit.dtype)
    operands = pairs.operands

    def partial(place: Place) -> tuple[bool, np.ndarray, np.ndarray]:
        found, entropy = np.zeros((place[1] - place[0], 4, operands.classes)), np.zeros(2)
        arguments = (*pairs.arguments(place), weight, found, entropy)
        return overlap.forward_with_entropy(*arguments), found, entropy

    total, entropy, wrong = np.zeros((operands.rows, 4, operands.classes)), np.zeros(2), False
    for (first, last, _, _), (bad, found, part) in pairs.map(partial, PART):
        total[first:last] += found
        entropy += part
        wrong |= bad
    return _opened(pairs, total), entropy, wrong


def gradients(pairs: Pairs, slopes: np.ndarray, weight: np.ndarray | None = None) -> None:
    """Write the gradients from those of the sums, (4, *kept axes), to the memory of the results.

    ``weight`` is the gradient of the cross-entropy's sum times the weight of each class and, last,
    of y = 0 for a sigmoid; None where there is no cross-entropy.
    """
    dtype, classes = pairs.unit.dtype, pairs.operands.classes
    weight = np.zeros(classes + 1, dtype) if weight is None else weight.astype(dtype)
    slopes = slopes.reshape(4, -1, classes).transpose(1, 0, 2).astype(dtype, order="C")
    pairs.map(lambda place: gradient.backward(*pairs.arguments(place), slopes, weight), PART)


def _opened(pairs: Pairs, total: np.ndarray) -> np.ndarray:
    """Return sums (rows, 4, classes) as (4, *kept axes)."""
    return total.transpose(1, 0, 2).reshape(4, *pairs.shape)
