"""The command ``fuse``: fuse the masks of each case's raters."""

import argparse

from ..choices import FUSE_METHODS
from .command import EXIT, LAYOUT, Command, add_path, integer
from .options import add_anonymise, add_files, add_reading, add_report, add_running, add_workers

_EPILOG = f"""examples:
  dice-semimetric fuse study/Training --out mean --method uniform
  dice-semimetric fuse study/Training --out one --method random --seed 7
  dice-semimetric fuse masks --out staple --method staple --pattern "{{case}}/{{rater}}.nii.gz"
  dice-semimetric fuse labels --out organs --method majority --regions organs.toml --jobs 4

--regions writes one map for each region, CASE/task01_REGION.nii.gz. majority and random then also
write CASE/task01.nii.gz, the label map of all labels. They and staple write it where masks are
label maps and neither --label nor --regions is given. Of labels that tie, the lowest is taken.
Voxels that do not count become 0.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "folder", metavar="DIR", help="the raters' masks")
    parser.add_argument(
        "--method",
        required=True,
        choices=FUSE_METHODS,
        help="majority and random make masks and label maps, staple label maps of label maps; "
        "else labels are soft",
    )
    add_report(parser, "the raters, pictures and all cases", pictures=True)
    parser.add_argument("--seed", type=integer(0), help="of the draw of random (default: 0)")
    add_files(parser, predictions=False)
    add_reading(parser)
    add_workers(parser)
    add_running(parser)
    add_anonymise(parser)


COMMAND = Command("fuse", "fuse the masks of several raters into one", _EPILOG, _add_options)
