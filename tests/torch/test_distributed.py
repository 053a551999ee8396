"""Two processes on a share of a batch each: the value and gradient of one process on all of it."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist
from dice_semimetric_torch import (
    AccumulatedLoss,
    CalibrationLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
)

if not dist.is_available() or not dist.is_gloo_available():
    pytest.skip("torch was built without gloo", allow_module_level=True)

IGNORED = 7
#: How many of the four images the first process has.
SHARES = (2, 3, 4)


def data() -> tuple:
    generator = torch.Generator().manual_seed(11)
    images = torch.randn(4, 2, 9, 9, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (4, 9, 9), generator=generator)
    labels[:2][labels[:2] == 2] = 0  # a class that one process does not see
    labels[3] = IGNORED  # all that one process has, or a part of it
    return images, labels


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv2d(2, 3, 3, dtype=torch.float64)


def losses(group) -> list:
    options = {
        "softmax": True,
        "batch": True,
        "classes": "present",
        "ignore_index": IGNORED,
        "process_group": group,
    }
    calibration = [CalibrationLoss(**options, norm=norm) for norm in ("average", "l1", "l2", "max")]
    return [
        DiceSemimetricLoss(**options),
        DiceSemimetricLoss(**options, variant="dml2", log=True),
        DiceSemimetricCELoss(**options),
        *calibration,
        CalibrationLoss(**options | {"classes": "all"}, weight=[1.0, 2.0, 3.0], n_bins=4),
        CalibrationLoss(**options | {"classes": "all"}, include_background=False),
        DiceSemimetricCELoss(**options, lambda_calibration=0.3, n_bins=5),
        DiceSemimetricCELoss(**options, lambda_calibration=0.3, label_smoothing=0.1),
    ]


def step(model, criterion, images, labels) -> list:
    model.zero_grad()
    value = criterion(model(images), labels[:, 1:-1, 1:-1])
    value.backward()
    return [value.detach(), *(p.grad.clone() for p in model.parameters())]


def accumulated(model, criterion, images, labels) -> list:
    """Do what `step` does, the first image apart from the others."""
    model.zero_grad()
    total = AccumulatedLoss(criterion)
    for use in (total.add, total.backward):
        for part in (slice(1), slice(1, None)):
            use(model(images[part]), labels[part, 1:-1, 1:-1])
    return [total.value, *(p.grad.clone() for p in model.parameters())]


def worker(rank: int, folder: Path) -> None:
    meeting = (folder / "meeting").as_uri()
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    torch.set_num_threads(1)
    images, labels = data()
    model = torch.nn.parallel.DistributedDataParallel(network())
    found = []
    for number in SHARES:
        share = slice(number, None) if rank else slice(number)
        batch = images[share], labels[share]
        found += [step(model, loss, *batch) for loss in losses(dist.group.WORLD)]
        found += [accumulated(model, loss, *batch) for loss in losses(dist.group.WORLD)]
    torch.save(found, folder / f"found{rank}.pt")
    dist.barrier()  # nobody leaves while the other is still reading
    dist.destroy_process_group()


def test_two_processes_are_one_on_the_joined_batch(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(worker, (tmp_path,), nprocs=2)
    expected = [step(network(), c, *data()) for c in losses(None)] * 2 * len(SHARES)
    for rank in range(2):
        found = torch.load(tmp_path / f"found{rank}.pt")
        for row, wanted in zip(found, expected, strict=True):
            assert all(bool(torch.any(w != 0)) for w in wanted)
            torch.testing.assert_close(row, wanted, rtol=1e-9, atol=1e-12)
