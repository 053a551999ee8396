"""
nnU-Net: several raters, start to finish
========================================

A folder of raters' masks becomes a data set for nnU-Net whose labels count the votes. nnU-Net
plans, trains on the share of the raters, and predicts; the saved probabilities are scored against
all raters. Without nnU-Net (``pip install nnunetv2``) the commands are printed and not run::

    python examples/nnunet_raters.py --out work

Give your own folder by ``--study``.
"""

import argparse
import importlib.util
import os
import shlex
import subprocess
import sys
from pathlib import Path

parser = argparse.ArgumentParser(description="Train nnU-Net on the labels of several raters.")
parser.add_argument("--study", type=Path, help="cases with image and raters; else phantoms")
parser.add_argument("--out", type=Path, default=Path("nnunet-work"))
parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
options = parser.parse_args()

# %%
# Where nnU-Net finds its folders, and the trainers of this package
# -----------------------------------------------------------------

trainers = importlib.util.find_spec("dice_semimetric_torch").submodule_search_locations[0]
variables = {f"nnUNet_{n}": str(options.out / n) for n in ("raw", "preprocessed", "results")}
variables["nnUNet_extTrainer"] = str(Path(trainers) / "nnunet")
present = importlib.util.find_spec("nnunetv2") is not None


def run(command: str, *, needs_nnunet: bool = False) -> None:
    """Print a command, and run it if what it needs is there."""
    print("$", command)
    if present or not needs_nnunet:
        words = shlex.split(command)
        if words[0] == "dice-semimetric":
            words = [sys.executable, "-m", "dice_semimetric_study", *words[1:]]
        subprocess.run(words, check=True, env={**os.environ, **variables})


# %%
# The data set
# ------------
# A voxel that k of R raters marked has the label k. Images are linked, not copied.

options.out.mkdir(parents=True, exist_ok=True)
if options.study is None:
    run(f"dice-semimetric phantoms --out {options.out}/phantoms")
    options.study = options.out / "phantoms/raters"
dataset = options.out / "raw/Dataset001_Raters"
run(f"dice-semimetric nnunet {options.study} --out {dataset}")

# %%
# Plan, train, predict
# --------------------
# nnUNetTrainerDMLRaters trains on the share of the raters, by cross-entropy and DML.

run("nnUNetv2_plan_and_preprocess -d 1 -c 2d --verify_dataset_integrity", needs_nnunet=True)
trainer = "-tr nnUNetTrainerDMLRaters"
run(f"nnUNetv2_train 1 2d 0 {trainer} -device {options.device}", needs_nnunet=True)
run(
    f"nnUNetv2_predict -d 1 -c 2d -f 0 {trainer} -i {dataset}/imagesTr -o {options.out}/predicted"
    f" --save_probabilities -device {options.device}",
    needs_nnunet=True,
)

# %%
# Scores against all raters
# -------------------------
# On cases that the network has not seen this is your result; here it shows the way.

run(
    f"dice-semimetric evaluate --pred {options.out}/predicted --pred-pattern '{{case}}.npz'"
    f" --ref {options.study} --out {options.out}/scores --report {options.out}/report.html",
    needs_nnunet=True,
)
