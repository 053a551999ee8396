"""What a whole loss on a GPU costs the host: a step of a small network waits for its launches.

The kernels' results are made up here; triton_whole.py compares them with the steps.
"""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
losses = pytest.importorskip("monai.losses")

from dice_semimetric_torch import (
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    _region,
)
from dice_semimetric_torch._sums import triton, whole_gpu
from torch.utils._python_dispatch import TorchDispatchMode

from dice_semimetric import value_checks

#: Operators that launch nothing.
VIEWS = {
    *("alias", "as_strided", "detach", "empty", "empty_like", "expand", "permute", "select"),
    *("slice", "split", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"),
}
#: Those that wait for the device, or move values to it.
WAITING = {"_local_scalar_dense", "nonzero", "lift_fresh", "masked_select"}
WEIGHT = [1.0, 2.0, 3.0, 4.0]


class Launches(TorchDispatchMode):
    """Counts the operators of PyTorch by their names."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """Take the way of a GPU, with each kernel as one operator."""

    def sums(kernel, each, pred, *arguments, **switches):
        return torch.ones((pred.shape[0], 1, *each), dtype=torch.float64).sum(1)

    def gradients(gradient, pred, *arguments):
        return torch.zeros_like(pred), None

    monkeypatch.setattr(_region, "whole_module", lambda device: whole_gpu)
    monkeypatch.setattr(triton, "tile_sums", sums)
    monkeypatch.setattr(triton, "_backward", gradients)
    with value_checks("never"):
        yield


def launches(loss):
    logits = torch.randn(2, 4, 8, 8, 8, requires_grad=True)
    labels = torch.randint(0, 4, (2, 1, 8, 8, 8))
    loss(logits, labels).backward()
    with Launches() as found:
        loss(logits, labels).backward()
    return found.names


def of_names(names):
    return sum(count for name, count in names.items() if name not in VIEWS)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [True, False])
def test_far_fewer_launches_than_monai(weight, batch, background) -> None:
    options = {"softmax": True, "to_onehot_y": True, "batch": batch}
    options["include_background"] = background
    given = weight if background or weight is None else weight[1:]
    own = launches(DiceSemimetricLoss(**options, weight=given))
    other = launches(losses.DiceLoss(**options, weight=given))
    assert of_names(own) <= 0.6 * of_names(other), own
    if background:  # MONAI's cross-entropy leaves it out too
        entropy = None if weight is None else torch.tensor(weight)
        own = launches(DiceSemimetricCELoss(**options, weight=weight))
        other = launches(losses.DiceCELoss(**options, weight=entropy))
        assert of_names(own) <= 0.6 * of_names(other), own


@pytest.mark.parametrize(
    "options",
    [
        {"weight": WEIGHT},
        {"classes": (2, 0)},
        {"classes": "present", "log": True},
        {"gamma": 1.5, "batch": True, "include_background": False},
    ],
)
@pytest.mark.parametrize("cls", [DiceSemimetricLoss, DiceSemimetricCELoss, CompatibleTverskyLoss])
def test_nothing_waits_for_the_gpu(options, cls) -> None:
    names = launches(cls(softmax=True, to_onehot_y=True, **options))
    assert not WAITING & set(names)
