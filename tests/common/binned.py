"""A problem of calibration, and its bins counted one pixel after the other."""

import numpy as np
import reference


def problem(rng: np.random.Generator, kind: str, dtype: str, classes: int, soft: bool) -> tuple:
    """Return probabilities, many on an edge, and labels, with an ignored one among hard ones."""
    shape = (2, 5, 6)
    if kind == "binary":
        prob = np.round(rng.random(shape) * 20) / 20
        label = np.round(rng.random(shape) * 4) / 4 if soft else rng.integers(0, 2, shape)
    else:
        prob = np.round(rng.dirichlet([1.0] * max(classes, 2), shape) * 20) / 20
        prob = np.moveaxis(prob, -1, 1)[:, :classes]
        label = rng.integers(0, max(classes, 2), shape)
        if soft:
            label = np.moveaxis(rng.dirichlet([1.0] * max(classes, 2), shape), -1, 1)[:, :classes]
    if soft:
        return prob.astype(dtype), label.astype(dtype), None
    label[0, 0, :2] = 9
    return prob.astype(dtype), label, 9


def by_hand(prob, label, kept, edges, kind: str) -> np.ndarray:
    """Return (3, n_bins), or (3, C, n_bins) for classwise."""
    if kind == "binary":
        return reference.calibration_bins(prob, label, kept, edges)
    if prob.shape[1] == 1:
        prob = np.concatenate([1 - prob, prob], axis=1)
        label = label if label.ndim < prob.ndim else np.concatenate([1 - label, label], axis=1)
    if label.ndim < prob.ndim:
        label = reference.one_hot(label, prob.shape[1])
    if kind == "top_label":
        return reference.calibration_bins(*reference.top_label(prob, label), kept, edges)
    rows = [
        reference.calibration_bins(prob[:, c], label[:, c], kept, edges)
        for c in range(prob.shape[1])
    ]
    return np.stack(rows, axis=1)
