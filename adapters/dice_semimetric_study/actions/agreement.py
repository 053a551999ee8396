"""Run ``agreement``."""

import argparse

from ..agree import agree
from ..agree.summary import SHOWN, agreement_table
from ..results.registry import RATER_SCORES
from ..results.typeset import means_table
from .given import anonymous_of, bootstrap_of, empty_of, reading_of, report_of, run_of, study_of
from .printing import (
    check_json,
    check_tables,
    print_files,
    print_summary,
    status_of,
    where,
    write_tables,
)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    study = study_of(args, ref=args.folder)
    (study,) = anonymous_of(args, study)
    if args.dry_run:
        return print_files(study)
    check_json(args, args.folder, args.mask)
    check_tables(args, args.folder, args.mask)
    summary = agree(
        study,
        run_of(args),
        reading_of(args),
        empty=empty_of(args),
        maps=not args.no_maps,
        pictures=not args.no_pictures,
        page=report_of(args),
        bootstrap=bootstrap_of(args),
    )
    write_tables(args, means_table(summary, {name: RATER_SCORES[name] for name in SHOWN}))
    print_summary(args, summary, f"{agreement_table(summary)}\n{where(args)}")
    return status_of(summary)
