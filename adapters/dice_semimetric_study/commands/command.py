"""What a command is, and the types of its options' values."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    from shtab import FILE
except ImportError:  # whoever asks for completion reads what to install
    FILE = {}

EXIT = """exit status:
  0  every case is done
  1  some cases are faulty, each named on stderr with the reason; the others are done
  2  the command cannot run: a wrong option, or a folder that cannot be read or written
  130  the user stopped it; what is done stays, --resume goes on"""
LAYOUT = """layout, recognised below DIR and its subfolders, .nii or .nii.gz:
  folders  CASE/image.nii.gz   CASE/task01_seg01.nii.gz   CASE/task01.nii.gz (prediction)
  flat     CASE_image.nii.gz   CASE_task01_seg01.nii.gz   CASE_task01.nii.gz or CASE.nii.gz
  others   --pattern "{case}/masks/{task}-reader{rater}.nii.gz", with * and ** as wildcards"""


@dataclass(frozen=True)
class Command:
    """A command: its name, what it does in a few words, and what stands below its options."""

    name: str
    text: str
    epilog: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_path(parser: Any, name: str, *, type: Callable[[str], Any] = Path, **how: Any) -> None:
    """Add an option to a parser or group that names files or folders, which a shell completes."""
    action: Any = parser.add_argument(name, type=type, **how)
    action.complete = FILE


def add_count(
    parser: Any, name: str, default: int, help: str, *, low: int = 1, metavar: str | None = "N"
) -> None:
    """Add an option that is an integer with a least value."""
    parser.add_argument(name, type=at_least(low), default=default, metavar=metavar, help=help)


def add_flag(parser: Any, name: str, help: str) -> None:
    """Add an option that is on or off."""
    parser.add_argument(name, action="store_true", help=help)


def at_least(low: int) -> Callable[[str], int]:
    """Return the type of an option that is an integer with a least value."""

    def integer(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        return value

    return integer


def number(accepts: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    """Return the type of an option that is a number of some range, named in the error."""

    def number(text: str) -> float:
        value = float(text)
        if not accepts(value):
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text}")
        return value

    return number
