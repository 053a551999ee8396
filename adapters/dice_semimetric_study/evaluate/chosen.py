"""The scored cases, and which of them may be drawn."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..cases.pairing import Pair
from ..results.page.drawing import Candidate
from ..results.page.page import shown
from ..results.registry import PREDICTION_SCORES
from ..scores.case_score import CaseScore
from ..scores.options import Options

_FIGURES = ("bdice", "dice", "ece", "ece_near")


@dataclass(frozen=True)
class Scored:
    """A score, the files behind it, and the structure, empty if there is one foreground."""

    pair: Pair
    region: str
    score: CaseScore


def candidates(scored: Iterable[Scored], options: Options) -> list[Candidate]:
    """Return what may be drawn, in the order of BDice."""
    return [
        Candidate(
            case=s.score.case,
            task=s.score.task,
            score=s.score.bdice,
            files=s.pair,
            region=s.region,
            reading=options,
            figures=" · ".join(
                f"{PREDICTION_SCORES[name].title} {shown(getattr(s.score, name))}"
                for name in _FIGURES
            ),
        )
        for s in scored
        if not s.score.fault
    ]
