"""The options that commands share: each is added here once, with one help text, and read here."""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ..cases.blocks import WHOLE, Reading
from ..cases.patients import Patients, match_patients, read_patients
from ..cases.regions import read_regions
from ..cases.study import Study
from ..faults import UsageError
from ..results.bootstrap import Bootstrap
from ..results.registry import curve_names, threshold_text
from ..scores.case_score import Options
from ..scores.devices import DEVICES
from .command import add_count, add_flag, add_path, integer, number, require_use
from .running import add_running, add_workers


def add_study(parser: argparse.ArgumentParser, *, predictions: bool = True) -> None:
    """Add all that the commands over whole studies share: files, reading, means and running."""
    add_files(parser, predictions=predictions)
    add_reading(parser)
    add_means(parser)
    add_workers(parser)
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
    add_flag(
        parser,
        "--follow-links",
        "follow links to folders, and to files elsewhere (default: each is a fault)",
    )


def study_of(args: argparse.Namespace, *, ref: Path | None, pred: Path | None = None) -> Study:
    """Return where a study lies: in these folders, with the patterns that were given."""
    require_use(args, "mask_pattern", args.mask is not None, "--mask")
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
        type=label,
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
        type=label,
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
    add_flag(
        group,
        "--allow-reorient",
        "permute and flip axes where that makes the geometries of a case equal",
    )
    add_count(
        group,
        "--slab",
        WHOLE,
        "read volumes of more than N voxels in slabs of about N (default: 2^26)",
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
    add_count(parser, "--bins", 10, "bins of confidence (default: 10)", high=100_000)


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
    levels = sorted(args.thresholds)
    for one, two in pairwise(curve_names(levels)):
        if one == two:  # they would be one column of the tables
            raise UsageError(f"--thresholds has {threshold_text(one)} twice")
    return Options(
        thresholds=tuple(levels),
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
    draws, text = Bootstrap.resamples, "draws of patients by the bootstrap"
    help = f"{text} (default: {draws})"
    add_count(group, "--resamples", draws, help, low=100, high=1_000_000)
    group.add_argument(
        "--confidence",
        type=number(lambda value: 0 < value < 1, "above 0 and below 1"),
        default=Bootstrap.confidence,
        metavar="P",
        help=f"of the intervals (default: {Bootstrap.confidence})",
    )


def patients_of(args: argparse.Namespace) -> Patients:
    """Return the patients, each case one of its own where the command has no such option."""
    given = vars(args)
    if given.get("patients") is not None:
        return read_patients(args.patients)
    if given.get("patient_pattern") is not None:
        return match_patients(args.patient_pattern)
    return Patients()


def bootstrap_of(args: argparse.Namespace) -> Bootstrap:
    """Return how patients are drawn."""
    return Bootstrap(args.resamples, args.confidence)


def label(text: str) -> int:
    """Return a label as an integer that a float64 holds exactly."""
    value = integer()(text)
    if abs(value) > 1 << 53:
        raise argparse.ArgumentTypeError(
            f"must be an integer of 15 digits or fewer, got {text:.40}"
        )
    return value
