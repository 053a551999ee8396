"""The options that commands share: each is added here once, with one help text."""

import argparse
import math

from ..choices import CONFIDENCE, DEVICES, LAYOUTS, MARGIN, PICTURES, RESAMPLES, WHOLE
from .command import add_count, add_flag, add_path, integer, number


def add_study(parser: argparse.ArgumentParser, *, predictions: bool = True) -> None:
    """Add all that the commands over whole studies share: files, reading, means and running."""
    add_files(parser, predictions=predictions)
    add_reading(parser, predictions=predictions)
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
            "--pred-pattern",
            metavar="PATTERN",
            help="file names of the predictions; those that differ in {fold} are averaged, and so "
            "are those that differ in {sample}, which evaluate scores as samples too",
        )
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        help="names of files where no pattern is given; with nnunet and msd a dataset.json beside "
        "the references is --regions (default: QUBIQ's, flat or rater folders are recognised)",
    )
    parser.add_argument(
        "--raters",
        choices=("all", "any"),
        default="all",
        help="all: a case that lacks a rater of its task is faulty (default); any: it has the "
        "raters that there are",
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


def add_reading(parser: argparse.ArgumentParser, *, predictions: bool = False) -> None:
    """Add the options of what counts in label maps and of how volumes are read."""
    group = parser.add_argument_group("what counts")
    what = group.add_mutually_exclusive_group()
    what.add_argument(
        "--label",
        type=label_or_all,
        metavar="N",
        help="value of the foreground; all: each value in a reference is a structure by itself "
        "(default: masks hold 0 and 1 only)",
    )
    add_path(
        what,
        "--regions",
        metavar="FILE",
        help="named sets of labels, each treated by itself: [regions] liver = [5] kidneys = [2, 3] "
        "as TOML, or the dataset.json of nnU-Net or MSD",
    )
    for name, maps in (("--scale", "masks or references"), ("--pred-scale", "predictions")):
        if name == "--scale" or predictions:
            group.add_argument(
                name,
                type=number(lambda value: 0 < value < math.inf, "above 0"),
                metavar="N",
                help=f"number that stands for 1 in {maps}, such as 255 (default: 1)",
            )
    group.add_argument(
        "--colours",
        choices=("index", "grey"),
        help="of PNG and TIFF in colour take index, the numbers of a palette's colours, or grey, "
        "where all colours are grey (default: colours are a fault)",
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


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """Add the options of how predictions are scored."""
    parser.add_argument(
        "--thresholds",
        type=number(lambda value: 0 < value <= 1, "above 0 and at most 1"),
        nargs="+",
        metavar="T",
        help="levels of BDice (default: 0.1 0.2 ... 0.9)",
    )
    add_bins(parser)
    help = f"pixels by which the box around all marks is widened for ece_near (default: {MARGIN})"
    add_count(parser, "--margin", MARGIN, help, low=0, high=100_000)
    add_empty(parser)
    parser.add_argument(
        "--missing",
        choices=("exclude", "worst"),
        default="exclude",
        help="a missing or faulty prediction is left out of means, or counts as the worst value of "
        "each score (default: exclude)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="where scores are computed; cuda needs CuPy and a GPU (default: cpu)",
    )


def add_shapes(parser: argparse.ArgumentParser) -> None:
    """Add the options of the scores that need whole volumes."""
    group = parser.add_argument_group("lesions and surfaces, of volumes that are read whole")
    add_flag(group, "--lesions", "F1, precision and recall of lesions, the connected components")
    add_flag(group, "--surface", "NSD, HD95 and ASSD; needs the package surface-distance")
    group.add_argument(
        "--tolerance",
        type=millimetres,
        metavar="MM",
        help="of NSD; raters: of each structure the median, over cases, of the mean ASSD of two "
        "raters (default: 1)",
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
    help = f"draws of patients by the bootstrap (default: {RESAMPLES})"
    add_count(group, "--resamples", RESAMPLES, help, low=100, high=1_000_000)
    group.add_argument(
        "--confidence",
        type=number(lambda value: 0 < value < 1, "above 0 and below 1"),
        default=CONFIDENCE,
        metavar="P",
        help=f"of the intervals (default: {CONFIDENCE})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of where else the summary goes."""
    add_path(
        parser,
        "--json",
        type=str,
        metavar="FILE",
        help="write the summary there too; - is stdout, which then has nothing else",
    )


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the option of tables for a paper."""
    add_path(
        parser,
        "--table",
        action="append",
        default=[],
        metavar="FILE",
        help="write the means with their intervals as a table for a paper: LaTeX (booktabs) to "
        "FILE.tex, Markdown to FILE.md; may be given more than once",
    )


def add_anonymise(parser: argparse.ArgumentParser) -> None:
    """Add the options of names that stand for those of cases."""
    group = parser.add_argument_group("what is passed on")
    add_flag(
        group,
        "--anonymise",
        "write case-001 and so on for the names of cases and files, and draw no image but those of "
        "--images; folders, tasks and raters keep their names",
    )
    add_path(
        group,
        "--names",
        metavar="FILE",
        help="keep in this table which case has which name; not in OUT",
    )


def add_report(parser: argparse.ArgumentParser, what: str, *, pictures: bool = False) -> None:
    """Add the options of a page about the results, and of what is drawn in it."""
    add_path(
        parser,
        "--report",
        metavar="FILE",
        help=f"write one HTML page with {what}, to be opened in a browser",
    )
    if pictures:
        parser.add_argument(
            "--pictures",
            type=count_or_all,
            metavar="N",
            help="cases of each structure with pictures on the page: the worst, the median and the "
            f"best, then the next worst; or all (default: {PICTURES})",
        )


def count_or_all(text: str) -> int | str:
    """Return a number from 0 on, or "all"."""
    if text == "all":
        return text
    try:
        return integer(0)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be an integer of at least 0 or all, got {text!r:.40}"
        ) from None


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


def millimetres(text: str) -> float | str:
    """Return a distance, or "raters"."""
    accepts = number(lambda value: 0 <= value < math.inf, "at least 0 mm, or the word raters")
    return text if text == "raters" else accepts(text)


def label_or_all(text: str) -> int | str:
    """Return a label as an integer, or "all"."""
    return text if text == "all" else label(text)


def label(text: str) -> int:
    """Return a label as an integer that a float64 holds exactly."""
    value = integer()(text)
    if abs(value) > 1 << 53:
        raise argparse.ArgumentTypeError(
            f"must be an integer of 15 digits or fewer, got {text:.40}"
        )
    return value
