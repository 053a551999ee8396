"""
The paradox of soft Dice
========================

The soft Dice loss (SDL) is not smallest at a soft label: it prefers a hard mask. The Dice
semimetric losses (DML) are 0 at the label, and only there. Two pictures show it: a label of one
half, and the mean of five raters.
"""

import matplotlib.pyplot as plt
import numpy as np
from dice_semimetric_study import phantom

from dice_semimetric import dml1, majority_vote, sdl, uniform_average

COLOURS = {"SDL": "tab:orange", "DML1": "tab:blue"}
LOSSES = {"SDL": sdl, "DML1": dml1}

# %%
# A label of one half
# -------------------
# Half of the raters marked every pixel, so the label is 0.5 everywhere. Both losses of a constant
# prediction from 0 to 1:

label = np.full(100, 0.5)
values = np.linspace(0, 1, 101)
curves = {
    name: np.array([loss(np.full(100, value), label) for value in values])
    for name, loss in LOSSES.items()
}

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, curve in curves.items():
    best = curve.argmin()
    axes.plot(values, curve, color=COLOURS[name], label=name)
    axes.plot(values[best], curve[best], "o", color=COLOURS[name])
axes.axvline(0.5, color="grey", linestyle=":")
axes.annotate("the label", (0.5, 0.9), xytext=(4, 0), textcoords="offset points", color="grey")
axes.set(xlabel="prediction", ylabel="loss", title="SDL pulls a prediction of 0.5 up to 1")
axes.legend(frameon=False)
plt.show()

# %%
# The mean of five raters
# -----------------------
# Of all predictions, the one that SDL likes best is a hard mask: the mean, cut at one of its own
# values. On the straight way from the mean to that mask, SDL falls and DML1 rises.

case = phantom(8)
mean = uniform_average(case.masks)
masks = [(mean >= cut).astype(float) for cut in np.unique(mean)]
mask = min(masks, key=lambda m: float(sdl(m, mean)))

way = np.linspace(0, 1, 51)
losses = {
    name: np.array([loss((1 - w) * mean + w * mask, mean) for w in way])
    for name, loss in LOSSES.items()
}
for name, loss in losses.items():
    print(f"{name:4} at the mean {loss[0]:.3f}, at the mask {loss[-1]:.3f}")

rows, columns = np.nonzero(mean)
near = np.s_[
    max(rows.min() - 8, 0) : rows.max() + 9,
    max(columns.min() - 8, 0) : columns.max() + 9,
]
figure, panels = plt.subplots(1, 4, figsize=(9, 2.7), layout="constrained")
panels[0].imshow(case.image[near], cmap="gray", vmin=-60, vmax=110)
for rater, one in enumerate(case.masks):
    panels[0].contour(one[near], [0.5], colors=f"C{rater}", linewidths=1.2)
panels[1].imshow(mean[near], cmap="magma", vmin=0, vmax=1)
panels[2].imshow(mask[near], cmap="magma", vmin=0, vmax=1)
panels[0].set_title("five raters")
panels[1].set_title("their mean: best for DML")
panels[2].set_title("best for SDL: a mask")
for panel in panels[:3]:
    panel.set_axis_off()
for name, loss in losses.items():
    panels[3].plot(way, loss, color=COLOURS[name], label=name)
panels[3].set(title="loss against the mean", ylim=(-0.01, None))
panels[3].set_xticks([0, 1], ["the mean", "the mask"])
panels[3].legend(frameon=False)
plt.show()

# sphinx_gallery_thumbnail_number = 2

# %%
# Which of the two each loss prefers
# ----------------------------------
# On hard labels the losses agree. On soft labels, only DML asks for the label.

labels = {"majority": majority_vote(case.masks).astype(float), "mean": mean}
preferred = {}
for which, target in labels.items():
    candidates = {"the mask": labels["majority"], "the mean": mean}
    for name, loss in LOSSES.items():
        found = {what: float(loss(x, target)) for what, x in candidates.items()}
        preferred[name, which] = min(found, key=found.__getitem__)
        print(f"{name:4} on the {which:8} prefers {preferred[name, which]}")
