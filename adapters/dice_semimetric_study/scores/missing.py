"""What a missing or faulty prediction counts as with ``--missing worst``."""

import math
from collections import ChainMap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from ..cases.layout import CaseFiles
from ..cases.near import parts_of
from ..cases.pairing import Pair, Rated
from ..faults import CaseError, Fault
from ..files.geometry import Geometry
from ..files.volumes import read_geometry
from ..results.registry import ALL_SCORES, OPTIONAL_SCORES
from ..results.totals import total_by_name
from .among import AMONG
from .case_score import CaseScore
from .options import Options
from .rater_score import RaterScore
from .scoring import scores_of
from .shapes import planes_of
from .sums import Sums, sums_of_marks
from .surfaces import Surface, farthest

#: They are not there for any prediction where the reference has no mark, or no consensus.
_OF_REFERENCE = ("ece_near", "ece_near_by_rater", "consensus_confidence")
_AGAINST = ("bdice", "dice", "jaccard", "ece", "ece_soft", "ece_near", "brier", "log_loss")
_EVERY = ChainMap(dict(ALL_SCORES), *map(dict, OPTIONAL_SCORES.values()))


@dataclass(frozen=True)
class Absent(Rated):
    """A reference without a prediction that can be scored, and why."""

    why: str = field(default="", kw_only=True)

    @property
    def pair(self) -> Pair:
        """The reference with a prediction that says what is wrong."""
        prediction = CaseFiles(self.case, self.task, fault=self.why)
        return Pair(self.reference, prediction, mask=self.mask, hidden=self.hidden)


@dataclass(frozen=True)
class WorstScore(CaseScore):
    """The worst value of each score, NaN where there is none; the statistics are of no use."""

    def __post_init__(self) -> None:
        """Put the values in the place of the formulas."""
        worst = {name: score.worst for name, score in _EVERY.items()}
        worst |= {name: math.nan for name in _OF_REFERENCE if math.isnan(getattr(self, name))}
        distances = {} if self.surface is None else vars(self.surface)
        curve = {"curve": np.zeros(len(self.counts.thresholds))}
        vars(self).update(worst | distances | curve)


def absent_of(
    cases: Iterable[Rated], scored: Iterable[Rated], faults: Iterable[Fault]
) -> list[Absent]:
    """Return the references that have a fault and no score."""
    reasons = {(f.case, f.task): f.reason for f in faults}
    for one in scored:
        reasons.pop((one.case, one.task), None)
    return [
        Absent(c.reference, mask=c.mask, hidden=c.hidden, why=reasons[c.case, c.task])
        for c in cases
        if (c.case, c.task) in reasons and not c.fault
    ]


def worst_files(case: Absent, options: Options) -> tuple[WorstScore, ...]:
    """Read the reference of a case and return the worst score of each structure.

    There is none where the reference is faulty, for which no prediction is to blame.
    """
    try:
        found = scores_of(case, total_by_name(_sums(case, options)), options)
    except (CaseError, OSError):
        return ()
    return tuple(_worst(score, case.why) for score in found)


def _sums(case: Rated, options: Options) -> Iterator[tuple[str, Sums]]:
    """Yield the statistics of an empty prediction, for the reference to be read and checked."""
    path = case.reference.maps[0]
    surface = _farthest(read_geometry(path), path.name) if options.surface else None
    for part in parts_of(case, options, options.margin):
        nothing = np.zeros(part.near.size, np.float32)
        sums = sums_of_marks(nothing, part.reference, part.near, part.voxels.kept, options)
        yield part.region, replace(sums, surface=surface)


def _farthest(geometry: Geometry, name: str) -> Surface:
    (image,), spacing = planes_of([np.zeros(math.prod(geometry.shape), bool)], geometry, name)
    return farthest(image.shape, spacing)


def _worst(score: CaseScore, why: str) -> WorstScore:
    known = {f.name: getattr(score, f.name) for f in fields(score)}
    raters = tuple(_worst_to(rater, len(score.by_rater) > 1) for rater in score.by_rater)
    return WorstScore(**known | {"by_rater": raters, "fault": why})


def _worst_to(rater: RaterScore, others: bool) -> RaterScore:
    """Return the worst values against a rater; what the rater is to the others stays."""
    worst: dict[str, Any] = {name: _EVERY[name].worst for name in _AGAINST}
    if math.isnan(rater.ece_near):
        worst["ece_near"] = math.nan
    among = {f"model_{name}": worst[name] for name in AMONG} if others else {}
    return replace(rater, **worst | among)
