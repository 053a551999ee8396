"""What a loss is joined with: the calibration term, and the matrix of a matching of masks."""

from collections.abc import Callable

import torch
from dice_semimetric_torch import CalibrationLoss
from monai.metrics.calibration import calibration_binning
from torch import Tensor
from torch.nn.functional import one_hot

import dice_semimetric as ds

from ..comparison import Calls, Comparison
from ..inputs import QUICK, Sizes
from ..timing import Call
from .losses import step

TOPIC = "terms"
N_BINS = 10


def monai_error(logits: Tensor, target: Tensor) -> Tensor:
    """Return mL1-ACE from MONAI's bins, which carry a gradient."""
    p = torch.softmax(logits, 1)
    label = one_hot(target[:, 0], p.shape[1]).movedim(-1, 1)
    confidence, frequency, _ = calibration_binning(p, label, N_BINS)
    return (confidence - frequency).abs().nanmean(-1).mean()


def plain_error(logits: Tensor, target: Tensor) -> Tensor:
    """Return it as one sum over the bins of all images and classes."""
    p = torch.softmax(logits, 1)
    batch, count = p.shape[:2]
    gap = (p - one_hot(target[:, 0], count).movedim(-1, 1)).flatten(2)
    place = (p.detach().flatten(2) * N_BINS).long().clamp(max=N_BINS - 1)
    sums = gap.new_zeros(batch, count, N_BINS).scatter_add(2, place, gap)
    held = gap.new_zeros(sums.shape).scatter_add(2, place, torch.ones_like(gap))
    gaps = sums.abs() / held.clamp(min=1)
    return (gaps.sum(-1) / (held > 0).sum(-1)).mean()


def _errors(shape: tuple[int, ...], *, gradient: bool) -> Comparison:
    """Return the calibration term beside its peers."""

    def make() -> Calls:
        torch.manual_seed(0)
        logits = torch.randn(shape, requires_grad=gradient)
        target = torch.randint(0, shape[1], (shape[0], 1, *shape[2:]))
        loss = CalibrationLoss(softmax=True, to_onehot_y=True, n_bins=N_BINS)
        way = step if gradient else _call
        peers = {"MONAI's bins": monai_error, "plain PyTorch": plain_error}
        return Calls(
            {"torch": way(loss, logits, target)},
            {name: way(peer, logits, target) for name, peer in peers.items()},
        )

    # a pixel at an edge may be in the next bin, which shows in its gradient
    differs = frozenset({"MONAI's bins", "plain PyTorch"} if gradient else ())
    name = "CalibrationLoss, gradient" if gradient else "CalibrationLoss"
    return Comparison(TOPIC, name, str(shape), make, differs)


def _call(loss: Callable[[Tensor, Tensor], Tensor], *tensors: Tensor) -> Call:
    return lambda: loss(*tensors)


def plain_pairs(logits: Tensor, target: Tensor) -> Tensor:
    """Return the pairwise Dice cost of mask classifiers, by one matrix product."""
    x, y = logits.sigmoid().flatten(1), target.flatten(1).to(logits.dtype)
    both = torch.einsum("qp,tp->qt", x, y)
    return 1 - (2 * both + 1) / (x.sum(-1)[:, None] + y.sum(-1)[None] + 1)


def our_pairs(logits: Tensor, target: Tensor) -> Tensor:
    """Return ours with the same smoothing."""
    return ds.pairwise_loss(logits, target, activation="sigmoid", smooth=1.0)


def _pairs(queries: int, targets: int, side: int, *, gradient: bool) -> Comparison:
    """Return the matrix of hard masks beside the plain formula."""

    def make() -> Calls:
        torch.manual_seed(0)
        logits = torch.randn(queries, side, side, requires_grad=gradient)
        target = torch.rand(targets, side, side) < 0.3
        if gradient:
            ours, theirs = (lambda x, y, f=f: f(x, y).sum() for f in (our_pairs, plain_pairs))
            return Calls(
                {"torch": step(ours, logits, target)},
                {"plain PyTorch": step(theirs, logits, target)},
            )
        return Calls(
            {"torch": _call(our_pairs, logits, target)},
            {"plain PyTorch": _call(plain_pairs, logits, target)},
        )

    name = "pairwise_loss, gradient" if gradient else "pairwise_loss"
    return Comparison(TOPIC, name, f"{queries} x {targets} masks of {side}^2", make)


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic, made small where a test runs them."""
    small = sizes == QUICK
    shapes: list[tuple[int, ...]] = [(8, 2, 64, 64), (2, 4, 64, 64, 64)]
    if small:
        shapes = [(2, 2, 6, 6)]
    pairs = [(3, 2, 8)] if small else [(10, 3, 64), (100, 20, 128)]
    return [
        *(_errors(shape, gradient=g) for shape in shapes for g in (False, True)),
        *(_pairs(*numbers, gradient=g) for numbers in pairs for g in (False, True)),
    ]
