"""Run ``evaluate``."""

import argparse
from dataclasses import replace

from ..evaluate.evaluate import Page, evaluate
from ..results.registry import main_scores
from ..results.typeset import means_table
from ..scores.options import Options
from ..scores.summary import asked_scores, score_table
from .given import anonymous_of, bootstrap_of, options_of, report_of, require_use, run_of, study_of
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
    require_use(args, "image_pattern", args.images is not None, "--images")
    require_use(args, "tolerance", args.surface, "--surface")
    study = study_of(args, ref=args.ref, pred=args.pred)
    study = replace(study, images=args.images, image_pattern=args.image_pattern)
    (study,) = anonymous_of(args, study)
    if args.dry_run:
        return print_files(study)
    reads = (args.pred, args.ref, args.mask, args.images)
    check_json(args, *reads)
    check_tables(args, *reads)
    summary = evaluate(
        study,
        run_of(args),
        _options_of(args),
        page=Page(not args.no_pictures, report_of(args), args.protocol),
        bootstrap=bootstrap_of(args),
        device=args.device,
    )
    shown = {**main_scores(args.protocol), **asked_scores(summary)}
    write_tables(args, means_table(summary, shown))
    print_summary(args, summary, f"{score_table(summary)}\n{where(args)}")
    return status_of(summary)


def _options_of(args: argparse.Namespace) -> Options:
    """Return how cases are scored, with what only this command has."""
    tolerance = Options.nsd_tolerance if args.tolerance is None else args.tolerance
    asked = {"lesions": args.lesions, "surface": args.surface, "nsd_tolerance": tolerance}
    return replace(options_of(args), **asked)
