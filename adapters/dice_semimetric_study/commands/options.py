"""The options that commands share: each is added here once, with one help text, and read here."""

import argparse
import os
from pathlib import Path
from typing import Any, Literal

from ..cases.blocks import WHOLE, Reading
from ..cases.patients import Patients, match_patients, read_patients
from ..cases.regions import read_regions
from ..cases.study import Study
from ..files.json import json_text, write_json
from ..results.bootstrap import Bootstrap
from ..runs.cluster import Workers
from ..runs.recorded import Run
from ..scores.case_score import Options
from ..scores.devices import DEVICES
from .command import add_path, at_least, number


def add_study(
    parser: argparse.ArgumentParser, *, predictions: bool = True, means: bool = True
) -> None:
    """Add all that the commands over whole studies share: files, reading, means and running."""
    add_files(parser, predictions=predictions)
    add_reading(parser)
    if means:
        add_means(parser)
    add_running(parser)


def add_files(parser: argparse.ArgumentParser, *, predictions: bool = False) -> None:
    """Add the options of where results go, and of which files make a case."""
    add_path(parser, "--out", required=True, metavar="OUT", help="where to write")
    parser.add_argument(
        "--pattern", help="file names of the masks or references, for another layout"
    )
    if predictions:
        parser.add_argument(
            "--pred-pattern", metavar="PATTERN", help="file names of the predictions"
        )
    parser.add_argument(
        "--raters",
        choices=("all", "any"),
        default="all",
        help="all: a case that lacks a rater of its task is faulty (default)",
    )
    parser.add_argument(
        "--affine-tolerance",
        type=number(lambda value: value >= 0, "at least 0"),
        default=1e-3,
        metavar="MM",
        help="largest difference of affines in a case; inf: any (default: 0.001)",
    )
    parser.add_argument(
        "--follow-links",
        action="store_true",
        help="follow links to folders, and to files elsewhere (default: each is a fault)",
    )


