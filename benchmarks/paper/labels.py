"""What several raters' masks become in training: the rows of the paper's Table 1."""

import numpy as np

from dice_semimetric import (
    dice_weighted_average,
    majority_vote,
    random_rater,
    smooth_labels,
    uniform_average,
)

from .config import Config


def training_label(raters: np.ndarray, config: Config, rng: np.random.Generator) -> np.ndarray:
    """Return the label in [0, 1], float32, of masks (R, *spatial); only "random" draws."""
    if config.labels == "random":
        return random_rater(raters, rng=rng).astype(np.float32)
    if config.labels == "uniform":
        return uniform_average(raters, dtype=np.float32)
    if config.labels == "weighted":
        return dice_weighted_average(raters, dtype=np.float32)
    majority = majority_vote(raters).astype(np.float32)
    if config.labels == "majority":
        return majority
    return smooth_labels(majority[None], epsilon=config.smoothing, axis=0)[0]
