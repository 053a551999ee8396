"""The command ``evaluate``: score a folder of predictions."""

import argparse
from pathlib import Path

from ..evaluate.evaluate import Sides, evaluate
from ..results.registry import PREDICTION_SCORES, glossary
from ..scores.summary import score_table
from .command import EXIT, LAYOUT, Command, add_common
from .listing import list_pairs
from .running import add_habits, add_running, workers_of
from .scoring import add_json, add_scoring, options_of, sides_of, tell
from .uncertainty import add_uncertainty, bootstrap_of, patients_of

_EPILOG = f"""examples:
  dice-semimetric evaluate --pred predictions --ref study/Testing --out scores --report report.html
  dice-semimetric evaluate --pred labels --ref labelsTr --out liver --label 5
  dice-semimetric evaluate --pred maps --ref labelsTr --out organs --regions organs.toml --jobs 4
  dice-semimetric evaluate --pred maps --pred-pattern "{{case}}/{{class}}.nii.gz" --ref labelsTr \\
      --out organs --regions organs.toml --resume --json - | jq .overall.dice

scores:
{glossary(PREDICTION_SCORES)}

The soft reference is the raters' mean, and the hard reference their strict majority. A single
reference, hard or soft, is the soft reference itself, and the hard one where it is above 0.5.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pred", type=Path, required=True, metavar="DIR", help="predictions")
    parser.add_argument("--ref", type=Path, required=True, metavar="DIR", help="references")
    add_json(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write one HTML page with curves, pictures and all cases, to be opened in a browser",
    )
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    add_common(parser)
    add_scoring(parser)
    add_uncertainty(parser)
    add_running(parser)
    add_habits(parser)


def _run(args: argparse.Namespace) -> int:
    sides = sides_of(args)
    if args.dry_run:
        text, faults = list_pairs(Sides(args.pred, args.ref, **sides))
        print(text)
        return 1 if faults else 0
    summary = evaluate(
        args.pred,
        args.ref,
        args.out,
        options=options_of(args),
        pictures=not args.no_pictures,
        workers=workers_of(args),
        resume=args.resume,
        device=args.device,
        patients=patients_of(args),
        bootstrap=bootstrap_of(args),
        report_file=args.report,
        **sides,
    )
    where = f"results in {args.out}" + (f", report in {args.report}" if args.report else "")
    tell(args, summary, f"{score_table(summary)}\n{where}")
    return 1 if summary["faults"] else 0


COMMAND = Command("evaluate", "score predictions against references", _EPILOG, _add_options, _run)
