"""What is foreground: marks, a soft label, or one of the regions of label maps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import Block
from .cases import to_mask
from .faults import CaseError
from .pairing import Pair
from .reading import probability
from .regions import Class, Regions, is_any_of, require_labels
from .sums import Marks


class Voxels:
    """Some voxels of a case, checked.

    Parameters
    ----------
    pair : Pair
        The files, for their names.
    block : Block
        What they hold.
    regions : Regions, optional
        The structures of label maps; None for one foreground.
    label : int, optional
        The value that is this one foreground; None for masks of 0 and 1.
    ignore : tuple of int
        The labels of voxels that do not count.

    Raises
    ------
    CaseError
        If a map holds what it must not.
    """

    def __init__(
        self,
        pair: Pair,
        block: Block,
        regions: Regions | None,
        label: int | None,
        ignore: tuple[int, ...],
    ) -> None:
        self.pair, self.block, self.regions, self.label = pair, block, regions, label
        ignore += regions.ignore if regions else ()
        self.kept = None if block.mask is None else block.mask != 0
        if ignore:
            ignored = np.any([is_any_of(r, ignore) for r in block.reference], axis=0)
            self.kept = ~ignored if self.kept is None else self.kept & ~ignored
        files = pair.reference
        self._names = [p.name for p in files.masks.values()] or [files.paths[0].name]
        self._classes: dict[Class, NDArray[np.float32]] = {}
        if regions is None:
            return
        for data, name in zip(block.reference, self._names, strict=True):
            require_labels(data, name)
        if isinstance(block.prediction, dict):
            name = self._prediction_name
            self._classes = {
                c: probability(self._counted(p), name, None) for c, p in block.prediction.items()
            }
        else:
            require_labels(block.prediction, self._prediction_name)

    def foreground(self, region: str) -> tuple[NDArray[np.float32], Marks | NDArray[np.float32]]:
        """Return the prediction of a region and its reference: raters' marks, or a soft label."""
        if self.regions is None:
            return self._single()
        labels = self.regions.labels[region]
        marks = [is_any_of(r, labels) for r in self.block.reference]
        if self._classes:
            return self.regions.probability(region, self._classes, self._prediction_name), marks
        prediction: Any = self.block.prediction
        return is_any_of(prediction, labels).astype(np.float32), marks

    def _single(self) -> tuple[NDArray[np.float32], Marks | NDArray[np.float32]]:
        if isinstance(self.block.prediction, dict):
            raise CaseError("the prediction has several classes: give --regions")
        pred = probability(self._counted(self.block.prediction), self._prediction_name, self.label)
        reference = [self._counted(r) for r in self.block.reference]
        if not self.pair.reference.masks:
            return pred, probability(reference[0], self._names[0], self.label)
        named = zip(reference, self._names, strict=True)
        return pred, [to_mask(data, name, self.label) for data, name in named]

    def _counted(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return data with 0 where voxels do not count, so that what they hold does not matter."""
        return data if self.kept is None else np.where(self.kept, data, data.dtype.type(0))

    @property
    def _prediction_name(self) -> str:
        return self.pair.prediction.paths[0].name
