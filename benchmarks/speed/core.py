"""The core on NumPy against the plain formulas and torchmetrics.

Run `python -m benchmarks.speed.core`, with `--json PATH` to keep the result, `--threads 1` to
hold PyTorch to one thread (NumPy's reductions, ours and theirs, always take one) and `--side` for
other sizes. "memory" is the peak of what is allocated on the way, and "copy" the rate at which the
input is read, as a part of the rate of a copy: 100 % would be as fast as memory allows.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

import dice_semimetric as ds

from .timing import Case, environment, measure, read_bandwidth, show, write

THRESHOLDS = [k / 10 for k in range(1, 10)]
EDGES = [k / 10 for k in range(11)]


def plain_dml1(x: np.ndarray, y: np.ndarray) -> float:
    """Eq. (4) as it is written."""
    both = np.sum(np.abs(x + y))
    return float(1 - (both - np.sum(np.abs(x - y))) / both)


def plain_bdice(x: np.ndarray, y: np.ndarray) -> float:
    """Threshold after threshold, on boolean masks."""
    scores = []
    for t in THRESHOLDS:
        a, b = x >= t, y >= t
        scores.append(2 * np.sum(a & b) / (np.sum(a) + np.sum(b)))
    return float(np.mean(scores))


def plain_ece(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Bin after bin."""
    error = 0.0
    for low, high in pairwise(EDGES):
        inside = (confidence >= low) & ((confidence < high) if high < 1 else True)
        if inside.any():
            gap = correct[inside].mean() - confidence[inside].mean(dtype=float)
            error += inside.mean() * abs(gap)
    return float(error)


def plain_top_label(prob: np.ndarray, label: np.ndarray) -> float:
    """The largest probability, then bin after bin."""
    return plain_ece(prob.max(axis=1).ravel(), (prob.argmax(axis=1) == label).ravel())


def cases(side: int) -> list[Case]:
    """Return the comparisons, on volumes of that side."""
    rng = np.random.default_rng(0)
    x = rng.random((side,) * 3, dtype=np.float32)
    y = np.round(rng.random((side,) * 3, dtype=np.float32) * 4) / 4
    hit = rng.random((side,) * 3, dtype=np.float32) < x**1.5
    prob = rng.random((1, 4, side // 2, side // 2, side), dtype=np.float32) ** 3
    prob /= prob.sum(axis=1, keepdims=True)
    label = rng.integers(0, 4, (1, *prob.shape[2:]))
    flat, flat_hit = torch.from_numpy(x.ravel()), torch.from_numpy(hit.ravel()).int()
    many, many_label = torch.from_numpy(prob), torch.from_numpy(label)
    return [
        Case(
            f"DML1, {side}^3 float32",
            {"ours": lambda: ds.dml1(x, y), "plain NumPy": lambda: plain_dml1(x, y)},
            x.nbytes + y.nbytes,
        ),
        Case(
            f"BDice, {side}^3 float32",
            {"ours": lambda: ds.binarized_dice(x, y), "plain NumPy": lambda: plain_bdice(x, y)},
            x.nbytes + y.nbytes,
        ),
        Case(
            f"ECE binary, {side}^3 float32",
            {
                "ours": lambda: ds.expected_calibration_error(x, hit, kind="binary"),
                "plain NumPy": lambda: plain_ece(x, hit),
                "torchmetrics": lambda: binary_calibration_error(flat, flat_hit, n_bins=10),
                "torchmetrics, no checks": lambda: binary_calibration_error(
                    flat, flat_hit, n_bins=10, validate_args=False
                ),
            },
            x.nbytes + hit.nbytes,
        ),
        Case(
            f"ECE top label, 4 x {side}^3 / 4",
            {
                "ours": lambda: ds.expected_calibration_error(prob, label),
                "plain NumPy": lambda: plain_top_label(prob, label),
                "torchmetrics": lambda: multiclass_calibration_error(
                    many, many_label, 4, n_bins=10
                ),
                "torchmetrics, no checks": lambda: multiclass_calibration_error(
                    many, many_label, 4, n_bins=10, validate_args=False
                ),
            },
            prob.nbytes + label.nbytes,
        ),
    ]


def main() -> None:
    """Run, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    machine = environment(["numpy", "torch", "torchmetrics"]) | {"torch_threads": args.threads}
    bandwidth = read_bandwidth()
    machine["copy_bytes_per_second"] = bandwidth
    rows = []
    for case in cases(args.side):
        rows += measure(case, args.repeats, bandwidth)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    show(rows)
    if args.json:
        write(args.json, machine, rows)


if __name__ == "__main__":
    main()
