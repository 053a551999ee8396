"""Run ``nnunet``."""

import argparse

from ..cases.layout import CaseFiles
from ..cases.study import Study
from ..faults import counted, show
from ..nnunet.dataset import Wanted, find_imaged, write_dataset
from ..nnunet.folder import require_free
from ..runs.each import without_stop
from ..starting import STOPPED
from .given import reading_of, require_use, run_of, study_of
from .printing import print_table


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    require_use(args, "image_pattern", args.images is not None, "--images")
    number, _ = require_free(args.out)
    study, reading, wanted = study_of(args, ref=args.folder), reading_of(args), _wanted(args)
    if args.dry_run:
        cases, faults = find_imaged(study, wanted, reading)
        found = [(CaseFiles(c.case, c.task, c.images), c.reference) for c in cases]
        folder = study.ref if wanted.images is None else wanted.images.ref
        return print_table({"image": folder, "masks": study.ref}, found, faults)
    count, faults = write_dataset(study, run_of(args), wanted, reading)
    wrong, stop = without_stop(faults)
    if not args.quiet:
        faulty = f"{counted(len(wrong), 'case')} faulty{stop and '; ' + stop}"
        show(f"{counted(count, 'case')} written to {args.out}, {faulty}")
        show(f"next: {_NEXT.format(number=number, raw=args.out.absolute().parent)}" * bool(count))
    return STOPPED if stop else 1 if wrong else 0


_NEXT = """
  export nnUNet_raw={raw}
  export nnUNet_extTrainer=$(python -m dice_semimetric_torch.nnunet)
  nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity
  nnUNetv2_train {number} 2d 0 -tr nnUNetTrainerDMLRaters --npz"""


def _wanted(args: argparse.Namespace) -> Wanted:
    images = None
    if args.images is not None:
        pattern = args.image_pattern and args.image_pattern.replace("{channel}", "{rater}")
        images = Study(args.images, pattern=pattern, raters="any", follow_links=args.follow_links)
    return Wanted(args.structure, images, tuple(args.channels or ()), copy=args.copy)
