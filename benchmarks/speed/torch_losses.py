"""Time and peak memory of a Dice loss, forward and backward from logits: ours beside the peers'.

    python benchmarks/speed/torch_losses.py --output benchmarks/results/torch-losses-cpu.json

Times are the best of alternating rounds, so that a busy moment hits all alike. Memory is measured
in a fresh process for each loss: the peak resident size of one step above what was resident before
it, in units of the logits; the gradient is in it. nnU-Net's loss takes part where nnunetv2 can be
imported (``pip install --no-deps nnunetv2`` is enough for it).
"""

import argparse
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Step = Callable[[], Tensor]

CASES: dict[str, dict[str, Any]] = {
    "hard 2x4x128^3": {"shape": (2, 4, 128, 128, 128), "hard": True},
    "soft 2x4x128^3": {"shape": (2, 4, 128, 128, 128), "hard": False},
    "hard 8x2x256^2": {"shape": (8, 2, 256, 256), "hard": True},
    "soft 8x2x256^2": {"shape": (8, 2, 256, 256), "hard": False},
    "hard 1x105x96^3": {"shape": (1, 105, 96, 96, 96), "hard": True},
}
NAMES = ("ours", "ours, unchecked", "MONAI", "nnU-Net", "ours, CE too", "MONAI, CE too")


def loss(name: str, hard: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss of logits and a target; ImportError where the peer is absent."""
    if name == "ours, CE too":
        from dice_semimetric_torch import DiceSemimetricCELoss

        return DiceSemimetricCELoss(softmax=True, to_onehot_y=True)
    if name.startswith("ours"):
        from dice_semimetric_torch import DiceSemimetricLoss

        from dice_semimetric import value_checks

        ours = DiceSemimetricLoss(softmax=True, to_onehot_y=True)
        if name == "ours":
            return ours

        def unchecked(input: Tensor, target: Tensor) -> Tensor:
            with value_checks("never"):
                return ours(input, target)

        return unchecked
    if name == "MONAI, CE too":
        from monai.losses import DiceCELoss

        return DiceCELoss(softmax=True, to_onehot_y=hard)
    if name == "MONAI":
        from monai.losses import DiceLoss

        return DiceLoss(softmax=True, to_onehot_y=hard, soft_label=not hard)
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    nonlinearity = torch.nn.Softmax(dim=1)
    return MemoryEfficientSoftDiceLoss(nonlinearity, batch_dice=False, smooth=1e-5, ddp=False)


def data(shape: tuple[int, ...], hard: bool) -> tuple[Tensor, Tensor]:
    """Return logits and labels (B, 1, *spatial) or soft labels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    if hard:
        size = (shape[0], 1, *shape[2:])
        return logits, torch.randint(0, shape[1], size, generator=generator)
    return logits, torch.softmax(torch.randn(shape, generator=generator), 1)


def step(function: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> None:
    """Take the loss and its gradient."""
    logits.grad = None
    function(logits, target).backward()


def times(case: dict[str, Any], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the best time of each loss in seconds, on the clock and of all cores together."""
    logits, target = data(**case)
    functions = {}
    for name in NAMES:
        if name == "nnU-Net" and not case["hard"]:
            continue  # its soft form takes the product, another loss
        try:
            functions[name] = loss(name, case["hard"])
        except ImportError:
            continue
    best = dict.fromkeys(functions, (float("inf"), float("inf")))
    for _ in range(rounds):
        for name, function in functions.items():
            clock, cores = time.perf_counter(), time.process_time()
            step(function, logits, target)
            clock, cores = time.perf_counter() - clock, time.process_time() - cores
            best[name] = min(best[name][0], clock), min(best[name][1], cores)
    return best


def resident(field: str) -> int:
    """Return VmRSS or its peak VmHWM in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def memory(name: str, case: dict[str, Any], result: Any) -> None:
    """Put the peak of one step beyond what was resident before, in units of the logits."""
    function = loss(name, case["hard"])
    small = {"shape": (1, case["shape"][1], *(8 for _ in case["shape"][2:])), "hard": case["hard"]}
    step(function, *data(**small))  # what is loaded and allocated once
    logits, target = data(**case)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = resident("VmRSS")
    step(function, logits, target)
    result.value = (resident("VmHWM") - before) / (logits.numel() * logits.element_size())


def memories(case: dict[str, Any], names: list[str]) -> dict[str, float]:
    """Measure each loss in a process of its own."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for name in names:
        result = context.Value("d", float("nan"))
        process = context.Process(target=memory, args=(name, case, result))
        process.start()
        process.join()
        found[name] = result.value
    return found


def machine() -> dict[str, Any]:
    """Return what the numbers were measured with."""
    versions = {}
    for package in ("torch", "numba", "monai", "nnunetv2", "array-api-compat", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    cpu = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    return {
        "cpu": cpu[0].split(":")[1].strip() if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": os.getloadavg()[0],
        "python": platform.python_version(),
        **versions,
    }


def main() -> None:
    """Measure all cases, print a table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "cases": {}}
    for key in options.cases:
        case = CASES[key]
        best = times(case, options.rounds)
        peak = memories(case, list(best))
        report["cases"][key] = {
            name: {
                "clock ms": round(1e3 * best[name][0], 2),
                "of all cores ms": round(1e3 * best[name][1], 2),
                "clock / ours": round(best[name][0] / best["ours"][0], 2),
                "peak memory / logits": round(peak[name], 2),
            }
            for name in best
        }
        for name, row in report["cases"][key].items():
            print(f"{key:16} {name:16}", *(f"{k} {v:<8}" for k, v in row.items()), flush=True)
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
