"""Run ``calibrate``."""

import argparse
from dataclasses import replace

from ..calibrate.calibrate import calibrate
from ..calibrate.calibrators import Fitting
from ..calibrate.fit import IN_FIT
from ..calibrate.report import change_table
from ..faults import counted
from ..scores.case_score import Options
from .given import bootstrap_of, reading_of, require_use, run_of, study_of
from .printing import print_files, print_summary, status_of


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    for name in ("keys", "bandwidth"):
        require_use(args, name, args.method == "kernel", "--method kernel")
    study = study_of(args, ref=args.ref, pred=args.pred)
    fit = replace(study, ref=args.fit_ref, pred=args.fit_pred)
    if args.dry_run:
        print("fit:")
        faulty = print_files(fit, IN_FIT)
        print("\ncalibrate:")
        return faulty | print_files(study)
    summary = calibrate(
        fit,
        study,
        run_of(args),
        Fitting(args.method, args.target, args.bandwidth, args.keys or Fitting.keys, args.seed),
        Options(n_bins=args.bins, **vars(reading_of(args))),
        bootstrap=bootstrap_of(args),
    )
    maps = counted(summary["written"], "map")
    text = f"{change_table(summary)}\n{maps} and the report written to {args.out}"
    print_summary(args, summary, text)
    return status_of(summary)
