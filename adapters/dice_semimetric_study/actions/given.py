"""What the options that commands share stand for."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ..cases.anonymous import is_names, write_names
from ..cases.blocks import Reading
from ..cases.labels import every_label
from ..cases.layouts import KNOWN
from ..cases.patients import Patients, match_patients, read_patients
from ..cases.regions import read_regions
from ..cases.study import Study, anonymous
from ..choices import PICTURES
from ..faults import UsageError
from ..results.bootstrap import Bootstrap
from ..results.page.page import Report
from ..results.registry import curve_names, threshold_text
from ..runs.cluster import Workers, cores
from ..runs.output import require_replaceable
from ..runs.recorded import Run
from ..scores.options import Options


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
        layout=args.layout,
        patients=patients_of(args),
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how cases are read."""
    pred_scale = getattr(args, "pred_scale", None)
    file = args.regions or _described(args)
    labels = "--label" if args.label is not None else "--regions" if file else ""
    for flag, value in (("--scale", args.scale), ("--pred-scale", pred_scale)):
        if labels and value is not None:
            raise UsageError(f"{flag} has no use with {labels}, which names values as they are")
        if args.ignore and value is not None:
            raise UsageError(f"{flag} has no use with --ignore: give --label {value:g} instead")
    reading = Reading(
        label=None if args.label == "all" else args.label,
        tolerance=args.affine_tolerance,
        regions=read_regions(file) if file else None,
        ignore=tuple(args.ignore),
        reorient=args.allow_reorient,
        slab=args.slab,
        scale=args.scale,
        pred_scale=pred_scale,
        colours=args.colours or "refuse",
    )
    if args.label != "all":
        return reading
    cases, _ = study_of(args, ref=_references(args)).cases()
    return replace(reading, regions=every_label(cases, reading))


def _references(args: argparse.Namespace) -> Path | None:
    """Return the folder of references, whatever the command calls it."""
    given = vars(args)
    return next(filter(None, map(given.get, ("ref", "fit_ref", "folder"))), None)


def _described(args: argparse.Namespace) -> Path | None:
    """Return the dataset.json that names the labels of a layout, in or beside the references."""
    if args.layout is None or not KNOWN[args.layout].describes or args.label is not None:
        return None
    folder = _references(args)
    files = (f / "dataset.json" for f in (folder, folder.absolute().parent)) if folder else ()
    return next((file for file in files if file.is_file()), None)


def empty_of(args: argparse.Namespace) -> float | Literal["skip"]:
    """Return what two empty masks score."""
    return "skip" if args.empty == "skip" else float(args.empty)


def options_of(args: argparse.Namespace) -> Options:
    """Return how cases are scored."""
    levels = sorted(args.thresholds or Options.thresholds)
    for one, two in pairwise(curve_names(levels)):
        if one == two:  # they would be one column of the tables
            raise UsageError(f"--thresholds has {threshold_text(one)} twice")
    return Options(
        thresholds=tuple(levels),
        n_bins=args.bins,
        empty=empty_of(args),
        samples="{sample}" in (args.pred_pattern or ""),
        missing=args.missing,
        margin=args.margin,
        **vars(reading_of(args)),
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


def report_of(args: argparse.Namespace) -> Report | None:
    """Return where a page goes, and how many cases it has pictures of."""
    given = vars(args)
    if "pictures" in given:
        require_use(args, "pictures", args.report is not None, "--report")
    if args.report is None:
        return None
    wanted = given.get("pictures")
    return Report(args.report, None if wanted == "all" else PICTURES if wanted is None else wanted)


def anonymous_of(args: argparse.Namespace, *studies: Study) -> Sequence[Study]:
    """Return the studies, by other names where that is asked for, which may be kept in a file."""
    if not args.anonymise:
        require_use(args, "names", False, "--anonymise")
        return studies
    if args.names is not None:
        reads = [folder for study in studies for folder in study.folders]
        require_replaceable(args.names, "--names", reads, is_names, args.out)
        if args.names.resolve().is_relative_to(args.out.resolve()):
            raise UsageError(f"--names {args.names} must not lie in {args.out}, which is passed on")
    found, aliases = anonymous(*studies)
    if args.names is not None and not args.dry_run:
        write_names(args.names, aliases)
    return found


def run_of(args: argparse.Namespace) -> Run:
    """Return where results go, and who does the work."""
    workers = Workers(jobs=args.jobs or cores(), scheduler=args.scheduler)
    return Run(args.out, workers, args.resume, args.overwrite)


def require_use(args: argparse.Namespace, name: str, of_use: bool, needs: str) -> None:
    """Raise UsageError if an option without a default is given where it would do nothing."""
    if getattr(args, name) is not None and not of_use:
        flag = "--" + name.replace("_", "-")
        raise UsageError(f"{flag} has no use without {needs}")
