"""The options of how a command is run: who does the work, what is done, and what is reported."""

import argparse

from ..runs.cluster import Workers, cores
from ..runs.recorded import Run
from .command import add_count, add_flag


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the options of who does the work."""
    group = parser.add_argument_group("who does the work")
    who = group.add_mutually_exclusive_group()
    add_count(
        who,
        "--jobs",
        1,
        "processes on this machine, each with one case at a time; 0: one per core (default: 1)",
        low=0,
    )
    who.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster whose workers see the same files, such as tls://node1:8786, with the "
        "certificates of Dask's configuration (distributed.comm.tls); whoever reaches a tcp:// "
        "address can run programs as you",
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is done, and of how much is reported."""
    kept = "keep what an earlier run finished, where files and options are the same"
    add_flag(parser, "--resume", kept)
    add_overwrite(parser)
    add_flag(parser, "--dry-run", "list the cases and their files, and write nothing")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="report faults only")
    how.add_argument("-v", "--verbose", action="store_true", help="report each case that is done")


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the option of what becomes of another run's results."""
    add_flag(parser, "--overwrite", "replace the files of another run in OUT; no others")


def run_of(args: argparse.Namespace) -> Run:
    """Return where results go, and who does the work."""
    workers = Workers(jobs=args.jobs or cores(), scheduler=args.scheduler)
    return Run(args.out, workers, args.resume, args.overwrite)
