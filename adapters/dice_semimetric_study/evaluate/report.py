"""The page about an evaluation: ``evaluate --report``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..faults import CaseError, reason_of
from ..results.page.page import checksums, write_page
from ..results.registry import PREDICTION_SCORES
from ..runs.logs import is_quiet, log
from ..scores.among import among_rows
from ..scores.case_score import Options
from .chosen import Scored, choose

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Example:
    """A chosen case with its slice and the pictures of it, or the reason why there are none."""

    rank: str
    scored: Scored
    plane: Any = None
    pictures: Any = None
    reason: str = ""


def write_report(
    path: Path,
    scored: Sequence[Scored],
    summary: Mapping[str, Any],
    options: Options,
    record: Mapping[str, Any],
) -> None:
    """Write the page about a study: its scores, summary, options and record.

    Only the few cases with pictures are read again, one after the other.
    """
    from .content import (
        cards,
        data,
        more_cards,
        more_scores,
        sections,
        structures,
        title,
        verdict,
    )

    chosen, without = choose(scored)
    hidden = True if is_quiet() else None
    bar = tqdm(chosen, desc="draw", unit="case", disable=hidden, leave=False)
    examples = [_example(rank, one, options) for rank, one in bar]
    scores = [e.scored.score for e in examples]
    write_page(
        path,
        _TEMPLATES,
        "report.html",
        among=among_rows(summary),
        cards=cards(summary, scored),
        checksums=checksums(record),
        examples=examples,
        data=data(scored, options),
        groups=more_scores(options),
        more=more_cards(summary, scored, options),
        names=PREDICTION_SCORES,
        record=record,
        scored=scored,
        sections=sections(summary, scored),
        shown={(s.case, s.task): i for i, s in enumerate(scores)},
        structures=structures(scored, options),
        summary=summary,
        title=title(record),
        verdict=verdict(summary),
        without=without,
    )


def _example(rank: str, scored: Scored, options: Options) -> Example:
    from ..results.page.pictures import draw
    from ..results.page.planes import read_plane

    pair = scored.pair
    try:
        plane = read_plane(pair, scored.region, options)
        return Example(rank, scored, plane, draw(plane))
    except (CaseError, OSError) as error:  # it was scored, and has changed since
        log.warning("no picture of %s %s: %s", pair.case, pair.task, error)
        return Example(rank, scored, reason=reason_of(error))
