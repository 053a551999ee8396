"""The command ``fuse``: fuse the masks of each case's raters."""

import argparse
from pathlib import Path

from ..fuse.fuse import METHODS, fuse
from .command import EXIT, LAYOUT, Command, add_common, add_label, at_least
from .running import add_habits, add_running, list_only, workers_of

_EPILOG = f"""examples:
  dice-semimetric fuse study/Training --out mean --method uniform
  dice-semimetric fuse study/Training --out one --method random --seed 7
  dice-semimetric fuse masks --out staple --method staple --pattern "{{case}}/{{rater}}.nii.gz"

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the raters' masks")
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--seed", type=at_least(0), default=0, help="for random (default: 0)")
    add_common(parser)
    add_label(parser)
    add_running(parser)
    add_habits(parser)


def _run(args: argparse.Namespace) -> int:
    if args.dry_run:
        return list_only(args)
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


COMMAND = Command(
    "fuse", "make one label of the masks of several raters", _EPILOG, _add_options, _run
)
