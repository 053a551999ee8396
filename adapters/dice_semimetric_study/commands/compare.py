"""The command ``compare``: compare models by their predictions of the same cases."""

import argparse

from ..results.registry import COMPARABLE, COMPARED, PROTOCOLS, glossary
from .command import EXIT, LAYOUT, Command, add_path
from .options import (
    add_anonymise,
    add_files,
    add_json,
    add_means,
    add_reading,
    add_report,
    add_running,
    add_scoring,
    add_table,
    add_workers,
)

_MODEL = "[NAME=]DIR"
_EPILOG = f"""examples:
  dice-semimetric compare --pred dml=preds/dml sdl=preds/sdl --ref study/Testing --out comparison
  dice-semimetric compare --pred preds/* --ref study/Testing --out comparison \\
      --patients patients.csv --baseline sdl --metric bdice ece_near --jobs 4
  dice-semimetric compare --scores scores/dml scores/sdl --out comparison --json - | jq .overall

--pred scores each folder as evaluate does, into OUT/NAME; --scores takes what evaluate wrote.
Differences are the first model minus the second.
p values are of Wilcoxon's signed-rank test of the patients' mean differences, and adjusted after
Holm over the pairs of one score: those over all tasks, or those in all single tasks.

scores:
{glossary(COMPARABLE)}

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    add_path(
        what,
        "--pred",
        type=str,
        nargs="+",
        metavar=_MODEL,
        help="folders of predictions; NAME is the last part of DIR where it is not given",
    )
    add_path(
        what, "--scores", type=str, nargs="+", metavar=_MODEL, help="folders that evaluate wrote"
    )
    add_path(parser, "--ref", metavar="DIR", help="references of --pred")
    parser.add_argument("--baseline", metavar="NAME", help="pair each other model with it only")
    metrics = parser.add_mutually_exclusive_group()
    metrics.add_argument(
        "--protocol", choices=tuple(PROTOCOLS), help="compare by the scores of a challenge"
    )
    metrics.add_argument(
        "--metric",
        choices=tuple(COMPARABLE),
        nargs="+",
        metavar="SCORE",
        help=f"what to compare by, of the scores below (default: {' '.join(COMPARED)})",
    )
    add_json(parser)
    add_table(parser)
    add_report(parser, "a leaderboard and all pairs")
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    add_how(parser)
    add_means(parser)
    add_running(parser)


def add_how(parser: argparse.ArgumentParser) -> None:
    """Add the options of how predictions are scored, which have no use with ``--scores``."""
    add_files(parser, predictions=True)
    add_scoring(parser)
    add_reading(parser, predictions=True)
    add_workers(parser)
    add_anonymise(parser)


COMMAND = Command(
    "compare", "compare models by their predictions of the same cases", _EPILOG, _add_options
)
