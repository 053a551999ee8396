"""Kernel regression against the plain formula and a broadcast over pairs: time and memory.

    python benchmarks/speed/kernel.py [--threads 1] [--out benchmarks/results]

Writes kernel-cpu.json and kernel-linear.png. Time is the least of three runs after a warm-up, both
on the wall and of the processor, since a busy machine stretches the first.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy
import torch
from scipy.special import gammaln
from torch.nn.functional import one_hot

from dice_semimetric import calibrate_teacher, kernel_regression

BANDWIDTH = 1e-3


def data(n: int, m: int, num_classes: int = 3) -> tuple:
    """Return softmax rows for pixels and keys, and key labels, in float32."""
    generator = torch.Generator().manual_seed(0)
    prob, keys = (
        torch.softmax(3 * torch.randn(k, num_classes, generator=generator), 1) for k in (n, m)
    )
    return prob, keys, torch.randint(0, num_classes, (m,), generator=generator)


def plain_torch(prob, keys, label):
    """The published formula: exp of unshifted log-densities, the denominator clamped."""
    alpha = keys / BANDWIDTH + 1
    constant = torch.lgamma(alpha.sum(1)) - torch.lgamma(alpha).sum(1)
    kernel = torch.exp(torch.log(prob) @ (alpha - 1).T + constant)
    value = one_hot(label, keys.shape[1]).float()
    return kernel @ value / kernel.sum(1, keepdim=True).clamp(min=1e-10)


def broadcast_torch(prob, keys, label):
    """The same with every pair and class formed by broadcasting, and log-sum-exp ratios."""
    alpha = keys / BANDWIDTH + 1
    constant = torch.lgamma(alpha.sum(1)) - torch.lgamma(alpha).sum(1)
    score = ((alpha - 1)[None] * torch.log(prob)[:, None]).sum(-1) + constant
    kernel = torch.exp(score)
    value = one_hot(label, keys.shape[1]).float()
    return kernel @ value / kernel.sum(1, keepdim=True).clamp(min=1e-10)


def plain_numpy(prob, keys, label):
    """The published formula with NumPy and scipy."""
    alpha = keys / np.float32(BANDWIDTH) + 1
    constant = gammaln(alpha.sum(1)) - gammaln(alpha).sum(1)
    kernel = np.exp(np.log(prob) @ (alpha - 1).T + constant)
    value = np.eye(keys.shape[1], dtype="float32")[label]
    return kernel @ value / np.maximum(kernel.sum(1, keepdims=True), 1e-10)


def ours(prob, keys, label):
    """The library's."""
    return kernel_regression(prob, keys, label, bandwidth=BANDWIDTH)


WAYS: dict[str, tuple[Callable, bool]] = {
    "torch ours": (ours, False),
    "torch plain": (plain_torch, False),
    "torch broadcast": (broadcast_torch, False),
    "numpy ours": (ours, True),
    "numpy plain": (plain_numpy, True),
}


def least(function: Callable, repeats: int = 3) -> dict[str, float]:
    """Return the least wall and processor seconds of a call."""
    function()
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {"wall_s": min(r[0] for r in runs), "cpu_s": min(r[1] for r in runs)}


def measure(way: str, n: int, m: int, repeats: int) -> dict[str, float]:
    """Return time and the growth of the process's peak memory; meant for a process of its own."""
    function, is_numpy = WAYS[way]
    arrays = data(n, m)
    function(*(a.numpy() if is_numpy else a for a in data(1000, 10)))
    if is_numpy:
        arrays = tuple(a.numpy() for a in arrays)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    function(*arrays)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return least(lambda: function(*arrays), repeats) | {
        "peak_bytes": grown,
        "peak_share_of_pairs": grown / (n * m * 4),
    }


def in_process(way: str, n: int, m: int, threads: int, repeats: int = 3) -> dict[str, float]:
    """Run `measure` in a fresh process, so that peaks do not hide one another."""
    command = [sys.executable, __file__, "--one", way, str(n), str(m), str(repeats)]
    result = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout.splitlines()[-1])


