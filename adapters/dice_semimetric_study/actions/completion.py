"""Run ``completion``."""

import argparse

from ..commands.command import FILE
from ..faults import UsageError
from ..starting import INSTALL


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    try:
        import shtab
    except ImportError as error:
        raise UsageError(f"completion needs the package shtab: {INSTALL}") from error
    FILE.update(shtab.FILE)
    print(shtab.complete(args.parser, args.shell))
    return 0
