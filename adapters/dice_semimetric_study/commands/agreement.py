"""The command ``agreement``: compare the raters of each case with each other."""

import argparse

from ..results.registry import RATER_SCORES, VOLUMES_OF_RATERS, glossary
from .command import EXIT, LAYOUT, Command, add_path
from .options import add_anonymise, add_empty, add_json, add_report, add_study, add_table

_EPILOG = f"""examples:
  dice-semimetric agreement study/Training --out agreement
  dice-semimetric agreement labels --out agreement --regions organs.toml --jobs 4 --no-maps
  dice-semimetric agreement study --out agreement --patients patients.csv --json - | jq .tasks

scores:
{glossary(RATER_SCORES)}

of each rater also:
{glossary(VOLUMES_OF_RATERS)}

The maps show 4 p (1 - p), p the share of the raters that marked a voxel. The kappas depend on how
much background there is. Means by rater are meaningful only where a rater's name is the same person
from case to case.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "folder", metavar="DIR", help="the raters' masks")
    add_empty(parser)
    add_json(parser)
    add_table(parser)
    add_report(parser, "the raters, pictures and all cases", pictures=True)
    parser.add_argument("--no-maps", action="store_true", help="write no maps of disagreement")
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    add_study(parser, predictions=False)
    add_anonymise(parser)


COMMAND = Command(
    "agreement", "measure how far raters agree, and show where not", _EPILOG, _add_options
)
