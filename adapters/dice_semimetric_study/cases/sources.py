"""Where the voxels of a map come from: a file, one of its channels, or the mean of folds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError, counted
from ..files.geometry import Geometry, without_ones
from .values import NEAR_PROBABILITY


@dataclass(frozen=True)
class Source:
    """One volume: a file, or one of its channels; ``names`` are for what is wrong with it.

    Those of several ``folds`` are averaged.
    """

    path: Path
    names: str
    channel: int = 0
    channels: int = 1
    scale: float | None = None
    folds: tuple[Path, ...] = ()

    @property
    def each(self) -> list["Source"]:
        """The volume of each fold by itself."""
        others = (replace(self, path=p, names=both(p), folds=()) for p in self.folds)
        return [replace(self, folds=()), *others]

    def joined(self, folds: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """Return the voxels of the one file, or the mean of those of each fold."""
        return _mean(folds) if self.folds else next(iter(folds))

    def scaled(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return voxels divided by the number that stands for 1, where one is given."""
        return data if self.scale is None else np.asarray(np.divide(data, self.scale), np.float32)


def both(path: Path) -> str:
    """Return what a prediction is compared with, for what is wrong with it."""
    return f"the reference and the prediction {path.name}"


def spatial(source: Source, geometry: Geometry) -> Geometry:
    """Return the geometry without the axis of channels, behind which there may be axes of one."""
    if source.channels == 1:
        return geometry
    if geometry.shape[-1] != source.channels:
        channels = counted(geometry.shape[-1], "channel")
        raise CaseError(f"{source.path.name} has {channels}, and that of another fold differs")
    return Geometry(without_ones(geometry.shape[:-1]), geometry.affine)


def _mean(folds: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Return the mean of the probabilities of several folds.

    What is no probability in one of them stays as it is, to be refused where it counts.
    """
    total: Any = np.float32(0)
    odd: Any = np.nan
    count = 0
    for fold in folds:
        total, count = total + fold, count + 1
        wrong = ~((fold >= -NEAR_PROBABILITY) & (fold <= 1 + NEAR_PROBABILITY))
        odd = np.where(wrong, fold, odd) if wrong.any() else odd
    return np.asarray(np.where(np.isnan(odd), total / count, odd), np.float32)
