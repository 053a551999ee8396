"""Slow, obvious float64 references, straight from the paper's equations."""

from importlib import import_module
from typing import Any

import numpy as np

Float = np.ndarray


def sums(x: Float, y: Float) -> tuple[float, float, float, float]:
    """Sum x, y, |x - y| and x y one pixel after the other."""
    total = [0.0, 0.0, 0.0, 0.0]
    for a, b in zip(np.ravel(x).astype(float), np.ravel(y).astype(float), strict=True):
        total = [total[0] + a, total[1] + b, total[2] + abs(a - b), total[3] + a * b]
    return tuple(total)


def loss(name: str, x: Float, y: Float, alpha: float = 0.5, beta: float = 0.5) -> float:
    """Return the loss of that name as the paper's equation has it; empty against empty is 0."""
    x, y = np.ravel(x).astype(float), np.ravel(y).astype(float)

    def norm(v: Float) -> float:
        return float(np.sum(np.abs(v)))

    inner = float(np.sum(x * y))
    twice = norm(x + y) - norm(x - y)
    numerator, denominator = {
        "sdl": (2 * inner, norm(x) + norm(y)),
        "sjl": (inner, norm(x) + norm(y) - inner),
        "jml1": (twice, norm(x + y) + norm(x - y)),
        "jml2": (norm(x * y), norm(x * y) + norm(x - y)),
        "dml1": (twice, norm(x + y)),
        "dml2": (2 * norm(x * y), 2 * norm(x * y) + norm(x - y)),
        "stl": (inner, alpha * norm(x) + beta * norm(y) + (1 - alpha - beta) * inner),
        "ctl": (
            twice,
            2 * alpha * norm(x) + 2 * beta * norm(y) + (1 - alpha - beta) * twice,
        ),
    }[name]
    return 0.0 if denominator <= 0 else 1 - numerator / denominator


