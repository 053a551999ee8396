"""What is foreground: marks, a soft label, or one of the structures of label maps."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .blocks import Block, Reading, read_blocks
from .pairing import Pair, Rated
from .regions import Class
from .values import is_any_of, is_binary, probability, require_labels, to_mask, whole

Marks = list[NDArray[np.bool_]]
Predicted = NDArray[Any] | dict[Class, NDArray[np.float32]]
_ONE_CHANNEL = (
    '; if it is the probability of one structure, give --regions with channels = ["NAME"], '
    "the name of that structure"
)


class Voxels:
    """Some voxels of a case, checked; raises CaseError if a map holds what it must not."""

    def __init__(self, case: Rated, block: Block, reading: Reading) -> None:
        self.case, self.block, self.reading = case, block, reading
        self.kept: NDArray[np.bool_] | None = None
        if case.mask is not None and block.mask is not None:
            expected = "a map of whole numbers, nonzero where voxels count"
            self.kept = require_labels(block.mask, f"the mask {case.mask.name}", expected) != 0
        if reading.ignored and block.reference:
            ignored = np.any([is_any_of(r, reading.ignored) for r in block.reference], axis=0)
            self.kept = ~ignored if self.kept is None else self.kept & ~ignored
        self._names = [case.name_of(p) for p in case.reference.maps]

    def reference(self, region: str) -> Marks | NDArray[np.float32]:
        """Return what a region is compared with: raters' marks, or a soft label."""
        if self.case.reference.masks:
            return self.marks(region)
        (reference,) = self._maps
        if self.reading.has_labels:
            return is_any_of(reference, self.reading.labels_of(region)).astype(np.float32)
        return probability(reference, self._names[0])

    def marks(self, region: str) -> Marks:
        """Return what each rater marks of a region."""
        if self.reading.has_labels:
            return [is_any_of(m, self.reading.labels_of(region)) for m in self._maps]
        return [to_mask(data, name) for data, name in zip(self._maps, self._names, strict=True)]

    def labels(self) -> list[NDArray[Any]]:
        """Return the raters' label maps, 0 where voxels do not count."""
        named = zip(self._maps, self._names, strict=True)
        return [require_labels(data, name, "a map of labels") for data, name in named]

    @property
    def are_masks(self) -> bool:
        """Whether the raters' maps are masks; those with fractions too, which `marks` refuses."""
        maps = self._maps
        return all(is_binary(m) for m in maps) or any(whole(m) is None for m in maps)

    def prediction(self, region: str) -> NDArray[np.float32]:
        """Return the probability of a region, the mean over samples where there are several."""
        return mean_of(self.samples(region))

    def samples(self, region: str) -> list[NDArray[np.float32]]:
        """Return the probability of a region in each sample of the prediction."""
        named = zip(self._predicted, self._prediction_names, strict=True)
        return [self._probability(region, predicted, name) for predicted, name in named]

    def _probability(self, region: str, predicted: Predicted, name: str) -> NDArray[np.float32]:
        regions = self.reading.regions
        if isinstance(predicted, dict):
            if regions is None:
                (found,) = predicted.values()  # the channel of the label
                return found
            return regions.probability(region, predicted, name)
        if self.reading.has_labels:
            return is_any_of(predicted, self.reading.labels_of(region)).astype(np.float32)
        return probability(predicted, name)

    @cached_property
    def _maps(self) -> list[NDArray[Any]]:
        """The references, 0 where voxels do not count; integers where labels are compared."""
        maps = [self._counted(r) for r in self.block.reference]
        if not self.reading.has_labels:
            return maps
        return [
            require_labels(data, name, f"a map of labels {self.reading.why_labels}")
            for data, name in zip(maps, self._names, strict=True)
        ]

    @cached_property
    def _predicted(self) -> list[Predicted]:
        """The samples of the prediction, or of each class, as `_maps` has the references."""
        named = zip(self.block.predictions, self._prediction_names, strict=True)
        return [self._checked(predicted, name) for predicted, name in named]

    def _checked(self, predicted: NDArray[Any] | dict[Class, NDArray[Any]], name: str) -> Predicted:
        if isinstance(predicted, dict):
            return self._classes(predicted, name)
        found = self._counted(predicted)
        if not self.reading.has_labels:
            return found
        channels = " or have an axis of channels"
        expected = channels if self.reading.regions else f" {self.reading.why_labels}"
        return require_labels(found, name, f"a map of labels{expected}", _ONE_CHANNEL)

    def _classes(
        self, predicted: dict[Class, NDArray[Any]], name: str
    ) -> dict[Class, NDArray[np.float32]]:
        assert isinstance(self.case, Pair)
        files = [self.case.name_of(path) for path in self.case.prediction.masks.values()]
        names = files or [f"channel {c} of {name}" for c in predicted]
        return {
            c: probability(self._counted(p), name, part=True)
            for (c, p), name in zip(predicted.items(), names, strict=True)
        }

    def _counted(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return data with 0 where voxels do not count, so that what they hold does not matter."""
        return data if self.kept is None else np.where(self.kept, data, data.dtype.type(0))

    @property
    def _prediction_names(self) -> list[str]:
        assert isinstance(self.case, Pair)
        return [self.case.name_of(p.prediction.paths[0]) for p in self.case.samples]


def mean_of(samples: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean of several probabilities, or the one that there is."""
    if len(samples) == 1:
        return samples[0]
    return np.asarray(sum(samples) / np.float32(len(samples)), np.float32)


def voxels_of(case: Rated, reading: Reading) -> Iterator[Voxels]:
    """Yield the voxels of a case, block after block, or raise CaseError if it is faulty.

    A case of which no voxel counts is; that shows at its end.
    """
    if case.fault:
        raise CaseError(case.fault)
    return _counting(case, reading)


def _counting(case: Rated, reading: Reading) -> Iterator[Voxels]:
    counts = False
    for block in read_blocks(case, reading):
        voxels = Voxels(case, block, reading)
        counts = counts or voxels.kept is None or bool(voxels.kept.any())
        yield voxels
    if not counts:
        mask = f"the mask {case.mask.name} " if case.mask else ""
        left = f"{mask}and the labels to ignore leave none" if mask else "all labels are ignored"
        raise CaseError(f"no voxel counts: {left if reading.ignored else f'{mask}is 0 everywhere'}")
