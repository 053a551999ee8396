"""The agreement of the raters of one case: counts that add up, and maps of disagreement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dice_semimetric import Agreement, disagreement, rater_agreement

from ..cases.blocks import Reading, millilitres
from ..cases.foreground import voxels_of
from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..faults import CaseError
from ..files.writing import Write, written_maps
from ..results.totals import total_by_name
from ..runs.records import Stamp, stamp


@dataclass(frozen=True)
class CaseAgreement:
    """How far the raters of one structure of a case agree.

    Attributes
    ----------
    case, task : str
        Their names.
    raters : tuple of str
        The R raters' names.
    counts : Agreement
        How many voxels they mark, alone and together.
    voxel : float
        The volume of a voxel in millilitres.
    """

    case: str
    task: str
    raters: tuple[str, ...]
    counts: Agreement
    voxel: float


@dataclass(frozen=True)
class Agreed:
    """What is kept of a case: one agreement for each region, and its maps."""

    found: tuple[CaseAgreement, ...]
    maps: tuple[Stamp, ...] = ()


def agree_files(case: Rated, reading: Reading, maps: Path | None = None) -> Agreed:
    """Read the masks of one case and count how far they agree.

    Parameters
    ----------
    case : Rated
        The files.
    reading : Reading
        How they are read.
    maps : Path, optional
        The folder that gets a map of 4 p (1 - p) for each region, p the share of the raters; it is
        0 where voxels do not count.

    Returns
    -------
    Agreed
        Counts, no images.

    Raises
    ------
    CaseError
        If a file is faulty or there are fewer than two raters.
    """
    files = case.reference
    if files.fault:
        raise CaseError(files.fault)
    if len(files.masks) < 2:
        raise CaseError("there must be two raters or more to agree")
    names = [files.map_name(region) for region in reading.structures] if maps else []
    folder = maps or Path()
    with written_maps(folder, dict.fromkeys(names, np.float32), files.maps[0]) as writers:
        counts = total_by_name(_counts_of_blocks(case, reading, writers))
    voxel = millilitres(case, files.maps[0])
    found = tuple(
        CaseAgreement(case.case, task_name(case.task, region), tuple(files.masks), sums, voxel)
        for region, sums in counts.items()
    )
    return Agreed(found, tuple(stamp(folder / name, folder.parent) for name in names))


def _counts_of_blocks(
    case: Rated, reading: Reading, writers: Sequence[Write]
) -> Iterator[tuple[str, Agreement]]:
    """Yield the counts of each region in block after block, and write its map."""
    for voxels in voxels_of(case, reading):
        for i, region in enumerate(reading.structures):
            marks = np.stack(list(voxels.reference(region)))
            if writers:
                shown = disagreement(marks, dtype=np.float32)
                writers[i](shown if voxels.kept is None else shown * voxels.kept)
            yield region, rater_agreement(marks, mask=voxels.kept)
