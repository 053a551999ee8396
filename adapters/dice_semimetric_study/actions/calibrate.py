"""Run ``calibrate``."""

import argparse
from dataclasses import replace
from typing import Any

from ..calibrate.calibrate import apply_calibrators, calibrate
from ..calibrate.calibrators import Fitting
from ..calibrate.fit import IN_FIT
from ..calibrate.kept import read
from ..calibrate.report import change_table
from ..cases.study import Study
from ..faults import UsageError, counted
from ..scores.options import Options
from .given import anonymous_of, bootstrap_of, reading_of, report_of, require_use, run_of, study_of
from .printing import print_files, print_summary, status_of, where


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    fitting = _fitting(args)
    study = study_of(args, ref=args.ref, pred=args.pred)
    fit = replace(study, ref=args.fit_ref, pred=args.fit_pred)
    fit, study = anonymous_of(args, fit, study)
    if args.dry_run:
        return _list(args, fit, study)
    options = Options(n_bins=args.bins, **vars(reading_of(args)))
    how: dict[str, Any] = {"options": options, "bootstrap": bootstrap_of(args)}
    how["page"] = report_of(args)
    if fitting is None:
        summary = apply_calibrators(args.calibrator, study, run_of(args), **how)
    else:
        summary = calibrate(fit, study, run_of(args), fitting, **how)
    kept = [] if fitting is None else [counted(len(summary["calibrators"]), "calibrator")]
    made = ", ".join([counted(summary["written"], "map"), *kept])
    print_summary(args, summary, f"{change_table(summary)}{made} written\n{where(args)}")
    return status_of(summary)


def _fitting(args: argparse.Namespace) -> Fitting | None:
    """Return what is to be fitted, None where calibrators are given."""
    for name in ("keys", "bandwidth"):
        require_use(args, name, args.method == "kernel", "--method kernel")
    for name in ("fit_pred", "fit_ref", "target", "seed"):
        require_use(args, name, args.method is not None, "--method")
    if args.method is None:
        return None
    if args.fit_pred is None or args.fit_ref is None:
        raise UsageError("--method needs --fit-pred and --fit-ref, of cases to fit to")
    bandwidth = None if args.bandwidth == "auto" else args.bandwidth
    given = {"target": args.target, "keys": args.keys, "seed": args.seed}
    return Fitting(
        args.method, bandwidth=bandwidth, **{n: v for n, v in given.items() if v is not None}
    )


def _list(args: argparse.Namespace, fit: Study, study: Study) -> int:
    """Print the files of the cases, of those to fit to first."""
    if args.method is None:
        read(args.calibrator)
        return print_files(study)
    print("fit:")
    faulty = print_files(fit, IN_FIT)
    print("\ncalibrate:")
    return faulty | print_files(study)
