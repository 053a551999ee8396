"""The options about how a run goes, which the commands over whole studies share."""

import argparse
import os

from .cluster import Workers


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the options of who does the work."""
    group = parser.add_argument_group("who does the work")
    who = group.add_mutually_exclusive_group()
    who.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        metavar="N",
        help="processes on this machine, each with one case at a time; 0: one a core (default: 1)",
    )
    who.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster whose workers see the same files, such as tcp://node1:8786",
    )


def add_habits(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is done and of what is said."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what an earlier run finished, where files and options are the same",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list the cases and their files, and write nothing"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="say faults only")
    how.add_argument("-v", "--verbose", action="store_true", help="say each case that is done")


def workers_of(args: argparse.Namespace) -> Workers:
    """Return who does the work, as the command line says."""
    return Workers(jobs=args.jobs or cores(), scheduler=args.scheduler)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _jobs(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {value}")
    return value
