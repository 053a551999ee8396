"""The page about an evaluation: ``evaluate --report``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.page.drawing import choose, draw_cases
from ..results.page.page import Report, checksums, write_page
from ..results.registry import PREDICTION_SCORES
from ..scores.among import among_rows
from ..scores.case_score import Options
from .chosen import Scored, candidates

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    report: Report,
    scored: Sequence[Scored],
    summary: Mapping[str, Any],
    options: Options,
    record: Mapping[str, Any],
) -> None:
    """Write the page about a study: its scores, summary, options and record.

    Only the few cases with pictures are read again, one after the other.
    """
    from .content import (
        by_rater,
        cards,
        data,
        more_cards,
        more_scores,
        sections,
        structures,
        title,
        verdict,
    )

    chosen, without = choose(candidates(scored, options), report.pictures)
    examples = draw_cases(chosen)
    drawn = {(e.case, e.task): i for i, e in enumerate(examples)}
    write_page(
        report.path,
        _TEMPLATES,
        "report.html",
        among=among_rows(summary),
        by_rater=by_rater(scored),
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
        shown=drawn,
        structures=structures(scored, options, drawn),
        summary=summary,
        title=title(record),
        verdict=verdict(summary),
        without=without,
    )
