"""The command ``evaluate``: score a folder of predictions."""

import argparse

from ..results.registry import ALL_SCORES, ASKED_BY, OPTIONAL_SCORES, PROTOCOLS, glossary
from .command import EXIT, LAYOUT, Command, add_path
from .options import (
    add_anonymise,
    add_json,
    add_report,
    add_scoring,
    add_shapes,
    add_study,
    add_table,
)

_OPTIONAL = "\n\n".join(
    f"with {ASKED_BY[option]}:\n{glossary(scores)}" for option, scores in OPTIONAL_SCORES.items()
)
_EPILOG = f"""examples:
  dice-semimetric evaluate --pred predictions --ref study/Testing --out scores --report report.html
  dice-semimetric evaluate --pred labels --ref labelsTr --out liver --label 5
  dice-semimetric evaluate --pred maps --ref labelsTr --out organs --regions organs.toml --jobs 4
  dice-semimetric evaluate --pred maps --pred-pattern "{{case}}/{{class}}.nii.gz" --ref labelsTr \\
      --out organs --regions organs.toml --resume --json - | jq .overall.dice
  dice-semimetric evaluate --pred folds --pred-pattern "fold_{{fold}}/{{case}}.npz" --out organs \\
      --ref nnUNet_raw/Dataset001_Organs --layout nnunet
  dice-semimetric evaluate --pred png --ref annotators --scale 255 --pred-scale 255 --out cells
  dice-semimetric evaluate --pred preds --ref study/Testing --out scores --lesions --surface \\
      --tolerance raters --missing worst
  dice-semimetric evaluate --pred drawn --pred-pattern "{{case}}/{{sample}}.nii.gz" \\
      --ref study/Testing --out drawn-scores

scores:
{glossary(ALL_SCORES)}

{_OPTIONAL}

The soft reference is the raters' mean, and the hard reference their strict majority. A single
reference, hard or soft, is the soft reference itself, and the hard one where it is above 0.5.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "--pred", required=True, metavar="DIR", help="predictions")
    add_path(parser, "--ref", required=True, metavar="DIR", help="references")
    add_path(
        parser,
        "--images",
        metavar="DIR",
        help="images for the page's pictures (default: image.nii.gz beside the references)",
    )
    parser.add_argument(
        "--image-pattern",
        metavar="PATTERN",
        help="file names in the folder of --images, such as {case}_0000.nii.gz",
    )
    add_json(parser)
    add_table(parser)
    add_report(parser, "curves, pictures and all cases", pictures=True)
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        help="show the scores of a challenge first: on the terminal, with --table and on the page",
    )
    add_scoring(parser)
    add_shapes(parser)
    add_study(parser)
    add_anonymise(parser)


COMMAND = Command("evaluate", "score predictions against references", _EPILOG, _add_options)
