"""What a fused map keeps of the raters' marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import majority_vote

from ..cases.blocks import Reading
from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..faults import Fault, counted
from ..results.totals import AddedByField
from ..runs.logs import log
from ..scores.occurrence import Occurrence, report_absent
from ..scores.sums import CERTAIN, HALF

_MARKED = "half of the raters or more marked"


@dataclass(frozen=True)
class Kept(AddedByField):
    """Numbers of voxels: what each rater marked, and what the fused map has of it.

    Attributes
    ----------
    marked : NDArray
        Of each of R raters.
    likely : int
        Where the fused map is above 0.5.
    possible, majority : int
        Where it is above 0.01, and where most raters marked; counted while nothing is likely.
    """

    marked: NDArray[np.int64]
    likely: int = 0
    possible: int = 0
    majority: int = 0

    @classmethod
    def of(cls, masks: NDArray[np.bool_], label: NDArray[Any]) -> "Kept":
        """Count in masks with raters on axis 0, and in the map that was made of them."""
        marked = np.array([np.count_nonzero(mask) for mask in masks])
        likely = int(np.count_nonzero(label > HALF))
        if likely or not marked.any():
            return cls(marked, likely)
        rest = (int(np.count_nonzero(m)) for m in (label > CERTAIN, majority_vote(masks)))
        return cls(marked, likely, *rest)

    @property
    def lost(self) -> bool:
        """Whether half of the raters marked something, and the map lacks it, or a majority."""
        half = 2 * np.count_nonzero(self.marked) >= self.marked.size
        return bool(half and not self.likely and (self.majority or not self.possible))


def report_kept(
    found: Sequence[tuple[Rated, str, Kept]], reading: Reading, *, chosen: bool
) -> list[Fault]:
    """Return a fault for each structure that no rater marked, and warn of maps that lost theirs.

    ``chosen`` maps are those of single raters, and may well be empty.
    """
    names = [(case.case, task_name(case.task, region)) for case, region, _ in found]
    lost = [n for n, (*_, kept) in zip(names, found, strict=True) if kept.lost and not chosen]
    if lost:
        maps = counted(len(found), "fused map")
        log.warning("%d of %s lost what %s; -v names them", len(lost), maps, _MARKED)
    for name in lost:
        log.debug("lost what %s: %s %s", _MARKED, *name)
    occur = (
        Occurrence(*name, region, in_reference=bool(kept.marked.any()))
        for name, (_, region, kept) in zip(names, found, strict=True)
    )
    return report_absent(occur, reading, "rater's map", then="its maps are empty")
