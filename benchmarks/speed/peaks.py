"""The memory that a call takes beside its inputs, each in a process of its own."""

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import torch

from .timing import run_held

TOPIC = "memory"


class Case(NamedTuple):
    """What is measured: `peak` takes who, ours or the peer, and returns the peak in its unit."""

    function: str
    input: str
    unit: str
    peer: str
    peak: Callable[[str], float]

    @property
    def name(self) -> str:
        """What `--only` is matched with."""
        return f"{TOPIC}/{self.function}/{self.input}"


def resident(field: str) -> int:
    """Return VmRSS or its peak VmHWM in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def growth(call: Callable[[], Any]) -> int:
    """Return the bytes by which the resident size grows at most during a call."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    kept = call()
    del kept
    return resident("VmHWM") - before


def of_loss(who: str, *, soft: bool, shape: tuple[int, ...]) -> float:
    """Return the peak of a loss and its gradient, which is in it, over the logits."""
    options: dict[str, Any] = {"softmax": True, "to_onehot_y": not soft}
    if who == "ours":
        from dice_semimetric_torch import DiceSemimetricLoss as Loss
    else:
        from monai.losses import DiceLoss as Loss

        options["soft_label"] = soft
    loss: Any = Loss(**options)

    def step(shape: tuple[int, ...]) -> int:
        logits = torch.randn(shape, requires_grad=True)
        target = torch.randint(0, shape[1], (shape[0], 1, *shape[2:]))
        if soft:
            target = torch.softmax(torch.randn(shape), 1)
        return growth(lambda: loss(logits, target).backward())

    step((1, shape[1], *[8] * (len(shape) - 2)))  # what is loaded and allocated once
    return step(shape) / (4 * torch.Size(shape).numel())


def of_regression(who: str, *, pixels: int, keys: int) -> float:
    """Return the peak of a kernel regression over the matrix of pixels and keys."""
    from .topics import kernels

    way: Any = kernels.ds.kernel_regression if who == "ours" else kernels.torch_regression

    def step(pixels: int, keys: int) -> int:
        arrays = [torch.from_numpy(a) for a in kernels.regression_rows(pixels, keys)]
        return growth(lambda: way(*arrays, bandwidth=1e-3))

    step(1000, 10)
    return step(pixels, keys) / (4 * pixels * keys)


_VOLUME, _IMAGE = (2, 4, 96, 96, 96), (8, 2, 256, 256)
CASES = [
    Case(
        "DiceSemimetricLoss",
        text,
        "logits",
        "MONAI",
        partial(of_loss, soft=soft, shape=shape),
    )
    for text, shape, soft in (
        ("(2, 4, 96^3) labels", _VOLUME, False),
        ("(2, 4, 96^3) soft", _VOLUME, True),
        ("(8, 2, 256, 256) labels", _IMAGE, False),
    )
] + [
    Case(
        "kernel_regression",
        "131072 x 500",
        "matrix",
        "published formula, torch",
        partial(of_regression, pixels=1 << 17, keys=500),
    )
]


def rows(pattern: re.Pattern[str], threads: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each case whose name the pattern is found in; what fails says so in it."""
    for number, case in enumerate(CASES):
        if not pattern.search(case.name):
            continue
        peaks: list[float | None] = []
        errors = {}
        for who in ("ours", case.peer):
            command = [sys.executable, "-m", "benchmarks.speed.peaks", str(number), who]
            done = run_held(command, threads, stdout=PIPE)
            peaks.append(None if done.returncode else float(done.stdout))
            if done.returncode:
                errors[who] = f"its process ended with status {done.returncode}"
        yield {
            "topic": TOPIC,
            "function": case.function,
            "library": "torch",
            "input": case.input,
            "threads": threads,
            "unit": case.unit,
            "peak": peaks[0],
            "peer": case.peer,
            "peer_peak": peaks[1],
        } | ({"errors": errors} if errors else {})


if __name__ == "__main__":
    print(CASES[int(sys.argv[1])].peak(sys.argv[2]))
