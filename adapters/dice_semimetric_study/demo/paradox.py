"""The paper's point, exactly: on a soft label, the soft Dice loss is not smallest at the label."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import dml1, dml2, sdl


@dataclass(frozen=True)
class Paradox:
    """What the losses make of a soft label y.

    Attributes
    ----------
    threshold : float
        The best hard mask for SDL is where y is at least this.
    sdl_hard : float
        SDL of that mask: the smallest of all masks.
    sdl_self : float
        SDL of y itself, which is larger unless y is hard.
    dml1_self, dml2_self : float
        DML1 and DML2 of y itself: 0.
    """

    threshold: float
    sdl_hard: float
    sdl_self: float
    dml1_self: float
    dml2_self: float

    @property
    def holds(self) -> bool:
        """Whether SDL prefers some hard mask to the label, and neither DML does."""
        return self.sdl_hard < self.sdl_self and self.dml1_self == 0 == self.dml2_self


def best_threshold(label: NDArray[Any]) -> float:
    """Return the t for which the mask y >= t has the lowest SDL of all masks.

    For a mask of k pixels, SDL is 1 - 2 S / (k + sum y), S being the sum of y inside it. For a
    given k, S is largest for the k largest values. Among pixels of one value v, adding j of them
    gives 1 - 2 (S + j v) / (k + j + sum y), which is monotone in j: none or all of them is best.
    So the best mask is y >= t for one of the distinct values t of y. And since SDL is a quotient
    of two functions that are linear in x, its minimum over the whole cube [0, 1]^p lies at a
    corner: no soft prediction does better than this mask either.

    Parameters
    ----------
    label : NDArray
        A soft label y in [0, 1], of any shape.

    Returns
    -------
    float
        The best threshold, the highest one where several are equal; inf, for the empty mask, where
        the label is 0 everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> best_threshold(np.array([0.25, 0.5, 0.75, 1.0]))
    0.5
    """
    values, counts = np.unique(label, return_counts=True)
    values, counts = values[::-1].astype(np.float64), counts[::-1]
    if not values.size or values[0] == 0:
        return math.inf
    inside = np.cumsum(values * counts)
    loss = 1 - 2 * inside / (np.cumsum(counts) + inside[-1])
    return float(values[np.argmin(loss)])


def soft_dice_paradox(label: NDArray[Any]) -> Paradox:
    """Compare a soft label with the best hard mask, as predictions of that label.

    Parameters
    ----------
    label : NDArray
        A soft label y in [0, 1], of any shape.

    Returns
    -------
    Paradox
        The losses.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 2.

    Examples
    --------
    >>> import numpy as np
    >>> p = soft_dice_paradox(np.array([0.25, 0.5, 0.75, 1.0]))
    >>> round(p.sdl_hard, 3), round(p.sdl_self, 3), p.dml1_self
    (0.182, 0.25, 0.0)
    """
    threshold = best_threshold(label)
    mask = (label >= threshold).astype(label.dtype)
    return Paradox(
        threshold,
        sdl_hard=float(sdl(mask, label)),
        sdl_self=float(sdl(label, label)),
        dml1_self=float(dml1(label, label)),
        dml2_self=float(dml2(label, label)),
    )
