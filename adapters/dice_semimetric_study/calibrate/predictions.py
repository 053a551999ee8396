"""The predictions to calibrate, each with the reference that it is scored against, if any."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..cases.layout import CaseFiles
from ..cases.pairing import Pair, pair_up
from ..cases.study import Study
from ..faults import CaseError, Fault
from ..files.volumes import read_geometry


@dataclass(frozen=True)
class Prediction(Pair):
    """A prediction by itself, and as a partner of the reference that it is scored against."""

    partner: Pair | None = field(default=None, kw_only=True)

    @property
    def _words(self) -> dict[Path, str]:
        return self.partner._words if self.partner else super()._words

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.partner.paths if self.partner else super().paths


def known_pairs(study: Study) -> tuple[list[Pair], list[Fault]]:
    """Return the pairs, and the predictions that have no reference; the other way is no fault."""
    predictions = study.predictions()
    pairs, faults = pair_up(study.references(), predictions)
    known = {(c.case, c.task) for c in predictions}
    pairs, alone = study.masked(pairs)
    return study.hidden(pairs, [f for f in faults if (f.case, f.task) in known] + alone)


def predictions_of(study: Study) -> tuple[list[Prediction], list[Fault]]:
    """Return the predictions with their pairs, and what is wrong with others."""
    lone = [Prediction(CaseFiles(f.case, f.task), f) for f in study.predictions()]
    alone, faults = study.hidden(*study.masked(lone))
    if study.ref is None:
        return alone, faults
    pairs, faults = known_pairs(study)
    partner = {(p.prediction.case, p.prediction.task): p for p in pairs}
    found = [replace(one, partner=partner.get((one.case, one.task))) for one in alone]
    # A faulty prediction without a partner is among the faults already.
    return [one for one in found if one.partner or not one.prediction.fault], faults


def axes_of(pairs: Iterable[Pair]) -> int | None:
    """Return how many axes of space the references have: 2 if all lie in a plane, None of none."""
    known = None
    for path in (path for pair in pairs for path in pair.reference.maps[:1]):
        with suppress(CaseError):  # whoever reads it reports that
            known = min(3, max(known or 2, len(read_geometry(path).shape)))
        if known == 3:
            return known
    return known
