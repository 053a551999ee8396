"""The options of how predictions are scored, which the commands that score share."""

import argparse
from pathlib import Path
from typing import Any, Literal

from ..scores.devices import DEVICES
from ..scores.scoring import Options
from ..scores.summary import json_text, write_json
from .command import at_least
from .running import add_structures, reading_of


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the options of how cases are paired and scored."""
    parser.add_argument("--pred-pattern", metavar="PATTERN", help="file names of the predictions")
    parser.add_argument(
        "--thresholds",
        type=_probability,
        nargs="+",
        default=Options.thresholds,
        metavar="T",
        help="levels of BDice (default: 0.1 0.2 ... 0.9)",
    )
    parser.add_argument(
        "--bins",
        type=at_least(1),
        default=10,
        metavar="N",
        help="bins of confidence (default: 10)",
    )
    add_empty(parser)
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="where scores are computed; cuda needs CuPy and a GPU (default: cpu)",
    )
    add_structures(parser)


def add_empty(parser: argparse.ArgumentParser) -> None:
    """Add the option of what two empty masks score."""
    parser.add_argument(
        "--empty",
        choices=("1", "0", "skip"),
        default="1",
        help="overlap score of two empty masks; skip leaves it out of means (default: 1)",
    )


def empty_of(args: argparse.Namespace) -> float | Literal["skip"]:
    """Return what two empty masks score, as the command line says."""
    return "skip" if args.empty == "skip" else float(args.empty)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of where else the summary goes."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the summary there too; - is stdout, which then has nothing else",
    )


def tell(args: argparse.Namespace, summary: dict[str, Any], text: str) -> None:
    """Write the summary where ``--json`` says, and print the text unless that is stdout."""
    if args.json == "-":
        print(json_text(summary), end="")
    elif args.json is not None:
        write_json(Path(args.json), summary)
    if args.json != "-" and not args.quiet:
        print(text)


def options_of(args: argparse.Namespace) -> Options:
    """Return how cases are scored, as the command line says."""
    return Options(
        thresholds=tuple(sorted(set(args.thresholds))),
        n_bins=args.bins,
        empty=empty_of(args),
        **vars(reading_of(args)),
    )


def sides_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return how files are found and paired, as the command line says."""
    return {
        "pattern": args.pattern,
        "pred_pattern": args.pred_pattern,
        "raters": args.raters,
        "mask": args.mask,
        "mask_pattern": args.mask_pattern,
        "follow_links": args.follow_links,
    }


def _probability(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text}")
    return value