def softmax(z: Float, axis: int = 1) -> Float:
    """Return the softmax of float64 logits."""
    e = np.exp(z.astype(float) - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def one_hot(label: Float, num_classes: int) -> Float:
    """Return (B, C, *spatial) from (B, *spatial), a label outside 0..C-1 all zero."""
    return np.stack([label == c for c in range(num_classes)], axis=1).astype(float)


def boundary(label: Float, width: int, batch_axes: int = 1, ignore: int | None = None) -> Float:
    """Look at every pixel's window, cut at the border, for a label that is not its own."""
    found = np.zeros(label.shape, bool)
    reach = width // 2
    for place in np.ndindex(label.shape):
        window = tuple(
            slice(i, i + 1) if a < batch_axes else slice(max(0, i - reach), i + reach + 1)
            for a, i in enumerate(place)
        )
        others = [v for v in np.ravel(label[window]) if v not in (label[place], ignore)]
        found[place] = label[place] != ignore and len(others) > 0
    return found


def votes(raters: Float, num_classes: int) -> Float:
    """Count each class's votes one rater after the other: (C, ...)."""
    count = np.zeros((num_classes, *raters.shape[1:]), int)
    for rater in raters:
        for c in range(num_classes):
            count[c] += rater == c
    return count


def dice(x: Float, y: Float) -> float:
    """Return the Dice score of two masks; empty against empty is 1."""
    total = int(np.sum(x)) + int(np.sum(y))
    return 2 * int(np.sum(x & y)) / total if total else 1.0


def cohen_kappa(x: Float, y: Float) -> float:
    """Return Cohen's kappa of two masks; 1 if chance alone makes them agree everywhere."""
    x, y = np.ravel(x).astype(bool), np.ravel(y).astype(bool)
    seen = np.mean(x == y)
    chance = np.mean(x) * np.mean(y) + np.mean(~x) * np.mean(~y)
    return float((seen - chance) / (1 - chance)) if chance < 1 else 1.0


def fleiss_kappa(raters: Float) -> float:
    """Return Fleiss' kappa of masks, pixel by pixel; 1 if all say the same of every pixel."""
    flat = raters.reshape(len(raters), -1).astype(bool)
    number = len(flat)
    alike = [
        np.mean([a == b for i, a in enumerate(p) for j, b in enumerate(p) if i != j])
        for p in flat.T
    ]
    marked = flat.sum() / (number * flat.shape[1])
    chance = marked**2 + (1 - marked) ** 2
    return float((np.mean(alike) - chance) / (1 - chance)) if 0 < marked < 1 else 1.0


def staple(masks: Float, iterations: int) -> tuple[Float, Float, Float]:
    """Iterate Warfield's equations pixel by pixel, on plain products of probabilities."""
    votes = masks.reshape(len(masks), -1).astype(bool)
    prior = votes.mean()
    p = q = np.full(len(votes), 0.99999)
    for _ in range(iterations + 1):
        yes = prior * np.prod(np.where(votes.T, p, 1 - p), axis=1)
        no = (1 - prior) * np.prod(np.where(votes.T, 1 - q, q), axis=1)
        w = yes / (yes + no)
        last = p, q
        p = np.array([w[v].sum() for v in votes]) / w.sum()
        q = np.array([(1 - w)[~v].sum() for v in votes]) / (1 - w).sum()
    return w.reshape(masks.shape[1:]), *last


def staple_of_classes(
    labels: Float, there: Float, num_classes: int, iterations: int
) -> tuple[Float, Float]:
    """Iterate Warfield's equations of several classes, one pixel and one rater after the other."""
    number, pixels = len(labels), labels[0].size
    said = labels.reshape(number, pixels)
    there = np.broadcast_to(there, labels.shape).reshape(number, pixels)
    prior = np.array([np.sum((said == c) & there) for c in range(num_classes)], float)
    prior = prior / prior.sum()
    right = np.eye(num_classes)
    matrices = np.where(right, 0.99999, 1e-5 / (num_classes - 1)) * np.ones((number, 1, 1))
    for _ in range(iterations + 1):
        soft = np.tile(prior[:, None], pixels)
        for r, i in np.argwhere(there):
            soft[:, i] *= matrices[r, :, said[r, i]]
        soft /= soft.sum(axis=0)
        last, matrices = matrices, np.zeros_like(matrices)
        for r, i in np.argwhere(there):
            matrices[r, :, said[r, i]] += soft[:, i]
        total = matrices.sum(axis=2, keepdims=True)
        matrices = np.where(total > 0, matrices / np.where(total > 0, total, 1), right)
    return soft.reshape(num_classes, *labels.shape[1:]), last


def threshold_counts(x: Float, y: Float, mask: Float, thresholds: tuple, axis: object) -> list:
    """Count x >= t, y >= t and both, in the arrays' own dtypes, thresholds first."""
    counts = []
    for t in thresholds:
        a, b = (x >= x.dtype.type(t)) & mask, (y >= y.dtype.type(t)) & mask
        counts.append([np.sum(v.astype(int), axis=axis) for v in (a, b, a & b)])
    return [np.stack(field) for field in zip(*counts, strict=True)]


def dirichlet(f: Float, keys: Float, bandwidth: float) -> list[list]:
    """Return ln k(f_j, f_i) in 50 digits, None for k = 0: Eq. (23), and Eq. (22) for one column."""
    mpmath = import_module("mpmath")
    mpmath.mp.dps = 50

    def exact(row: Float) -> list:
        values = [mpmath.mpf(float(v)) for v in row]
        return values if len(values) > 1 else [1 - values[0], values[0]]

    def log_kernel(pixel: list, key: list, constant: object) -> object:
        if any(p == 0 and a > 0 for p, a in zip(pixel, key, strict=True)):
            return None
        terms = (a * mpmath.log(p) for p, a in zip(pixel, key, strict=True) if p > 0)
        return sum(terms, constant)

    alphas = [[v / mpmath.mpf(bandwidth) for v in exact(row)] for row in keys]
    constants = [
        mpmath.loggamma(sum(a) + len(a)) - sum(mpmath.loggamma(v + 1) for v in a) for a in alphas
    ]
    pixels = [exact(row) for row in f]
    return [[log_kernel(p, a, c) for a, c in zip(alphas, constants, strict=True)] for p in pixels]


def kernel_mean(log_kernels: list[list], labels: Float, skip_self: bool = False) -> Float:
    """Return Eq. (21) for each pixel, labels (m, C)."""
    mpmath = import_module("mpmath")
    result = np.empty((len(log_kernels), labels.shape[1]))
    for j, row in enumerate(log_kernels):
        kept = [i for i, v in enumerate(row) if v is not None and not (skip_self and i == j)]
        peak = max(row[i] for i in kept)
        weight = {i: mpmath.exp(row[i] - peak) for i in kept}
        for c in range(labels.shape[1]):
            total = sum(w * mpmath.mpf(float(labels[i, c])) for i, w in weight.items())
            result[j, c] = float(total / sum(weight.values()))
    return result


def kernel_error(f: Float, labels: Float, bandwidth: float, p: int) -> float:
    """Return the mean over rows of the sum of ``|E[y | f] - f| ** p``, leave-one-out."""
    mean = kernel_mean(dirichlet(f, f, bandwidth), labels, skip_self=True)
    return float(np.mean(np.sum(np.abs(mean - f.astype(float)) ** p, axis=1)))


def calibration_bins(prob: Float, label: Float, kept: Float, edges: Float) -> Float:
    """Put one pixel after the other into its bin: count, confidence, correctness; (3, n_bins)."""
    sums = np.zeros((3, len(edges) - 1))
    for p, y, keep in zip(np.ravel(prob), np.ravel(label), np.ravel(kept), strict=True):
        if keep:
            inside = [k for k in range(len(edges) - 1) if edges[k] <= p < edges[k + 1]]
            place = inside[0] if inside else (0 if p < edges[0] else len(edges) - 2)
            sums[:, place] += [1, float(p), float(y)]
    return sums


def top_label(prob: Float, label: Float) -> tuple[Float, Float]:
    """Return largest probability and label's mass there, from two (B, C, *spatial)."""
    best = np.expand_dims(np.argmax(prob, axis=1), 1)
    return tuple(np.take_along_axis(a, best, 1)[:, 0] for a in (prob, label))


def tolerance(dtype: Any) -> dict[str, float]:
    """Return rtol and atol for comparing a result of that dtype with float64."""
    return {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
