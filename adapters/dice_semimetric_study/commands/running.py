"""The options about how a run goes, which the commands over whole studies share."""

import argparse
import os
from pathlib import Path

from ..cases.blocks import WHOLE, Reading
from ..cases.regions import read_regions
from ..runs.cluster import Workers
from .command import at_least
from .listing import list_cases


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the options of who does the work."""
    group = parser.add_argument_group("who does the work")
    who = group.add_mutually_exclusive_group()
    who.add_argument(
        "--jobs",
        type=at_least(0),
        default=1,
        metavar="N",
        help="processes on this machine, each with one case at a time; 0: one a core (default: 1)",
    )
    who.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster whose workers see the same files, such as tcp://node1:8786",
    )


def add_structures(parser: argparse.ArgumentParser) -> None:
    """Add the options of what counts in label maps and of how volumes are read."""
    group = parser.add_argument_group("what counts")
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--label",
        type=int,
        metavar="N",
        help="value of the foreground (default: masks hold 0 and 1 only)",
    )
    what.add_argument(
        "--regions",
        type=Path,
        metavar="TOML",
        help="named sets of labels, each scored: [regions] liver = [5] kidneys = [2, 3]",
    )
    group.add_argument(
        "--ignore",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="labels of voxels that do not count where any rater has them",
    )
    group.add_argument("--mask", type=Path, metavar="DIR", help="maps, nonzero where voxels count")
    group.add_argument("--mask-pattern", metavar="PATTERN", help="file names of the masks' maps")
    group.add_argument(
        "--allow-reorient",
        action="store_true",
        help="permute and flip axes where that alone makes the geometries of a case one",
    )
    group.add_argument(
        "--slab",
        type=at_least(1),
        default=WHOLE,
        metavar="N",
        help="read volumes of more voxels in slabs of about so many (default: 2^26)",
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how cases are read, as the command line says."""
    return Reading(
        label=args.label,
        tolerance=args.affine_tolerance,
        regions=read_regions(args.regions) if args.regions else None,
        ignore=tuple(args.ignore),
        reorient=args.allow_reorient,
        slab=args.slab,
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
    parser.add_argument(
        "--follow-links",
        action="store_true",
        help="read what links to folders, and to files elsewhere, lead to (default: a fault)",
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


def list_only(args: argparse.Namespace) -> int:
    """Print the cases of a folder of masks, as ``--dry-run`` asks, and return the exit status."""
    text, faults = list_cases(
        args.folder, pattern=args.pattern, raters=args.raters, follow_links=args.follow_links
    )
    print(text)
    return 1 if faults else 0
