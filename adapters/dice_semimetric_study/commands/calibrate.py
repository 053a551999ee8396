"""The command ``calibrate``: calibrate predictions by held-out cases."""

import argparse
import math

from ..choices import CALIBRATIONS, FLOOR, KEYS
from .command import EXIT, LAYOUT, Command, add_count, add_path, integer, number
from .options import add_bins, add_study

_EPILOG = f"""examples:
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --ref study/Testing --out calibrated --method kernel
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --out calibrated --method temperature

The kernel is fitted to pixels above {FLOOR["kernel"]:g} and changes only those, the temperature to
all. Both are fitted to the raters' mean, so that of 100 pixels at 0.3 the raters mark 30 on
average; --target majority fits to the strict majority. Fit to cases unknown to the network.
--regions fits a calibrator for each region, and writes one map for each.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    for flag, text in (
        ("--fit-pred", "predictions of held-out cases"),
        ("--fit-ref", "their references"),
        ("--pred", "predictions to calibrate"),
    ):
        add_path(parser, flag, required=True, metavar="DIR", help=text)
    add_path(parser, "--ref", metavar="DIR", help="their references, to score them")
    parser.add_argument("--method", required=True, choices=CALIBRATIONS)
    parser.add_argument(
        "--target",
        choices=("mean", "majority"),
        default="mean",
        help="fit to the raters' mean or to their majority (default: mean)",
    )
    parser.add_argument(
        "--bandwidth",
        type=_bandwidth,
        metavar="H",
        help="bandwidth of the kernel; auto: by the likelihood of the keys (default: auto)",
    )
    parser.add_argument(
        "--keys",
        type=integer(2),
        metavar="N",
        help=f"pixels that serve as keys of the kernel (default: {KEYS})",
    )
    add_count(parser, "--seed", 0, "of the draw of pixels (default: 0)", low=0, metavar=None)
    add_bins(parser)
    add_study(parser)


def _bandwidth(text: str) -> float | None:
    finite = number(lambda value: 0 < value < math.inf, "auto, or finite and above 0")
    return None if text == "auto" else finite(text)


COMMAND = Command(
    "calibrate", "calibrate predicted probabilities by held-out cases", _EPILOG, _add_options
)
