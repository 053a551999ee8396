"""How far the raters' surfaces lie apart: a tolerance that no rater would fail."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..cases.foreground import voxels_of
from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..faults import CaseError
from .options import Options
from .shapes import planes_of, whole_geometry
from .surfaces import spread_of


@dataclass(frozen=True)
class Spread:
    """The mean ASSD of the pairs of raters who mark a task of a case; NaN where there is none."""

    task: str
    assd: float


def spread_files(case: Rated, options: Options) -> tuple[Spread, ...]:
    """Read the raters of a case and return their spread in each structure.

    A faulty case has none: its fault is one of the scores.
    """
    try:
        return tuple(_spreads(case, options))
    except (CaseError, OSError):
        return ()


def _spreads(case: Rated, options: Options) -> Iterator[Spread]:
    if not case.reference.masks:
        for region in options.structures:
            yield Spread(task_name(case.task, region), math.nan)
        return
    geometry = whole_geometry(case, options)
    name = case.reference.maps[0].name
    for voxels in voxels_of(case, options):
        for region in options.structures:
            marks, spacing = planes_of(voxels.marks(region), geometry, name)
            yield Spread(task_name(case.task, region), spread_of(marks, spacing))


def tolerances(spreads: Sequence[Spread]) -> Mapping[str, float]:
    """Return the median over cases of each task in which two raters or more marked something."""
    known: dict[str, list[float]] = {}
    for spread in spreads:
        known.setdefault(spread.task, [])
        if not math.isnan(spread.assd):
            known[spread.task].append(spread.assd)
    return {task: float(np.median(found)) for task, found in sorted(known.items()) if found}
