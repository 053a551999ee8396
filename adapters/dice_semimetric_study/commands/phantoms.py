"""The command ``phantoms``: generated studies."""

import argparse

from .command import EXIT, Command, add_count, add_path, integer
from .options import add_overwrite

_EPILOG = f"""examples:
  dice-semimetric phantoms --out study
  dice-semimetric phantoms --out study --cases 100 --shape 96 96 24 --raters 3 --seed 7

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "--out", required=True, metavar="OUT", help="where to write")
    add_count(parser, "--cases", 8, "default: 8")
    add_count(parser, "--raters", 5, "default: 5", metavar="R")
    parser.add_argument(
        "--shape",
        type=integer(1),
        nargs="+",
        default=[128, 128],
        metavar="N",
        help="two or three axes (default: 128 128)",
    )
    add_count(parser, "--seed", 0, "default: 0", low=0, metavar=None)
    add_overwrite(parser)


COMMAND = Command("phantoms", "generate a study with a known truth", _EPILOG, _add_options)
