"""The page about an evaluation: ``evaluate --report``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.page.drawing import choose, draw_cases
from ..results.page.page import Report, checksums, write_page
from ..results.page.parts import NOT_ONE_PERSON
from ..results.registry import ALL_SCORES, main_scores
from ..scores.among import among_rows
from ..scores.options import Options
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
    from . import content

    chosen, without = choose(candidates(scored, options), report.pictures)
    examples = draw_cases(chosen)
    drawn = {(e.case, e.task): i for i, e in enumerate(examples)}
    write_page(
        report.path,
        _TEMPLATES,
        "report.html",
        among=among_rows(summary),
        by_rater=content.by_rater(scored),
        not_one=NOT_ONE_PERSON,
        cards=content.cards(summary, scored),
        checksums=checksums(record),
        examples=examples,
        data=content.data(scored, options),
        groups=content.more_scores(options, summary["protocol"]),
        more=content.more_cards(summary, scored, options),
        names=main_scores(summary["protocol"]),
        titles={name: score.title for name, score in ALL_SCORES.items()},
        parts_of_scores=content.parts_of_scores,
        record=record,
        scored=scored,
        sections=content.sections(summary, scored),
        shown=drawn,
        structures=content.structures(scored, options, drawn),
        summary=summary,
        title=content.title(record),
        verdicts=content.verdicts(summary),
        without=without,
    )
