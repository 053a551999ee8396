"""The command ``nnunet``: a data set for nnU-Net whose labels count the raters' votes."""

import argparse

from .command import EXIT, LAYOUT, Command, add_flag, add_path
from .options import add_files, add_reading, add_running, add_workers

_EPILOG = f"""examples:
  dice-semimetric nnunet study/Training --out nnUNet_raw/Dataset001_Prostate
  dice-semimetric nnunet study --out nnUNet_raw/Dataset002_Tumour --structure task02
  dice-semimetric nnunet masks --out nnUNet_raw/Dataset003_Lesions \\
      --pattern "{{case}}/{{rater}}.nii.gz" \\
      --images scans --image-pattern "{{case}}_{{channel}}.nii.gz" --channels T1 FLAIR

The label of a voxel that k of R raters marked is k, and nnU-Net takes the labels 1 to R as one
region. Where cases have different numbers of raters (--raters any), all labels are multiplied so
that the same label stands for all raters of each case. Voxels that do not count get nnU-Net's
ignore label. The trainer nnUNetTrainerDMLRaters learns the share of the raters:

  export nnUNet_extTrainer=$(python -m dice_semimetric_torch.nnunet)
  nnUNetv2_plan_and_preprocess -d 1 --verify_dataset_integrity
  nnUNetv2_train 1 2d 0 -tr nnUNetTrainerDMLRaters
  nnUNetv2_predict -d 1 -c 2d -f 0 -tr nnUNetTrainerDMLRaters -i imagesTs -o predicted \\
      --save_probabilities
  dice-semimetric evaluate --pred predicted --pred-pattern "{{case}}.npz" --ref study --out scores

Images are those of the study, headers included: links to its files, or copies.

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_path(parser, "folder", metavar="DIR", help="the raters' masks")
    parser.add_argument(
        "--structure",
        metavar="NAME",
        help="the task, or the region of --regions, whose votes are counted, where there are more",
    )
    add_path(
        parser, "--images", metavar="DIR", help="the images (default: image.nii.gz beside masks)"
    )
    parser.add_argument(
        "--image-pattern",
        metavar="PATTERN",
        help="file names in the folder of --images; {channel} where each channel has a file",
    )
    parser.add_argument(
        "--channels",
        nargs="+",
        metavar="NAME",
        help="names of the channels, by which nnU-Net normalizes, such as CT (default: image)",
    )
    add_flag(parser, "--copy", "copy the images (default: links to the study's files)")
    add_files(parser, predictions=False)
    add_reading(parser)
    add_workers(parser)
    add_running(parser)


COMMAND = Command(
    "nnunet", "write a data set for nnU-Net that counts the raters' votes", _EPILOG, _add_options
)
