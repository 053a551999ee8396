"""The torch losses on a GPU whose memory is short: smaller blocks give the same result."""

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("dice_semimetric_torch")

import torch
from dice_semimetric_torch._sums import blocks, blockwise, memory
from dice_semimetric_torch._sums.reader import Options

AXIS = (2, 3)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Memory for buffers of so many elements at most; the host stands in for the GPU."""
    state = {"most": 1 << 40, "refused": 0}
    empty = memory.Scratch.empty

    def scarce(self: Any, name: str, shape: Any) -> Any:
        if torch.Size(shape).numel() > state["most"]:
            state["refused"] += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return empty(self, name, shape)

    monkeypatch.setattr(memory.Scratch, "empty", scarce)
    monkeypatch.setattr(blocks, "HOST_BLOCK", 1 << 14)
    return state


def both(pred: Any, target: Any, mask: Any, options: Options) -> Any:
    sums = blockwise.forward(pred, target, mask, options)
    gradient = torch.linspace(-1, 1, sums.numel()).view(sums.shape)
    needs = (True, target.is_floating_point())
    return sums, *blockwise.backward(gradient, pred, target, mask, options, needs)


@pytest.mark.parametrize("activation", [None, "sigmoid", "softmax"])
@pytest.mark.parametrize("soft", [True, False])
def test_smaller_blocks_are_tried(short: Any, activation: Any, soft: bool) -> None:
    torch.manual_seed(0)
    pred = torch.randn(2, 3, 80, 70) if activation else torch.rand(2, 3, 80, 70)
    target = torch.rand(pred.shape) if soft else torch.randint(0, 3, (2, 80, 70))
    mask = torch.rand(2, 1, 80, 70) < 0.8
    options = Options(AXIS, torch.float32, activation, None, False)
    want = both(pred, target, mask, options)
    short["most"] = 500
    got = both(pred, target, mask, options)
    assert short["refused"] > 0
    for one, other in zip(got, want, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_what_finds_no_memory_at_all_raises_pytorchs_error(short: Any) -> None:
    short["most"] = 0
    pred, target = torch.randn(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    options = Options(AXIS, torch.float32, "softmax", None, False)
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        blockwise.forward(pred, target, None, options)
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate"):
        blockwise.backward(torch.ones(4, 1, 3), pred, target, None, options, (True, True))
