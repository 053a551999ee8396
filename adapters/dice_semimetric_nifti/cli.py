"""The command ``dice-semimetric``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .arguments import make_parser
from .calibrating import Fitting, calibrate
from .calibrating_report import change_table
from .completion import completion
from .evaluating import Sides, evaluate
from .faults import UsageError
from .fusing import fuse
from .listing import list_cases, list_pairs
from .logs import say
from .memory import keep_memory
from .phantoms import write_phantoms
from .regions import read_regions
from .running import workers_of
from .scoring import Options
from .summary import json_text, score_table, write_json
from .uncertainty import bootstrap_of, patients_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the command's name; by default those of the process.

    Returns
    -------
    int
        0 if every case is done, 1 if some are faulty, 2 if the command cannot run.
    """
    parser = make_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong option
        return int(stop.code or 0)
    say(quiet=getattr(args, "quiet", False), verbose=getattr(args, "verbose", False))
    keep_memory()
    try:
        return _COMMANDS[args.command](args)
    except UsageError as error:
        print(f"dice-semimetric: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"dice-semimetric: cannot write the results: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dice-semimetric: stopped by the user", file=sys.stderr)
        return 1


def _fuse(args: argparse.Namespace) -> int:
    if args.dry_run:
        text, faults = list_cases(
            args.folder,
            pattern=args.pattern,
            raters=args.raters,
            follow_links=args.follow_links,
        )
        print(text)
        return 1 if faults else 0
    count, faults = fuse(
        args.folder,
        args.out,
        method=args.method,
        seed=args.seed,
        pattern=args.pattern,
        raters=args.raters,
        label=args.label,
        tolerance=args.affine_tolerance,
        follow_links=args.follow_links,
        workers=workers_of(args),
        resume=args.resume,
    )
    if not args.quiet:
        print(f"{count} labels written to {args.out}, {len(faults)} cases faulty")
    return 1 if faults else 0


def _evaluate(args: argparse.Namespace) -> int:
    sides: dict[str, Any] = {
        "pattern": args.pattern,
        "pred_pattern": args.pred_pattern,
        "raters": args.raters,
        "mask": args.mask,
        "mask_pattern": args.mask_pattern,
        "follow_links": args.follow_links,
    }
    if args.dry_run:
        text, faults = list_pairs(Sides(args.pred, args.ref, **sides))
        print(text)
        return 1 if faults else 0
    options = Options(
        thresholds=tuple(sorted(set(args.thresholds))),
        n_bins=args.bins,
        empty="skip" if args.empty == "skip" else float(args.empty),
        label=args.label,
        tolerance=args.affine_tolerance,
        regions=read_regions(args.regions) if args.regions else None,
        ignore=tuple(args.ignore),
        reorient=args.allow_reorient,
        slab=args.slab,
    )
    summary = evaluate(
        args.pred,
        args.ref,
        args.out,
        options=options,
        pictures=not args.no_pictures,
        workers=workers_of(args),
        resume=args.resume,
        device=args.device,
        patients=patients_of(args),
        bootstrap=bootstrap_of(args),
        report_file=args.report,
        **sides,
    )
    if args.json == "-":
        print(json_text(summary), end="")
    elif args.json is not None:
        write_json(Path(args.json), summary)
    if args.json != "-" and not args.quiet:
        print(score_table(summary))
        print(f"results in {args.out}" + (f", report in {args.report}" if args.report else ""))
    return 1 if summary["faults"] else 0


def _calibrate(args: argparse.Namespace) -> int:
    summary = calibrate(
        args.fit_pred,
        args.fit_ref,
        args.pred,
        args.out,
        fitting=Fitting(args.method, args.target, args.bandwidth, args.keys, args.seed),
        ref=args.ref,
        options=Options(n_bins=args.bins, label=args.label, tolerance=args.affine_tolerance),
        pattern=args.pattern,
        pred_pattern=args.pred_pattern,
        raters=args.raters,
        workers=workers_of(args),
    )
    print(change_table(summary))
    print(f"{summary['written']} maps and the report written to {args.out}")
    return 1 if summary["faults"] else 0


def _demo(args: argparse.Namespace) -> int:
    from .demo import demo  # with it comes matplotlib, which is slow to import

    if args.pred is not None and args.data is None:
        raise UsageError("--pred needs --data")
    return demo(args.out, data=args.data, pred=args.pred)


def _phantoms(args: argparse.Namespace) -> int:
    try:
        write_phantoms(
            args.out, cases=args.cases, shape=args.shape, raters=args.raters, seed=args.seed
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(f"{args.cases} cases written to {args.out}")
    return 0


def _completion(args: argparse.Namespace) -> int:
    print(completion(make_parser(), args.shell), end="")
    return 0


_COMMANDS = {
    "fuse": _fuse,
    "evaluate": _evaluate,
    "calibrate": _calibrate,
    "demo": _demo,
    "phantoms": _phantoms,
    "completion": _completion,
}
