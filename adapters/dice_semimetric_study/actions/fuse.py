"""Run ``fuse``."""

import argparse

from ..faults import counted, show
from ..fuse.fuse import fuse
from ..runs.each import without_stop
from ..starting import STOPPED
from .given import reading_of, require_use, run_of, study_of
from .printing import print_files


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    require_use(args, "seed", args.method == "random", "--method random")
    study = study_of(args, ref=args.folder)
    if args.dry_run:
        return print_files(study)
    count, faults = fuse(study, run_of(args), args.method, reading_of(args), seed=args.seed or 0)
    wrong, stop = without_stop(faults)
    if not args.quiet:
        faulty = f"{counted(len(wrong), 'case')} faulty{stop and '; ' + stop}"
        show(f"{counted(count, 'label')} written to {args.out}, {faulty}")
    return STOPPED if stop else 1 if wrong else 0
