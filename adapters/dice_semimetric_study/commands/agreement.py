"""The command ``agreement``: compare the raters of each case with each other."""

import argparse

from ..agree import agree
from ..agree.summary import agreement_table
from ..results.registry import RATER_SCORES, glossary
from .command import EXIT, LAYOUT, Command, add_path
from .options import (
    add_empty,
    add_study,
    bootstrap_of,
    empty_of,
    reading_of,
    study_of,
)
from .printing import add_json, check_json, print_files, print_summary, status_of
from .running import run_of

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
    add_path(parser, "folder", metavar="DIR", help="the raters' masks")
    add_empty(parser)
    add_json(parser)
    parser.add_argument("--no-maps", action="store_true", help="write no maps of disagreement")
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    add_study(parser, predictions=False)


def _run(args: argparse.Namespace) -> int:
    study = study_of(args, ref=args.folder)
    if args.dry_run:
        return print_files(study)
    check_json(args, args.folder, args.mask)
    summary = agree(
        study,
        run_of(args),
        reading_of(args),
        empty=empty_of(args),
        maps=not args.no_maps,
        pictures=not args.no_pictures,
        bootstrap=bootstrap_of(args),
    )
    print_summary(args, summary, f"{agreement_table(summary)}\nresults in {args.out}")
    return status_of(summary)


COMMAND = Command(
    "agreement", "measure how far raters agree, and show where not", _EPILOG, _add_options, _run
)
