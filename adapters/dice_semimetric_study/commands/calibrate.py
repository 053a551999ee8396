"""The command ``calibrate``: calibrate predictions by held-out cases."""

import argparse
import math
from dataclasses import replace

from ..calibrate.calibrate import calibrate
from ..calibrate.calibrators import FLOOR, METHODS, Fitting
from ..calibrate.fit import IN_FIT
from ..calibrate.report import change_table
from ..faults import counted
from ..scores.case_score import Options
from .command import EXIT, LAYOUT, Command, add_count, add_path, integer, number, require_use
from .options import add_bins, add_study, bootstrap_of, reading_of, study_of
from .printing import print_files, print_summary, status_of
from .running import run_of

_EPILOG = f"""examples:
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --ref study/Testing --out calibrated --method kernel
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --out calibrated --method temperature

The kernel is fitted to pixels above {FLOOR["kernel"]:g} and changes only those, the temperature to
all. Both are fitted to the raters' mean, so that of 100 pixels at 0.3 the raters mark 30 on
average; --target majority fits to the strict majority. Fit to cases unknown to the network.
--regions fits a calibrator for each region, and writes one map for each.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    for flag, text in (
        ("--fit-pred", "predictions of held-out cases"),
        ("--fit-ref", "their references"),
        ("--pred", "predictions to calibrate"),
    ):
        add_path(parser, flag, required=True, metavar="DIR", help=text)
    add_path(parser, "--ref", metavar="DIR", help="their references, to score them")
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument(
        "--target",
        choices=("mean", "majority"),
        default="mean",
        help="fit to the raters' mean or to their majority (default: mean)",
    )
    parser.add_argument(
        "--bandwidth",
        type=_bandwidth,
        metavar="H",
        help="bandwidth of the kernel; auto: by the likelihood of the keys (default: auto)",
    )
    parser.add_argument(
        "--keys",
        type=integer(2),
        metavar="N",
        help=f"pixels that serve as keys of the kernel (default: {Fitting.keys})",
    )
    add_count(parser, "--seed", 0, "of the draw of pixels (default: 0)", low=0, metavar=None)
    add_bins(parser)
    add_study(parser)


def _run(args: argparse.Namespace) -> int:
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


def _bandwidth(text: str) -> float | None:
    finite = number(lambda value: 0 < value < math.inf, "auto, or finite and above 0")
    return None if text == "auto" else finite(text)


COMMAND = Command(
    "calibrate", "calibrate predicted probabilities by held-out cases", _EPILOG, _add_options, _run
)
