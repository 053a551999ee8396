"""The options about patients and intervals, which the commands with means share."""

import argparse
from collections.abc import Callable
from pathlib import Path

from ..cases.patients import Patients, match_patients, read_patients
from ..results.bootstrap import Bootstrap
from .command import at_least


def add_uncertainty(parser: argparse.ArgumentParser) -> None:
    """Add the options of how far results can be trusted."""
    group = parser.add_argument_group("how far means can be trusted")
    whose = group.add_mutually_exclusive_group()
    whose.add_argument(
        "--patients",
        type=Path,
        metavar="CSV",
        help="table with the columns case and patient (default: each case is a patient)",
    )
    whose.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in the name of a case: its first group, or all it matches",
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
        type=_between(0, 1),
        default=Bootstrap.confidence,
        metavar="P",
        help=f"of the intervals (default: {Bootstrap.confidence})",
    )


def patients_of(args: argparse.Namespace) -> Patients:
    """Return the patients, as the command line says."""
    if args.patients is not None:
        return read_patients(args.patients)
    if args.patient_pattern is not None:
        return match_patients(args.patient_pattern)
    return Patients()


def bootstrap_of(args: argparse.Namespace) -> Bootstrap:
    """Return how patients are drawn, as the command line says."""
    return Bootstrap(args.resamples, args.confidence)


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low < value < high:
            raise argparse.ArgumentTypeError(f"must be between {low} and {high}, got {text}")
        return value

    return number
