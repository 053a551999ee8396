"""What a command is, and the types of its options' values.

Nothing in this folder imports what is slow, so that texts about commands are quick.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: How shells complete the names of files, by shell; filled in once a script is asked for.
FILE: dict[str, Any] = {}
EXIT = """exit status:
  0  every case is done
  1  some cases are faulty, each named on stderr with the reason; the others are done
  2  the command cannot run: a wrong option, or a folder that cannot be read or written
  130  the user stopped it; what is done stays, and --resume goes on where it is an option"""
LAYOUT = """layout, recognised below DIR and its subfolders, in NIfTI, NRRD, MetaImage, PNG, TIFF:
  folders  CASE/image.nii.gz   CASE/task01_seg01.nii.gz   CASE/task01.nii.gz (prediction)
  flat     CASE_image.nii.gz   CASE_task01_seg01.nii.gz   CASE_task01.nii.gz or CASE.nii.gz
  others   --pattern "{case}/masks/{task}-reader{rater}.nii.gz", with * and ** as wildcards"""


@dataclass(frozen=True)
class Command:
    """A command: its name, what it does in a few words, and what stands below its options.

    The module of its name in `actions` runs it.
    """

    name: str
    text: str
    epilog: str
    add_options: Callable[[argparse.ArgumentParser], None]


def add_path(parser: Any, name: str, *, type: Callable[[str], Any] = Path, **how: Any) -> None:
    """Add an option to a parser or group that names files or folders, which a shell completes."""
    action: Any = parser.add_argument(name, type=type, **how)
    action.complete = FILE


def add_count(
    parser: Any,
    name: str,
    default: int,
    help: str,
    *,
    low: int = 1,
    high: int | None = None,
    metavar: str | None = "N",
) -> None:
    """Add an option that is an integer with a least value, and with a largest one or none."""
    kind = integer(low, high)
    parser.add_argument(name, type=kind, default=default, metavar=metavar, help=help)


def add_flag(parser: Any, name: str, help: str) -> None:
    """Add an option that is on or off."""
    parser.add_argument(name, action="store_true", help=help)


def integer(low: int | None = None, high: int | None = None) -> Callable[[str], int]:
    """Return the type of an option that is an integer within limits, which the error names."""
    words = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    limits = " and ".join(words)

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            expected = f"an integer of {limits}" if limits else "an integer"
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r:.40}") from None
        if (low is not None and value < low) or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be {limits}, got {text:.40}")
        return value

    return parse


def number(accepts: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    """Return the type of an option that is a number of some range, named in the error."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r:.40}") from None
        if not accepts(value):
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text:.40}")
        return value

    return parse
