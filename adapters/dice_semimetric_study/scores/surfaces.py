"""Distances of surfaces, all of them computed by the package surface-distance.

It is the one that defined the normalized surface distance. A surface lies between the pixels of a
mask and the others, also at the border of the image, and its parts count by their area in square
millimetres, or length in a plane.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._lib.extras import install

from ..faults import UsageError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Surface:
    """How far two surfaces lie apart.

    Attributes
    ----------
    nsd : float
        The share of both surfaces that lies within the tolerance of the other one.
    hd95, assd : float
        In millimetres.
    """

    nsd: float
    hd95: float
    assd: float


def require_surfaces() -> None:
    """Raise UsageError if the package for distances is not there."""
    if find_spec("surface_distance") is None:
        raise UsageError(f"--surface needs the package surface-distance: {install('surface')}")


def within(tolerance: float | Mapping[str, float]) -> str:
    """Return a tolerance, or the range of those of the tasks, as a few words."""
    each = tolerance.values() if isinstance(tolerance, Mapping) else [tolerance]
    ends = dict.fromkeys(f"{mm:.3g}" for mm in sorted(each))
    return f"NSD within {' to '.join([*ends][:1] + [*ends][1:][-1:])} mm" if ends else "no NSD"


def surface_of(
    pred: Mask, hard: Mask, spacing: Sequence[float], tolerance: float, empty: float
) -> Surface:
    """Return the distances of two masks of two or three axes.

    Where one of them alone is empty, its surface counts as far as the image is long: the worst
    distance that two pixels can have. ``empty`` is the score of two empty masks, NaN for none.
    """
    if not (pred.any() or hard.any()):
        distance = math.nan if math.isnan(empty) else 0.0
        return Surface(empty, distance, distance)
    if not (pred.any() and hard.any()):
        return farthest(pred.shape, spacing)
    import surface_distance as package

    found = package.compute_surface_distances(hard, pred, spacing)
    nsd = package.compute_surface_dice_at_tolerance(found, tolerance)
    return Surface(
        math.nan if math.isnan(tolerance) else float(nsd),
        float(package.compute_robust_hausdorff(found, 95)),
        _symmetric(found),
    )


def farthest(shape: Sequence[int], spacing: Sequence[float]) -> Surface:
    """Return the worst distances in an image: the length of its diagonal."""
    diagonal = math.hypot(*(n * mm for n, mm in zip(shape, spacing, strict=True)))
    return Surface(0.0, diagonal, diagonal)


def spread_of(marks: Sequence[Mask], spacing: Sequence[float]) -> float:
    """Return the mean over pairs of masks of their ASSD; empty masks have none."""
    import surface_distance as package

    some = [mask for mask in marks if mask.any()]
    pairs = combinations(some, 2)
    found = [_symmetric(package.compute_surface_distances(*pair, spacing)) for pair in pairs]
    return float(np.mean(found)) if found else math.nan


def _symmetric(distances: Any) -> float:
    """Return the mean of the average distances in both directions."""
    import surface_distance as package

    return float(np.mean(package.compute_average_surface_distance(distances)))
