"""The command ``demo``: the demonstration."""

import argparse
from pathlib import Path

from .command import EXIT, Command, add_path
from .options import add_overwrite

_EPILOG = f"""examples:
  dice-semimetric demo --out demo
  dice-semimetric demo --data study/Testing --pred predictions --out demo

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "--data", metavar="DIR", help="raters' masks of real cases")
    add_path(parser, "--pred", metavar="DIR", help="predictions of these cases")
    add_path(
        parser,
        "--out",
        default=Path("demo-out"),
        metavar="OUT",
        help="where to write (default: demo-out)",
    )
    add_overwrite(parser)


COMMAND = Command("demo", "show every step on generated or real cases", _EPILOG, _add_options)
