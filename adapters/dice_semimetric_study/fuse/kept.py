"""What a fused map keeps of the raters' marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement, rater_agreement

from ..cases.blocks import Reading
from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..faults import Fault, counted
from ..results.totals import AddedByField
from ..runs.logs import log
from ..scores.copies import Marked, report_copies
from ..scores.occurrence import Occurrence, report_absent
from ..scores.options import CERTAIN, HALF

_MARKED = "half of the raters or more marked"


@dataclass(frozen=True)
class Kept(AddedByField):
    """Numbers of voxels: what the raters marked, and what the fused map has of it.

    Attributes
    ----------
    raters : Agreement
        What they marked, alone and together.
    likely, possible : int
        Where the fused map is above 0.5, and above 0.01.
    """

    raters: Agreement
    likely: int
    possible: int

    @classmethod
    def of(cls, masks: NDArray[np.bool_], label: NDArray[Any]) -> "Kept":
        """Count in masks with raters on axis 0, and in the map that was made of them."""
        found = (int(np.count_nonzero(label > above)) for above in (HALF, CERTAIN))
        return cls(rater_agreement(masks), *found)

    @property
    def lost(self) -> bool:
        """Whether half of the raters marked something, and the map lacks it, or a majority."""
        marked, votes = np.diagonal(self.raters.both), self.raters.votes
        half = 2 * np.count_nonzero(marked) >= marked.size
        majority = np.any(votes[marked.size // 2 + 1 :])
        return bool(half and not self.likely and (majority or not self.possible))


def report_kept(
    found: Sequence[tuple[Rated, str, Kept]], reading: Reading, *, chosen: bool
) -> tuple[list[Fault], list[str]]:
    """Return a fault for each structure that no rater marked, and warn of maps that lost theirs.

    Raters who are copies of each other get a warning too, which is returned beside. ``chosen`` maps
    are those of single raters, and may well be empty.
    """
    names = [(case.case, task_name(case.task, region)) for case, region, _ in found]
    lost = [n for n, (*_, kept) in zip(names, found, strict=True) if kept.lost and not chosen]
    if lost:
        maps = counted(len(found), "fused map")
        log.warning("%d of %s lost what %s; -v names them", len(lost), maps, _MARKED)
    for name in lost:
        log.debug("lost what %s: %s %s", _MARKED, *name)
    occur = (
        Occurrence(*name, region, in_reference=bool(np.any(kept.raters.both)))
        for name, (_, region, kept) in zip(names, found, strict=True)
    )
    copies = report_copies(
        Marked(task, list(case.reference.masks), kept.raters)
        for (_, task), (case, _, kept) in zip(names, found, strict=True)
    )
    return report_absent(occur, reading, "rater's map", then="its maps are empty"), copies
