"""What is foreground: marks, a soft label, or one of the regions of label maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from ..runs.each import to_mask
from ..scores.sums import Marks
from .blocks import Block, Reading
from .pairing import Pair, Rated
from .reading import probability
from .regions import Class, is_any_of, require_labels


class Voxels:
    """Some voxels of a case, checked.

    Parameters
    ----------
    case : Rated
        The files, for their names.
    block : Block
        What they hold.
    reading : Reading
        What of it counts.

    Raises
    ------
    CaseError
        If a map holds what it must not.
    """

    def __init__(self, case: Rated, block: Block, reading: Reading) -> None:
        regions = reading.regions
        self.case, self.block, self.regions, self.label = case, block, regions, reading.label
        ignore = reading.ignore + (regions.ignore if regions else ())
        self.kept = None if block.mask is None else block.mask != 0
        if ignore:
            ignored = np.any([is_any_of(r, ignore) for r in block.reference], axis=0)
            self.kept = ~ignored if self.kept is None else self.kept & ~ignored
        files = case.reference
        self._names = [p.name for p in files.masks.values()] or [files.paths[0].name]
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
        reference = self.block.reference
        if self.regions is not None:
            return [is_any_of(r, self.regions.labels[region]) for r in reference]
        reference = [self._counted(r) for r in reference]
        if not self.case.reference.masks:
            return probability(reference[0], self._names[0], self.label)
        named = zip(reference, self._names, strict=True)
        return [to_mask(data, name, self.label) for data, name in named]

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
