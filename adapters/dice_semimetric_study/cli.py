"""The command ``dice-semimetric``."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from . import starting
from .commands import COMMANDS
from .commands.command import EXIT
from .commands.parser import Parser, Version
from .faults import UsageError, comes_of_stop, printable

#: As shells have it for a process that SIGPIPE ended.
_BROKEN_PIPE = 141
_DESCRIPTION = (
    "Fuse the masks of several raters, and score, compare and calibrate probability maps."
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it parses has the name of the ``command``."""
    parser = Parser(
        prog="dice-semimetric",
        description=_DESCRIPTION,
        epilog=EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=Version)
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
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    It is 0 if every case is done, 1 if some are faulty, 2 if the command cannot run, and 130 if the
    user stopped it. The arguments are by default those of the process.
    """
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads has read enough, as head does
        with suppress(OSError, ValueError):  # what is left is not written at the end either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as error:
        return _report(error)
    finally:
        starting.end()


def _run(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    try:
        args = parser.parse_args(argv, argparse.Namespace(parser=parser))
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong option
        return int(stop.code or 0)
    logs, memory, action = (
        starting.load(name) for name in ("runs.logs", "runs.memory", f"actions.{args.command}")
    )
    starting.run()
    logs.set_verbosity(quiet=getattr(args, "quiet", False), verbose=getattr(args, "verbose", False))
    memory.keep_memory()
    return int(action.run(args))


def _report(error: BaseException) -> int:
    """Report on one line what has ended the command, and return its exit status."""
    from .files.atomic import abandon_parts  # a stop may strike just after a file is begun

    abandon_parts()
    text, status = str(error), 1
    if comes_of_stop(error):
        text, status = "stopped by the user", starting.STOPPED
    elif isinstance(error, UsageError):
        status = 2
    elif isinstance(error, OSError):
        text = f"cannot write the results: {error}"
    elif isinstance(error, MemoryError):
        text = f"there is not enough memory: {error}".rstrip(": ")
    else:
        from .runs.logs import is_verbose

        if is_verbose():
            raise error
        text = f"{type(error).__name__}: {error} (-v shows where)"
    print(f"dice-semimetric: {printable(text)}", file=sys.stderr)
    return status
