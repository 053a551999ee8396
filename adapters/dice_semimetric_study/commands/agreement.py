"""The command ``agreement``: compare the raters of each case with each other."""

import argparse
from pathlib import Path

from ..agree import agree
from ..agree.summary import agreement_table
from ..results.registry import RATER_SCORES, glossary
from .command import EXIT, LAYOUT, Command, add_common
from .running import (
    add_habits,
    add_running,
    add_structures,
    list_only,
    reading_of,
    workers_of,
)
from .scoring import add_empty, add_json, empty_of, tell
from .uncertainty import add_uncertainty, bootstrap_of, patients_of

_EPILOG = f"""examples:
  dice-semimetric agreement study/Training --out agreement
  dice-semimetric agreement labels --out agreement --regions organs.toml --jobs 4 --no-maps
  dice-semimetric agreement study --out agreement --patients patients.csv --json - | jq .tasks

scores:
{glossary(RATER_SCORES)}

The maps show 4 p (1 - p), p the share of the raters that marked a voxel. The kappas depend on how
much background there is. Means by rater are meaningful only where a rater's name is the same person
from case to case.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the raters' masks")
    add_empty(parser)
    add_json(parser)
    parser.add_argument("--no-maps", action="store_true", help="write no maps of disagreement")
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    add_common(parser)
    add_structures(parser)
    add_uncertainty(parser)
    add_running(parser)
    add_habits(parser)


def _run(args: argparse.Namespace) -> int:
    if args.dry_run:
        return list_only(args)
    summary = agree(
        args.folder,
        args.out,
        reading=reading_of(args),
        empty=empty_of(args),
        maps=not args.no_maps,
        pictures=not args.no_pictures,
        pattern=args.pattern,
        raters=args.raters,
        mask=args.mask,
        mask_pattern=args.mask_pattern,
        follow_links=args.follow_links,
        workers=workers_of(args),
        resume=args.resume,
        patients=patients_of(args),
        bootstrap=bootstrap_of(args),
    )
    tell(args, summary, f"{agreement_table(summary)}\nresults in {args.out}")
    return 1 if summary["faults"] else 0


COMMAND = Command(
    "agreement", "say how far raters agree, and show where not", _EPILOG, _add_options, _run
)
