"""What is foreground: marks, a soft label, or one of the regions of label maps."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric._numpy.checks import are_probabilities

from ..faults import CaseError
from .blocks import Block, Reading, read_blocks
from .pairing import Pair, Rated
from .regions import Class, is_any_of, is_whole, require_labels

Marks = list[NDArray[np.bool_]]


class Voxels:
    """Some voxels of a case, checked; raises CaseError if a map holds what it must not."""

    def __init__(self, case: Rated, block: Block, reading: Reading) -> None:
        regions = reading.regions
        self.case, self.block, self.regions, self.label = case, block, regions, reading.label
        ignore = reading.ignore + (regions.ignore if regions else ())
        self.kept = None if block.mask is None else block.mask != 0
        if ignore and block.reference:
            ignored = np.any([is_any_of(r, ignore) for r in block.reference], axis=0)
            self.kept = ~ignored if self.kept is None else self.kept & ~ignored
        self._names = [p.name for p in case.reference.maps]
        self._classes: dict[Class, NDArray[np.float32]] = {}
        if regions is None:
            return
        for data, name in zip(block.reference, self._names, strict=True):
            require_labels(data, name)
        if isinstance(block.prediction, dict):
            self._classes = {
                c: probability(self._counted(p), self._prediction_name, None)
                for c, p in block.prediction.items()
            }
        else:
            require_labels(block.prediction, self._prediction_name)

    def reference(self, region: str) -> Marks | NDArray[np.float32]:
        """Return what a region is compared with: raters' marks, or a soft label."""
        if self.case.reference.masks:
            return self.marks(region)
        (reference,) = self.block.reference
        if self.regions is not None:
            return [is_any_of(reference, self.regions.labels[region])]
        return probability(self._counted(reference), self._names[0], self.label)

    def marks(self, region: str) -> Marks:
        """Return what each rater marks of a region."""
        if self.regions is not None:
            return [is_any_of(r, self.regions.labels[region]) for r in self.block.reference]
        named = zip(self._maps, self._names, strict=True)
        return [to_mask(data, name, self.label) for data, name in named]

    def labels(self) -> list[NDArray[Any]]:
        """Return the raters' label maps, 0 where voxels do not count."""
        return [require_labels(*both) for both in zip(self._maps, self._names, strict=True)]

    @property
    def _maps(self) -> list[NDArray[Any]]:
        return [self._counted(r) for r in self.block.reference]

    @property
    def are_masks(self) -> bool:
        """Whether the raters' maps are masks; those with fractions too, which `marks` refuses."""
        maps = self._maps
        return all(is_binary(m) for m in maps) or not all(is_whole(m) for m in maps)

    def prediction(self, region: str) -> NDArray[np.float32]:
        """Return the probability of a region."""
        predicted: Any = self.block.prediction
        if self.regions is None:
            if isinstance(predicted, dict):
                raise CaseError("the prediction has several classes: give --regions")
            return probability(self._counted(predicted), self._prediction_name, self.label)
        if self._classes:
            return self.regions.probability(region, self._classes, self._prediction_name)
        return is_any_of(predicted, self.regions.labels[region]).astype(np.float32)

    def _counted(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return data with 0 where voxels do not count, so that what they hold does not matter."""
        return data if self.kept is None else np.where(self.kept, data, data.dtype.type(0))

    @property
    def _prediction_name(self) -> str:
        assert isinstance(self.case, Pair)
        return self.case.prediction.paths[0].name


def voxels_of(case: Rated, reading: Reading) -> Iterator[Voxels]:
    """Yield the voxels of a case, block after block, or raise CaseError if it is faulty."""
    if case.fault:
        raise CaseError(case.fault)
    return (Voxels(case, block, reading) for block in read_blocks(case, reading))


def is_binary(data: NDArray[Any]) -> bool:
    """Return whether a map holds 0 and 1 only."""
    if data.dtype == np.uint8:
        return not data.size or bool(data.max() <= 1)
    return bool(np.all((data == 0) | (data == 1)))


def to_mask(data: NDArray[Any], name: str, label: int | None) -> NDArray[np.bool_]:
    """Return the foreground of a label map: where it is the label, or 1 of 0 and 1."""
    if label is not None:
        return np.asarray(data == label)
    if not is_binary(data):
        raise CaseError(
            f"{name} must hold 0 and 1 only, got values from {np.min(data)} to {np.max(data)} "
            "(see --label)"
        )
    return data.view(np.bool_) if data.dtype == np.uint8 else data.astype(bool)  # a view: no copy


def probability(data: NDArray[Any], name: str, label: int | None) -> NDArray[Any]:
    """Return a probability map as float32; a hard mask is one of 0 and 1."""
    if data.dtype.kind != "f":
        return to_mask(data, name, label).astype(np.float32)
    if not are_probabilities(data):
        low, high = (np.min(data), np.max(data)) if data.size else (0, 1)
        if not (low >= 0 and high <= 1):  # NaN if any value is
            got = "NaN" if np.isnan(low) else f"values from {low:g} to {high:g}"
            raise CaseError(f"{name} must hold probabilities from 0 to 1, got {got}")
    return data.astype(np.float32, copy=False)