def training_step(side: int, batch: int) -> dict[str, float]:
    """Return the time of a step of a U-Net about as large as one on ResNet18 (14 M weights)."""
    from monai.networks.nets import FlexibleUNet

    net = FlexibleUNet(1, 3, "resnet18", pretrained=False)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    image = torch.randn(batch, 1, side, side)
    label = torch.randint(0, 3, (batch, side, side))

    def step() -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(image), label).backward()
        optimiser.step()

    return least(step, 2) | {"weights": sum(w.numel() for w in net.parameters())}


def teacher_batch(side: int, batch: int) -> dict[str, float]:
    """Return the time to calibrate the uncertain pixels of a batch with two round organs."""
    y, x = np.mgrid[:side, :side] / side
    label = ((x - 0.4) ** 2 + (y - 0.5) ** 2 < 0.06).astype(int)
    label[(x - 0.5) ** 2 + (y - 0.55) ** 2 < 0.006] = 2
    labels = torch.tensor(np.stack([label] * batch))
    blurred = torch.nn.functional.avg_pool2d(
        one_hot(labels, 3).permute(0, 3, 1, 2).float(), 9, 1, 4
    )
    prob = torch.softmax(6 * blurred + 0.7 * torch.randn(blurred.shape), 1)
    rng = np.random.default_rng(0)
    result = calibrate_teacher(prob, labels, n_keys=500, bandwidth=BANDWIDTH, rng=rng)
    share = float((result != prob).any(dim=1).float().mean())
    run = lambda: calibrate_teacher(  # noqa: E731
        prob, labels, n_keys=500, bandwidth=BANDWIDTH, rng=rng
    )
    return least(run) | {"share_of_pixels_replaced": share}


def linear(path: Path) -> dict[str, list]:
    """Draw the processor time against the number of pixels and of keys."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    pixels, keys = [2**k for k in range(14, 19)], [62, 125, 250, 500, 1000]
    over_pixels = [least(partial(ours, *data(n, 500)))["cpu_s"] for n in pixels]
    over_keys = [least(partial(ours, *data(2**17, m)))["cpu_s"] for m in keys]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    curves = ((pixels, over_pixels, "pixels (500 keys)"), (keys, over_keys, "keys (2^17 pixels)"))
    for ax, (x, y, label) in zip(axes, curves, strict=True):
        slope, start = np.polyfit(x, y, 1)
        ax.plot(x, y, "o", label="measured")
        ax.plot(x, [start + slope * v for v in x], color="grey", label="straight line")
        ax.set(xlabel=f"number of {label}", ylabel="processor seconds", xlim=0, ylim=0)
        ax.legend()
    figure.savefig(path, dpi=120)
    return {"pixels": pixels, "pixels_s": over_pixels, "keys": keys, "keys_s": over_keys}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--one", nargs=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        way, n, m, repeats = options.one
        print(json.dumps(measure(way, int(n), int(m), int(repeats))))
        return
    n, m = 512 * 512, 500
    record = {
        "command": "python -m benchmarks.speed.kernel",
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "load_at_start": os.getloadavg()[0],
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "pixels": n,
        "keys": m,
        "classes": 3,
        "bandwidth": BANDWIDTH,
        "ways": {w: in_process(w, n, m, options.threads, 1 if "broad" in w else 3) for w in WAYS},
    }
    for key in ("torch plain", "torch broadcast"):
        ratio = record["ways"][key]["cpu_s"] / record["ways"]["torch ours"]["cpu_s"]
        record[f"{key} / ours (cpu)"] = ratio
    record["numpy plain / ours (cpu)"] = (
        record["ways"]["numpy plain"]["cpu_s"] / record["ways"]["numpy ours"]["cpu_s"]
    )
    record["linear"] = linear(options.out / "kernel-linear.png")
    record["training"] = {
        "teacher 8x512x512": teacher_batch(512, 8),
        "step 1x512x512 (times 8 for the batch)": training_step(512, 1),
    }
    teacher, step = record["training"].values()
    record["training"]["teacher / step (cpu)"] = teacher["cpu_s"] / (8 * step["cpu_s"])
    (options.out / "kernel-cpu.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
