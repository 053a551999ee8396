"""
NumPy: from raters' masks to labels and scores
==============================================

Five raters marked a lesion. Their masks are joined into one label in four ways, a prediction is
scored against each label, and a map shows where the raters disagree. Any array library would do:
the functions are the same for PyTorch, JAX, CuPy and Dask.
"""

import matplotlib.pyplot as plt
import numpy as np
from dice_semimetric_study import phantom

from dice_semimetric import (
    binarized_dice,
    dice_score,
    dice_weighted_average,
    disagreement,
    expected_calibration_error,
    majority_vote,
    rater_agreement,
    staple,
    uniform_average,
)

# %%
# The masks
# ---------
# A generated case has an image, the masks of five raters and a prediction. Raters lie along the
# first axis: your own masks are ``np.stack([mask_of_one, mask_of_another, ...])``.

case = phantom(5)
raters, prediction = case.masks, case.prediction
print(raters.shape, raters.dtype)

# %%
# One label of many masks
# -----------------------
# The majority is a hard label. The others are soft: the share of raters, the same with each rater
# weighted by the Dice score with the majority, and STAPLE, which estimates how reliable each is.

weighted, weights = dice_weighted_average(raters, return_weights=True)
labels = {
    "majority": majority_vote(raters).astype(float),
    "mean": uniform_average(raters),
    "weighted": weighted,
    "STAPLE": staple(raters),
}
print("weights of the raters:", weights.round(3))

# %%
# How far the raters agree
# ------------------------
# The Dice score of each pair, and a map that is 1 where half of the raters marked a pixel and 0
# where all agree.

agreement = rater_agreement(raters)
between = agreement.dice()
split = disagreement(raters)
print("Dice with the majority:", agreement.dice_to_majority().round(3))

rows, columns = np.nonzero(labels["mean"])
near = np.s_[
    max(rows.min() - 8, 0) : rows.max() + 9,
    max(columns.min() - 8, 0) : columns.max() + 9,
]
figure, panels = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
panels[0].imshow(case.image[near], cmap="gray", vmin=-60, vmax=110)
for rater, mask in enumerate(raters):
    panels[0].contour(mask[near], [0.5], colors=f"C{rater}", linewidths=1.2)
panels[1].imshow(split[near], cmap="viridis", vmin=0, vmax=1)
matrix = panels[2].imshow(between, cmap="Blues", vmin=0.7, vmax=1)
for i, j in np.ndindex(between.shape):
    shade = "white" if between[i, j] > 0.9 else "black"
    panels[2].text(j, i, f"{between[i, j]:.2f}", ha="center", va="center", color=shade, size=8)
for panel, title in zip(panels, ("five raters", "disagreement", "Dice of each pair"), strict=True):
    panel.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# The labels
# ----------

figure, panels = plt.subplots(1, 5, figsize=(9, 2.3), layout="constrained")
for panel, (title, plane) in zip(
    panels, (labels | {"prediction": prediction}).items(), strict=True
):
    panel.imshow(plane[near], cmap="magma", vmin=0, vmax=1)
    panel.set(title=title, xticks=[], yticks=[])
plt.show()

# %%
# The scores
# ----------
# Dice compares soft labels as they are, BDice cuts both sides at 0.1, 0.2, ..., 0.9. ECE asks
# whether a probability of 0.8 comes true in 8 of 10 pixels; it looks at the pixels near the lesion,
# since empty background would hide every difference.

counts = raters.any(axis=0) | (prediction > 0.01)
scores = {}
print(f"{'label':10}{'Dice':>8}{'BDice':>8}{'ECE':>8}")
for name, label in labels.items():
    scores[name] = {
        "Dice": float(dice_score(prediction, label)),
        "BDice": float(binarized_dice(prediction, label)),
        "ECE": float(expected_calibration_error(prediction, label, kind="binary", mask=counts)),
    }
    print(f"{name:10}" + "".join(f"{value:8.3f}" for value in scores[name].values()))