def study_of(args: argparse.Namespace, *, ref: Path | None, pred: Path | None = None) -> Study:
    """Return where a study lies: in these folders, with the patterns that were given."""
    return Study(
        ref,
        pred,
        pattern=args.pattern,
        pred_pattern=getattr(args, "pred_pattern", None),
        raters=args.raters,
        mask=args.mask,
        mask_pattern=args.mask_pattern,
        follow_links=args.follow_links,
        patients=patients_of(args),
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options of what counts in label maps and of how volumes are read."""
    group = parser.add_argument_group("what counts")
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--label",
        type=int,
        metavar="N",
        help="value of the foreground (default: masks hold 0 and 1 only)",
    )
    add_path(
        what,
        "--regions",
        metavar="TOML",
        help="named sets of labels, each treated by itself: [regions] liver = [5] kidneys = [2, 3]",
    )
    group.add_argument(
        "--ignore",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="labels of voxels that do not count where any rater has them",
    )
    add_path(
        group, "--mask", metavar="DIR", help="folder of maps that are nonzero where voxels count"
    )
    group.add_argument(
        "--mask-pattern", metavar="PATTERN", help="file names in the folder of --mask"
    )
    group.add_argument(
        "--allow-reorient",
        action="store_true",
        help="permute and flip axes where that makes the geometries of a case equal",
    )
    group.add_argument(
        "--slab",
        type=at_least(1),
        default=WHOLE,
        metavar="N",
        help="read volumes of more than N voxels in slabs of about N (default: 2^26)",
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how cases are read."""
    return Reading(
        label=args.label,
        tolerance=args.affine_tolerance,
        regions=read_regions(args.regions) if args.regions else None,
        ignore=tuple(args.ignore),
        reorient=args.allow_reorient,
        slab=args.slab,
    )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the options of how predictions are scored."""
    parser.add_argument(
        "--thresholds",
        type=number(lambda value: 0 < value <= 1, "above 0 and at most 1"),
        nargs="+",
        default=Options.thresholds,
        metavar="T",
        help="levels of BDice (default: 0.1 0.2 ... 0.9)",
    )
    add_bins(parser)
    add_empty(parser)
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="where scores are computed; cuda needs CuPy and a GPU (default: cpu)",
    )


def add_bins(parser: argparse.ArgumentParser) -> None:
    """Add the option of how finely confidences are binned."""
    parser.add_argument(
        "--bins", type=at_least(1), default=10, metavar="N", help="bins of confidence (default: 10)"
    )


def add_empty(parser: argparse.ArgumentParser) -> None:
    """Add the option of what two empty masks score."""
    parser.add_argument(
        "--empty",
        choices=("1", "0", "skip"),
        default="1",
        help="overlap score of two empty masks; skip leaves it out of means (default: 1)",
    )


def empty_of(args: argparse.Namespace) -> float | Literal["skip"]:
    """Return what two empty masks score."""
    return "skip" if args.empty == "skip" else float(args.empty)


def options_of(args: argparse.Namespace) -> Options:
    """Return how cases are scored."""
    return Options(
        thresholds=tuple(sorted(set(args.thresholds))),
        n_bins=args.bins,
        empty=empty_of(args),
        **vars(reading_of(args)),
    )


def add_means(parser: argparse.ArgumentParser) -> None:
    """Add the options of how far means can be trusted."""
    group = parser.add_argument_group("how far means can be trusted")
    patients = group.add_mutually_exclusive_group()
    add_path(
        patients,
        "--patients",
        metavar="CSV",
        help="table with the columns case and patient (default: each case is a patient)",
    )
    patients.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="the patient in the name of a case: its first group, or all that it matches",
    )
    group.add_argument(
        "--resamples",
        type=at_least(100),
        default=Bootstrap.resamples,
        metavar="N",
        help=f"draws of patients by the bootstrap (default: {Bootstrap.resamples})",
    )
    group.add_argument(
        "--confidence",
        type=number(lambda value: 0 < value < 1, "between 0 and 1"),
        default=Bootstrap.confidence,
        metavar="P",
        help=f"of the intervals (default: {Bootstrap.confidence})",
    )


def patients_of(args: argparse.Namespace) -> Patients:
    """Return the patients, each case one of its own where the command has no such option."""
    if getattr(args, "patients", None) is not None:
        return read_patients(args.patients)
    if getattr(args, "patient_pattern", None) is not None:
        return match_patients(args.patient_pattern)
    return Patients()


def bootstrap_of(args: argparse.Namespace) -> Bootstrap:
    """Return how patients are drawn."""
    return Bootstrap(args.resamples, args.confidence)


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the options of who does the work, of what is done, and of how much is reported."""
    group = parser.add_argument_group("who does the work")
    who = group.add_mutually_exclusive_group()
    who.add_argument(
        "--jobs",
        type=at_least(0),
        default=1,
        metavar="N",
        help="processes on this machine, each with one case at a time; 0: one per core "
        "(default: 1)",
    )
    who.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster whose workers see the same files, such as tcp://node1:8786",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what an earlier run finished, where files and options are the same",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list the cases and their files, and write nothing"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="report faults only")
    how.add_argument("-v", "--verbose", action="store_true", help="report each case that is done")


def run_of(args: argparse.Namespace) -> Run:
    """Return where results go, and who does the work."""
    workers = Workers(jobs=args.jobs or _cores(), scheduler=args.scheduler)
    return Run(args.out, workers, args.resume)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of where else the summary goes."""
    add_path(
        parser,
        "--json",
        type=str,
        metavar="FILE",
        help="write the summary there too; - is stdout, which then has nothing else",
    )


def print_summary(args: argparse.Namespace, summary: dict[str, Any], text: str) -> None:
    """Write the summary where ``--json`` asks for it, and print the text unless that is stdout."""
    if args.json == "-":
        print(json_text(summary), end="")
    elif args.json is not None:
        write_json(Path(args.json), summary)
    if args.json != "-" and not args.quiet:
        print(text)
