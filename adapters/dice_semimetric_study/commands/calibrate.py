"""The command ``calibrate``: calibrate predictions by held-out cases."""

import argparse
import math

from ..choices import CALIBRATIONS, FLOOR, KEYS
from .command import EXIT, LAYOUT, Command, add_path, integer, number
from .options import add_anonymise, add_bins, add_report, add_study

_EPILOG = f"""examples:
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --ref study/Testing --out calibrated --method kernel
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --out calibrated --method temperature
  dice-semimetric calibrate --calibrator calibrated/task01.calibrator.npz \\
      --pred more-pred --out more-calibrated

The kernel is fitted to pixels above {FLOOR["kernel"]:g} and changes only those; temperature, and
the scale and the bias of vector (Platt's scaling), are fitted to all and change all but 0. The fit
is to the raters' mean, so that of 100 pixels at 0.3 the raters mark 30 on average; --target
majority fits to the strict majority. Fit to cases unknown to the network.
--regions fits a calibrator for each region, and writes one map for each. OUT gets each calibrator
as TASK.calibrator.npz or REGION.calibrator.npz, which --calibrator applies to other predictions.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "--pred", required=True, metavar="DIR", help="predictions to calibrate")
    add_path(parser, "--ref", metavar="DIR", help="their references, to score them")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--method", choices=CALIBRATIONS, help="fit it to --fit-pred and --fit-ref")
    add_path(
        how,
        "--calibrator",
        nargs="+",
        metavar="FILE",
        help="apply what an earlier run kept of each task or region, and fit nothing",
    )
    add_path(parser, "--fit-pred", metavar="DIR", help="predictions of held-out cases")
    add_path(parser, "--fit-ref", metavar="DIR", help="their references")
    parser.add_argument(
        "--target",
        choices=("mean", "majority"),
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
    parser.add_argument("--seed", type=integer(0), help="of the draw of pixels (default: 0)")
    add_report(parser, "what the calibration changed")
    add_bins(parser)
    add_study(parser)
    add_anonymise(parser)


def _bandwidth(text: str) -> float | str:
    finite = number(lambda value: 0 < value < math.inf, "auto, or finite and above 0")
    return text if text == "auto" else finite(text)


COMMAND = Command(
    "calibrate", "calibrate predicted probabilities by held-out cases", _EPILOG, _add_options
)
