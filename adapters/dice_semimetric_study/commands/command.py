"""What a command is, and the options that most of them share."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EXIT = """exit status:
  0  every case is done
  1  some cases are faulty, each named on stderr with the reason; the others are done
  2  the command cannot run: a wrong option, or a folder that cannot be read or written"""
LAYOUT = """layout, recognised below DIR and its subfolders, .nii or .nii.gz:
  folders  CASE/image.nii.gz   CASE/task01_seg01.nii.gz   CASE/task01.nii.gz (prediction)
  flat     CASE_image.nii.gz   CASE_task01_seg01.nii.gz   CASE_task01.nii.gz or CASE.nii.gz
  others   --pattern "{case}/masks/{task}-reader{rater}.nii.gz", with * and ** as wildcards"""


@dataclass(frozen=True)
class Command:
    """A command of ``dice-semimetric``.

    Attributes
    ----------
    name, text : str
        Its name, and what it does in a few words.
    epilog : str
        Examples and what else is told below the options.
    add_options : callable
        Adds its options to a parser.
    run : callable
        Does it as the options say, and returns the exit status.
    """

    name: str
    text: str
    epilog: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of where results go and of what is a case."""
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="where to write")
    parser.add_argument("--pattern", help="file names of the masks, for another layout")
    parser.add_argument(
        "--raters",
        choices=("all", "any"),
        default="all",
        help="all: a case is faulty that lacks a rater of its task (default)",
    )
    parser.add_argument(
        "--affine-tolerance",
        type=_tolerance,
        default=1e-3,
        metavar="MM",
        help="largest difference of affines in a case; inf: any (default: 0.001)",
    )


def add_label(parser: argparse.ArgumentParser) -> None:
    """Add the option of what is foreground."""
    parser.add_argument(
        "--label",
        type=int,
        metavar="N",
        help="value of the foreground (default: masks hold 0 and 1 only)",
    )


def at_least(low: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer with a least value."""

    def integer(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        return value

    return integer


def _tolerance(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {text}")
    return value
