"""Run ``fuse``."""

import argparse
from typing import Any

from ..faults import counted, show
from ..fuse.fuse import fuse
from ..fuse.raters import rater_table
from ..runs.each import without_stop
from ..starting import STOPPED
from .given import anonymous_of, reading_of, report_of, require_use, run_of, study_of
from .printing import print_files


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    require_use(args, "seed", args.method == "random", "--method random")
    study = study_of(args, ref=args.folder)
    (study,) = anonymous_of(args, study)
    if args.dry_run:
        return print_files(study)
    how: dict[str, Any] = {"seed": args.seed or 0, "page": report_of(args)}
    count, faults, rows = fuse(study, run_of(args), args.method, reading_of(args), **how)
    wrong, stop = without_stop(faults)
    if not args.quiet:
        faulty = f"{counted(len(wrong), 'case')} faulty{stop and '; ' + stop}"
        page = f", report in {args.report}" if args.report else ""
        raters = f"{rater_table(rows)}\n" if rows else ""
        show(f"{raters}{counted(count, 'label')} written to {args.out}, {faulty}{page}")
    return STOPPED if stop else 1 if wrong else 0
