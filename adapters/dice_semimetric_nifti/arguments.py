"""The options of the command ``dice-semimetric`` and their help."""

import argparse
from collections.abc import Callable
from pathlib import Path

from dice_semimetric import __version__

from .calibrators import FLOOR
from .calibrators import METHODS as CALIBRATORS
from .completion import SHELLS
from .devices import DEVICES
from .fusing import METHODS
from .running import add_habits, add_running, add_structures
from .scoring import Options
from .uncertainty import add_uncertainty

_DESCRIPTION = "Fuse the masks of several raters and score probability maps, for NIfTI files."
_EXIT = """exit status:
  0  every case is done
  1  some cases are faulty, each named on stderr with the reason; the others are done
  2  the command cannot run: a wrong option, or a folder that cannot be read or written"""
_LAYOUT = """layout, recognised below DIR and its subfolders, .nii or .nii.gz:
  folders  CASE/image.nii.gz   CASE/task01_seg01.nii.gz   CASE/task01.nii.gz (prediction)
  flat     CASE_image.nii.gz   CASE_task01_seg01.nii.gz   CASE_task01.nii.gz or CASE.nii.gz
  others   --pattern "{case}/masks/{task}-reader{rater}.nii.gz", with * and ** as wildcards"""
_FUSE = f"""examples:
  dice-semimetric fuse study/Training --out mean --method uniform
  dice-semimetric fuse study/Training --out one --method random --seed 7
  dice-semimetric fuse masks --out staple --method staple --pattern "{{case}}/{{rater}}.nii.gz"

{_LAYOUT}

{_EXIT}"""
_EVALUATE = f"""examples:
  dice-semimetric evaluate --pred predictions --ref study/Testing --out scores --report report.html
  dice-semimetric evaluate --pred labels --ref labelsTr --out liver --label 5
  dice-semimetric evaluate --pred maps --ref labelsTr --out organs --regions organs.toml --jobs 4
  dice-semimetric evaluate --pred maps --pred-pattern "{{case}}/{{class}}.nii.gz" --ref labelsTr \\
      --out organs --regions organs.toml --resume --json - | jq .overall.dice

Several raters give BDice against their mean, and Dice, Jaccard and ECE against their strict
majority. A single reference, hard or soft, is its own mean, and above 0.5 its own majority.

{_LAYOUT}

{_EXIT}"""
_CALIBRATE = f"""examples:
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --ref study/Testing --out calibrated --method kernel
  dice-semimetric calibrate --fit-pred val-pred --fit-ref study/Validation \\
      --pred test-pred --out calibrated --method temperature

The kernel is fitted to pixels above {FLOOR["kernel"]:g} and changes only those, the temperature to
all. Both are fitted to the raters' mean, so that of 100 pixels at 0.3 the raters mark 30 on
average; --target majority fits to the strict majority. Fit to cases unknown to the network.

{_LAYOUT}

{_EXIT}"""
_PHANTOMS = f"""examples:
  dice-semimetric phantoms --out study
  dice-semimetric phantoms --out study --cases 100 --shape 96 96 24 --raters 3 --seed 7

{_EXIT}"""
_COMPLETION = f"""examples:
  eval "$(dice-semimetric completion bash)"                     # in ~/.bashrc
  eval "$(dice-semimetric completion zsh)"                      # in ~/.zshrc
  dice-semimetric completion fish > ~/.config/fish/completions/dice-semimetric.fish

{_EXIT}"""
_DEMO = f"""examples:
  dice-semimetric demo --out demo
  dice-semimetric demo --data study/Testing --pred predictions --out demo

{_EXIT}"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        Its result has the name of the subcommand as ``command``.
    """
    parser = argparse.ArgumentParser(
        prog="dice-semimetric",
        description=_DESCRIPTION,
        epilog=_EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_fuse(_command(commands, "fuse", "make one label of the masks of several raters", _FUSE))
    _add_evaluate(_command(commands, "evaluate", "score predictions against references", _EVALUATE))
    _add_calibrate(_command(commands, "calibrate", "make probabilities trustworthy", _CALIBRATE))
    _add_demo(_command(commands, "demo", "show it all on generated or real cases", _DEMO))
    _add_phantoms(_command(commands, "phantoms", "generate a study with a known truth", _PHANTOMS))
    shells = _command(commands, "completion", "print a script for a shell", _COMPLETION)
    shells.add_argument("shell", choices=SHELLS, help="the shell that is to complete options")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    epilog: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_fuse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the raters' masks")
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--seed", type=_at_least(0), default=0, help="for random (default: 0)")
    _add_common(parser)
    _add_label(parser)
    add_running(parser)
    add_habits(parser)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pred", type=Path, required=True, metavar="DIR", help="predictions")
    parser.add_argument("--ref", type=Path, required=True, metavar="DIR", help="references")
    parser.add_argument("--pred-pattern", metavar="PATTERN", help="file names of the predictions")
    parser.add_argument(
        "--thresholds",
        type=_probability,
        nargs="+",
        default=Options.thresholds,
        metavar="T",
        help="levels of BDice (default: 0.1 0.2 ... 0.9)",
    )
    parser.add_argument(
        "--bins",
        type=_at_least(1),
        default=10,
        metavar="N",
        help="bins of confidence (default: 10)",
    )
    parser.add_argument(
        "--empty",
        choices=("1", "0", "skip"),
        default="1",
        help="score of an empty prediction of an empty reference (default: 1)",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the summary there too; - is stdout, which then has nothing else",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write one HTML page with curves, pictures and all cases, to be opened in a browser",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="cpu",
        help="where scores are computed; cuda needs CuPy and a GPU (default: cpu)",
    )
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    _add_common(parser)
    add_structures(parser)
    add_uncertainty(parser)
    add_running(parser)
    add_habits(parser)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    for flag, text in (
        ("--fit-pred", "predictions of held-out cases"),
        ("--fit-ref", "their references"),
        ("--pred", "predictions to calibrate"),
    ):
        parser.add_argument(flag, type=Path, required=True, metavar="DIR", help=text)
    parser.add_argument("--ref", type=Path, metavar="DIR", help="their references, to score them")
    parser.add_argument("--pred-pattern", metavar="PATTERN", help="file names of the predictions")
    parser.add_argument("--method", required=True, choices=CALIBRATORS)
    parser.add_argument(
        "--target", choices=("mean", "majority"), default="mean", help="of the raters (mean)"
    )
    parser.add_argument(
        "--bandwidth",
        type=_bandwidth,
        metavar="H",
        help="of the kernel, or auto: by the likelihood of the keys (default: auto)",
    )
    parser.add_argument(
        "--keys", type=_at_least(2), default=1000, metavar="N", help="of the kernel (default: 1000)"
    )
    parser.add_argument("--seed", type=_at_least(0), default=0, help="draws keys (default: 0)")
    parser.add_argument("--bins", type=_at_least(1), default=10, metavar="N", help="default: 10")
    _add_common(parser)
    _add_label(parser)
    add_running(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="where to write")
    parser.add_argument("--pattern", help="file names of the masks, for another layout")
    parser.add_argument(
        "--raters",
        choices=("all", "any"),
        default="all",
        help="all: a case is faulty that lacks a rater of its task (default)",
    )
    parser.add_argument(
        "--affine-tolerance",
        type=_tolerance,
        default=1e-3,
        metavar="MM",
        help="largest difference of affines in a case; inf: any (default: 0.001)",
    )


def _add_label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label",
        type=int,
        metavar="N",
        help="value of the foreground (default: masks hold 0 and 1 only)",
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help="raters' masks of real cases")
    parser.add_argument("--pred", type=Path, metavar="DIR", help="predictions of these cases")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-out"),
        metavar="OUT",
        help="where to write (default: demo-out)",
    )


def _add_phantoms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="where to write")
    parser.add_argument("--cases", type=_at_least(1), default=8, metavar="N", help="default: 8")
    parser.add_argument("--raters", type=_at_least(1), default=5, metavar="R", help="default: 5")
    parser.add_argument(
        "--shape",
        type=_at_least(1),
        nargs="+",
        default=[128, 128],
        metavar="N",
        help="two or three axes (default: 128 128)",
    )
    parser.add_argument("--seed", type=_at_least(0), default=0, help="default: 0")


def _at_least(low: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, got {value}")
        return value

    return integer


def _bandwidth(text: str) -> float | None:
    if text == "auto":
        return None
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be auto, or finite and above 0, got {text}")
    return value


def _probability(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text}")
    return value


def _tolerance(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {text}")
    return value
