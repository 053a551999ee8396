"""Two processes on half a batch each: the value and gradient of one process on all of it."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist
from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss

if not dist.is_available() or not dist.is_gloo_available():
    pytest.skip("torch was built without gloo", allow_module_level=True)


def data() -> tuple:
    generator = torch.Generator().manual_seed(11)
    images = torch.randn(4, 2, 9, 9, generator=generator)
    labels = torch.randint(0, 3, (4, 9, 9), generator=generator)
    labels[:2][labels[:2] == 2] = 0  # a class that one process does not see
    return images, labels


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv2d(2, 3, 3)


def losses(group) -> list:
    options = {"softmax": True, "batch": True, "classes": "present", "process_group": group}
    return [
        DiceSemimetricLoss(**options),
        DiceSemimetricLoss(**options, variant="dml2", log=True),
        DiceSemimetricCELoss(**options),
    ]


def step(model, criterion, images, labels) -> list:
    model.zero_grad()
    value = criterion(model(images), labels[:, 1:-1, 1:-1])
    value.backward()
    return [value.detach(), *(p.grad.clone() for p in model.parameters())]


def worker(rank: int, meeting: Path, results) -> None:
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=2)
    torch.set_num_threads(1)
    images, labels = data()
    half = slice(2 * rank, 2 * rank + 2)
    model = torch.nn.parallel.DistributedDataParallel(network())
    found = [step(model, c, images[half], labels[half]) for c in losses(dist.group.WORLD)]
    results.put((rank, [[t.tolist() for t in row] for row in found]))
    dist.barrier()  # nobody leaves while the other is still reading
    dist.destroy_process_group()


def test_two_processes_are_one_on_the_joined_batch(tmp_path: Path) -> None:
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    torch.multiprocessing.spawn(worker, (tmp_path / "meeting", results), nprocs=2)
    expected = [step(network(), c, *data()) for c in losses(None)]
    for _ in range(2):
        _, found = results.get()
        for row, wanted in zip(found, expected, strict=True):
            # The network's float32 logits depend on the batch and on the threads in the last bits.
            assert row[0] == pytest.approx(wanted[0].item(), rel=1e-6)
            for a, b in zip(row[1:], wanted[1:], strict=True):
                torch.testing.assert_close(torch.tensor(a), b, rtol=1e-4, atol=1e-7)
