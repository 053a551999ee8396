"""The command ``dice-semimetric``."""

import argparse
import sys
from collections.abc import Sequence

from dice_semimetric import __version__

from .commands import COMMANDS
from .commands.command import EXIT
from .commands.parser import Parser
from .faults import UsageError, printable
from .runs.logs import set_verbosity
from .runs.memory import keep_memory

_DESCRIPTION = (
    "Fuse the masks of several raters, and score and compare probability maps, for NIfTI files."
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it parses has the command's ``run``."""
    parser = Parser(
        prog="dice-semimetric",
        description=_DESCRIPTION,
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        options = commands.add_parser(
            command.name,
            help=command.text,
            description=command.text[0].upper() + command.text[1:] + ".",
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(options)
        options.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    It is 0 if every case is done, 1 if some are faulty, and 2 if the command cannot run. The
    arguments are by default those of the process.
    """
    parser = make_parser()
    try:
        args = parser.parse_args(argv, argparse.Namespace(parser=parser))
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong option
        return int(stop.code or 0)
    set_verbosity(quiet=getattr(args, "quiet", False), verbose=getattr(args, "verbose", False))
    keep_memory()
    try:
        return int(args.run(args))
    except UsageError as error:
        print(f"dice-semimetric: {printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"dice-semimetric: cannot write the results: {printable(str(error))}", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("dice-semimetric: stopped by the user", file=sys.stderr)
        return 1
