"""Losses in PyTorch, forward and backward, beside MONAI's and nnU-Net's, on many kinds of input."""

from collections.abc import Callable

from torch import Tensor

from ..comparison import Calls, Comparison
from ..inputs import QUICK, Sizes
from ..timing import Call
from .loss_kinds import KINDS, Kind
from .loss_peers import pair_of

TOPIC = "losses"


def step(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Call:
    """Return a call that takes the loss and its gradient."""

    def call() -> list[Tensor]:
        logits.grad = None
        value = loss(logits, target)
        value.backward()
        assert logits.grad is not None
        return [value, logits.grad]

    return call


def _make(kind: Kind) -> Calls:
    logits, target = kind.data()
    ours, peers = pair_of(kind)
    return Calls(
        {"torch": step(ours, logits, target)},
        {name: step(loss, logits, target) for name, loss in peers.items()},
    )


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all kinds, made small where a test runs them."""
    kinds = [kind.shrunk() for kind in KINDS] if sizes == QUICK else KINDS
    return [
        Comparison(
            TOPIC,
            kind.loss,
            kind.name,
            lambda kind=kind: _make(kind),
            frozenset({"MONAI"} if kind.differs else ()),
            2e-2 if kind.half else 2e-3,
        )
        for kind in kinds
    ]
