"""
Evaluation on a GPU
===================

The scores of a data set on whatever is there: CuPy, PyTorch with CUDA, or NumPy. The code is the
same, since every function works on the arrays that it is given and leaves them where they are.
Statistics of single cases add up to those of the data set, so that one case at a time is enough.
"""

import argparse
import time
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from dice_semimetric_study import phantom

from dice_semimetric import (
    calibration_bins,
    overlap,
    overlap_loss,
    threshold_counts,
    uniform_average,
)

# %%
# Which library
# -------------
# CuPy imports without a GPU and fails at the first array, so it is asked for one.


def available() -> dict[str, Any]:
    """Return what makes an array of a NumPy array, for each library that can compute here."""
    found: dict[str, Any] = {"numpy": np.asarray}
    try:
        import torch

        found["torch"] = torch.from_numpy
        if torch.cuda.is_available():
            found["torch-cuda"] = lambda array: torch.from_numpy(array).cuda()
    except ImportError:
        pass
    try:
        import cupy

        if cupy.cuda.is_available():
            found["cupy"] = cupy.asarray
    except ImportError:
        pass
    return found


parser = argparse.ArgumentParser(description="Score predictions on a GPU, or where there is none.")
parser.add_argument("--library", choices=("numpy", "torch", "torch-cuda", "cupy"))
parser.add_argument("--cases", type=int, default=6)
options = parser.parse_args()
libraries = available()
library = options.library or list(libraries)[-1]
if library not in libraries:
    parser.error(f"{library} cannot compute here; there are {', '.join(libraries)}")
print("the scores are computed by", library)
if not {"torch-cuda", "cupy"} & set(libraries):
    print("on a machine with a GPU: by CUDA kernels, with pip install 'dice-semimetric[cupy]',")
    print("or by torch on cuda, with pip install 'dice-semimetric[torch]'")

# %%
# The scores
# ----------
# Each case goes to the device once. Its sums stay there, and a few numbers come back at the end.

made = [phantom(number) for number in range(options.cases)]
start = time.perf_counter()
overlaps, counts, bins = [], [], []
for case in made:
    prediction, raters = (libraries[library](a) for a in (case.prediction, case.masks))
    label = uniform_average(raters)
    near = (prediction > 0.01) | (label > 0)
    overlaps.append(overlap(prediction, label))
    counts.append(threshold_counts(prediction, label))
    bins.append(calibration_bins(prediction, label, kind="binary", mask=near))
by_threshold = np.asarray([float(score) for score in sum(counts).dice()])
pooled = sum(bins)
scores = {
    "Dice": 1 - float(overlap_loss(sum(overlaps), form="dml1")),
    "BDice": float(by_threshold.mean()),
    "ECE": float(pooled.error()),
}
seconds = time.perf_counter() - start
print({name: round(value, 4) for name, value in scores.items()}, f"in {seconds:.2f} s")

# %%
# Drawing
# -------
# Only the figures leave the device: ``float`` reads a number of any library.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.plot(np.linspace(0.1, 0.9, 9), by_threshold, "o-")
left.set(xlabel="threshold", ylabel="Dice", title=f"BDice {scores['BDice']:.3f}", ylim=(0.8, 1))
confidence, frequency = (
    [float(value) for value in part] for part in (pooled.mean_confidence(), pooled.frequency())
)
right.plot([0, 1], [0, 1], ":", color="grey")
right.plot(confidence, frequency, "o-")
right.set(xlabel="predicted", ylabel="share of raters", title=f"ECE {scores['ECE']:.3f}")
plt.show()
