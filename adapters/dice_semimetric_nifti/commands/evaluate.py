"""The command ``evaluate``: score a folder of predictions."""

import argparse
from pathlib import Path
from typing import Any

from ..devices import DEVICES
from ..evaluating import Sides, evaluate
from ..listing import list_pairs
from ..regions import read_regions
from ..scoring import Options
from ..summary import json_text, score_table, write_json
from .command import EXIT, LAYOUT, Command, add_common, at_least
from .running import add_habits, add_running, add_structures, workers_of
from .uncertainty import add_uncertainty, bootstrap_of, patients_of

_EPILOG = f"""examples:
  dice-semimetric evaluate --pred predictions --ref study/Testing --out scores --report report.html
  dice-semimetric evaluate --pred labels --ref labelsTr --out liver --label 5
  dice-semimetric evaluate --pred maps --ref labelsTr --out organs --regions organs.toml --jobs 4
  dice-semimetric evaluate --pred maps --pred-pattern "{{case}}/{{class}}.nii.gz" --ref labelsTr \\
      --out organs --regions organs.toml --resume --json - | jq .overall.dice

Several raters give BDice against their mean, and Dice, Jaccard and ECE against their strict
majority. A single reference, hard or soft, is its own mean, and above 0.5 its own majority.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
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
        type=at_least(1),
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
    add_common(parser)
    add_structures(parser)
    add_uncertainty(parser)
    add_running(parser)
    add_habits(parser)


def _run(args: argparse.Namespace) -> int:
    sides: dict[str, Any] = {
        "pattern": args.pattern,
        "pred_pattern": args.pred_pattern,
        "raters": args.raters,
        "mask": args.mask,
        "mask_pattern": args.mask_pattern,
        "follow_links": args.follow_links,
    }
    if args.dry_run:
        text, faults = list_pairs(Sides(args.pred, args.ref, **sides))
        print(text)
        return 1 if faults else 0
    options = Options(
        thresholds=tuple(sorted(set(args.thresholds))),
        n_bins=args.bins,
        empty="skip" if args.empty == "skip" else float(args.empty),
        label=args.label,
        tolerance=args.affine_tolerance,
        regions=read_regions(args.regions) if args.regions else None,
        ignore=tuple(args.ignore),
        reorient=args.allow_reorient,
        slab=args.slab,
    )
    summary = evaluate(
        args.pred,
        args.ref,
        args.out,
        options=options,
        pictures=not args.no_pictures,
        workers=workers_of(args),
        resume=args.resume,
        device=args.device,
        patients=patients_of(args),
        bootstrap=bootstrap_of(args),
        report_file=args.report,
        **sides,
    )
    if args.json == "-":
        print(json_text(summary), end="")
    elif args.json is not None:
        write_json(Path(args.json), summary)
    if args.json != "-" and not args.quiet:
        print(score_table(summary))
        print(f"results in {args.out}" + (f", report in {args.report}" if args.report else ""))
    return 1 if summary["faults"] else 0


def _probability(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text}")
    return value


COMMAND = Command("evaluate", "score predictions against references", _EPILOG, _add_options, _run)
