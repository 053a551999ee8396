"""The predictions to calibrate, each with the reference that it is scored against, if any."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from ..cases.layout import CaseFiles
from ..cases.pairing import Pair, pair_up
from ..cases.study import Study
from ..faults import Fault


@dataclass(frozen=True)
class Prediction(Pair):
    """A prediction by itself, and as a partner of the reference that it is scored against."""

    partner: Pair | None = field(default=None, kw_only=True)

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.partner.paths if self.partner else super().paths


def known_pairs(study: Study) -> tuple[list[Pair], list[Fault]]:
    """Return the pairs, and the predictions that have no reference; the other way is no fault."""
    predictions = study.predictions()
    pairs, faults = pair_up(study.references(), predictions)
    known = {(c.case, c.task) for c in predictions}
    pairs, alone = study.masked(pairs)
    return pairs, [f for f in faults if (f.case, f.task) in known] + alone


def predictions_of(study: Study) -> tuple[list[Prediction], list[Fault]]:
    """Return the predictions with their pairs, and what is wrong with others."""
    lone = [Prediction(CaseFiles(f.case, f.task), f) for f in study.predictions()]
    alone, faults = study.masked(lone)
    if study.ref is None:
        return alone, faults
    pairs, faults = known_pairs(study)
    partner = {(p.prediction.case, p.prediction.task): p for p in pairs}
    found = [replace(one, partner=partner.get((one.case, one.task))) for one in alone]
    # A faulty prediction without a partner is among the faults already.
    return [one for one in found if one.partner or not one.prediction.fault], faults
