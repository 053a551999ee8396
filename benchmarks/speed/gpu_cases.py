"""What is timed on a GPU: ours, the peers beside it, and the bytes that must at least be moved."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

import dice_semimetric as ds


@dataclass(frozen=True)
class GpuCase:
    """Functions of one meaning, ours first.

    ``floor_bytes`` is what the best of them has to move: each input read once for each pass over
    it that cannot be avoided, each output written once. ``unit_bytes`` is the unit of peak
    memory. ``same`` says whether all must return one number.
    """

    name: str
    functions: dict[str, Callable[[], Any]]
    floor_bytes: int
    unit_bytes: int
    same: bool = True


@dataclass(frozen=True)
class Sizes:
    """How large the inputs are."""

    pairs: int
    losses: tuple[tuple[int, ...], ...]
    pixels: int
    keys: int


FULL = Sizes(1 << 28, ((2, 4, 256, 256, 256), (2, 105, 128, 128, 128)), 8 * 512 * 512, 1000)
TINY = Sizes(1 << 12, ((2, 4, 6, 6, 6), (1, 105, 4, 4, 4)), 128, 20)
_EACH: dict[str, Callable[[Any, Any], Any]] = {
    "overlap": lambda x, y: ds.overlap(x, y).product,
    "thresholds": lambda x, y: ds.threshold_counts(x, y).both[4],
    "bins": lambda x, y: ds.calibration_bins(x, y, n_bins=10, kind="binary").confidence[4],
    "BDice": ds.binarized_dice,
}


def statistics(xp: Any, where: str, sizes: Sizes, device: str) -> Iterator[GpuCase]:
    """Yield the three statistics of pairs of float32 numbers, and the scores made of them."""
    generator = torch.Generator(device).manual_seed(0)
    drawn = [torch.rand(sizes.pairs, generator=generator, device=device) for _ in range(2)]
    x, y = (xp.asarray(t) if device == "cuda" else t.numpy() for t in drawn)
    nbytes = 2 * 4 * sizes.pairs
    for name, function in _EACH.items():
        functions = {
            where: lambda f=function: f(x, y),
            "torch": lambda f=function: f(*drawn),
        }
        yield GpuCase(f"{name} of {sizes.pairs} pairs", functions, nbytes, nbytes)


def fusions(xp: Any, where: str, sizes: Sizes, device: str) -> Iterator[GpuCase]:
    """Yield the ways to join four raters; the weighted one reads them for its weights too."""
    pixels = max(sizes.pairs // 4, 1)
    generator = torch.Generator(device).manual_seed(0)
    mean = torch.rand(pixels, generator=generator, device=device)
    drawn = torch.rand((4, pixels), generator=generator, device=device)
    raters = (drawn < mean).to(torch.uint8)
    del drawn, mean
    own = xp.asarray(raters) if device == "cuda" else raters.numpy()
    for name, fuse, out in (
        ("majority vote", ds.majority_vote, 1),
        ("mean", ds.uniform_average, 4),
        ("Dice-weighted mean", ds.dice_weighted_average, 4),
    ):
        options: Any = {} if out == 1 else {"dtype": xp.float32}
        in_torch: Any = {} if out == 1 else {"dtype": torch.float32}
        functions = {
            where: lambda fuse=fuse, options=options: fuse(own, **options)[0],
            "torch": lambda fuse=fuse, options=in_torch: fuse(raters, **options)[0],
        }
        passes = 3 if "weighted" in name else 1  # vote, agreement with it, and the sum
        nbytes = passes * raters.nbytes + out * pixels
        yield GpuCase(f"{name} of 4 raters, {pixels} pixels", functions, nbytes, raters.nbytes)


def losses(xp: Any, where: str, sizes: Sizes, device: str) -> Iterator[GpuCase]:
    """Yield losses from logits, forward and backward."""
    from monai.losses import DiceLoss

    for shape in sizes.losses:
        logits = torch.randn(shape, device=device, requires_grad=True)
        label = torch.randint(0, shape[1], (shape[0], *shape[2:]), device=device)
        count = logits.numel()
        text = " x ".join(map(str, shape))
        hard = DiceLoss(softmax=True, to_onehot_y=True, smooth_nr=0, smooth_dr=0)
        yield GpuCase(
            f"loss of {text}, labels",
            {
                "ours": _step(logits, label, _ours),
                "MONAI": _step(logits, label[:, None], hard),
            },
            12 * count + 2 * label.nbytes,
            4 * count,
        )
        del label
        soft = torch.rand(shape, device=device)
        with_soft = DiceLoss(softmax=True, soft_label=True, smooth_nr=0, smooth_dr=0)
        yield GpuCase(
            f"loss of {text}, soft",
            {"ours": _step(logits, soft, _ours), "MONAI": _step(logits, soft, with_soft)},
            20 * count,
            4 * count,
        )
        del soft


def _ours(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ds.region_loss(logits, target, activation="softmax", per="image")


def _step(logits: torch.Tensor, target: torch.Tensor, loss: Callable[..., Any]) -> Any:
    def step() -> torch.Tensor:
        logits.grad = None
        value = loss(logits, target)
        value.backward()
        return value.detach()

    return step


def regressions(xp: Any, where: str, sizes: Sizes, device: str) -> Iterator[GpuCase]:
    """Yield the kernel regression on keys, and the formula with a matrix of pixels times keys."""
    torch.manual_seed(0)
    alpha = torch.ones(4, device=device)
    prob = torch.distributions.Dirichlet(alpha).sample((sizes.pixels,))
    key = torch.distributions.Dirichlet(alpha).sample((sizes.keys,))
    label = torch.randint(0, 4, (sizes.keys,), device=device)
    bandwidth = 1e-2

    def plain() -> torch.Tensor:
        shifted = key / bandwidth + 1
        constant = torch.lgamma(shifted.sum(1)) - torch.lgamma(shifted).sum(1)
        density = (prob.log() @ (shifted - 1).T + constant).exp()
        value = torch.nn.functional.one_hot(label, 4).to(density.dtype)
        return ((density @ value) / density.sum(1, keepdim=True).clamp(min=1e-10)).mean(0)[0]

    arrays = [xp.asarray(t) if device == "cuda" else t.numpy() for t in (prob, key, label)]
    functions = {
        "torch": lambda: ds.kernel_regression(prob, key, label, bandwidth=bandwidth).mean(0)[0],
        where: lambda: ds.kernel_regression(*arrays, bandwidth=bandwidth).mean(0)[0],
        "plain torch": plain,
    }
    name = f"kernel regression of {sizes.pixels} pixels on {sizes.keys} keys"
    yield GpuCase(name, functions, 2 * prob.nbytes, prob.nbytes)


def metrics(xp: Any, where: str, sizes: Sizes, device: str) -> Iterator[GpuCase]:
    """Yield scores beside MONAI's and torchmetrics' metrics of the same meaning."""
    from monai.metrics import compute_dice
    from torchmetrics.functional.classification import binary_calibration_error

    pixels = max(sizes.pairs // 8, 1)
    prob = torch.rand(pixels, device=device)
    label = (torch.rand(pixels, device=device) < prob).to(torch.uint8)
    mask, truth = prob >= 0.5, label.bool()
    prob_x, label_x, mask_x, truth_x = (
        xp.asarray(t) if device == "cuda" else t.numpy() for t in (prob, label, mask, truth)
    )
    yield GpuCase(
        f"Dice of {pixels} pixels",
        {
            where: lambda: ds.dice_score(mask_x, truth_x),
            "torch": lambda: ds.dice_score(mask, truth),
            "MONAI": lambda: compute_dice(mask[None, None], truth[None, None])[0, 0],
        },
        2 * pixels,
        2 * pixels,
    )
    options: Any = {"n_bins": 10, "kind": "binary"}
    yield GpuCase(
        f"ECE of {pixels} pixels",
        {
            where: lambda: ds.expected_calibration_error(prob_x, label_x, **options),
            "torch": lambda: ds.expected_calibration_error(prob, label, **options),
            "torchmetrics": lambda: binary_calibration_error(prob, label, n_bins=10),
        },
        5 * pixels,
        5 * pixels,
    )


TOPICS = (statistics, fusions, losses, regressions, metrics)
