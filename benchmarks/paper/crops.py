"""The crops that a network trains on, and the labels that raters' masks become there."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dice_semimetric import (
    dice_weighted_average,
    majority_vote,
    random_rater,
    smooth_labels,
    uniform_average,
)

from . import parallel
from .cases import Case
from .config import Config
from .datasets.augment import augment
from .networks.build import MULTIPLE


class Crops(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Training crops and labels, each decided by the seed, the epoch and the case's number alone.

    No random state is carried from one crop to the next. So neither the number of loading
    processes nor a restart between two epochs changes what the network sees.
    """

    def __init__(self, cases: Sequence[Case], config: Config) -> None:
        require_fit(cases, config)
        self.cases = cases
        self.config = config
        self.epoch = 0
        self.labels: list[np.ndarray] | None = None
        if config.labels != "random" and isinstance(cases, list):  # others are read when asked for
            rng = np.random.default_rng()  # of no influence: only "random" draws
            self.labels = [training_label(case.raters, config, rng) for case in cases]

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an image (C, h, w) and its label (1, h, w)."""
        config, case = self.config, self.cases[index]
        rng = np.random.default_rng([config.seed, self.epoch, index])
        if config.augment == "scale":
            label = self._label(index, case, rng)
            sides = (config.crop, config.crop) if config.crop else None
            image, label = augment(
                case.image, label[None], rng, crop=sides, mirror=0.5 * config.flip, label_fill=-1
            )
            return torch.tensor(image), torch.tensor(label)
        shift = rng.integers(-config.jitter, config.jitter + 1, size=2)
        place = window(case.image.shape[1:], config.crop, shift)
        image = case.image[(slice(None), *place)]
        label = self._label(index, case, rng)[None, *place]
        if config.flip:
            axes = tuple(1 + np.flatnonzero(rng.random(2) < 0.5))
            image, label = np.flip(image, axes), np.flip(label, axes)
        return torch.tensor(np.array(image)), torch.tensor(np.array(label))

    def _label(self, index: int, case: Case, rng: np.random.Generator) -> np.ndarray:
        if self.labels is None:
            return training_label(case.raters, self.config, rng)
        return self.labels[index]


def epoch_loader(crops: Crops, epoch: int, *, workers: int = 0) -> DataLoader:
    """Return the batches of one epoch, in an order that the seed and the epoch decide."""
    crops.epoch = epoch
    order = np.random.default_rng([crops.config.seed, epoch]).permutation(len(crops))
    return DataLoader(
        crops,
        batch_sampler=parallel.share(order.tolist(), crops.config.batch_size),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )


def require_fit(cases: Sequence[Case], config: Config) -> None:
    """Raise ValueError unless the network can see every case, and all in one size.

    Cases that are read only when asked for are taken to be all like the first.
    """
    first, crop = cases[0], config.crop
    for case in cases if isinstance(cases, list) else [first]:
        channels, *shape = case.image.shape
        whole = not crop or config.augment == "scale"  # seen whole in training or in validation
        if config.augment == "shift" and crop > min(shape):
            raise ValueError(f"crop must be at most {min(shape)}, the size of {case.name}")
        if channels != first.image.shape[0] or (whole and case.image.shape != first.image.shape):
            raise ValueError(
                f"the images must have one shape: {first.name} has {first.image.shape}, "
                f"{case.name} has {case.image.shape}; see --crop and --size"
            )
        sides = [*(shape if whole else []), *([crop] if crop else [])]
        if any(n % MULTIPLE for n in sides):
            raise ValueError(f"the network needs sides that {MULTIPLE} divides, got {sides}")


def window(
    shape: tuple[int, ...], crop: int, shift: np.ndarray | tuple[int, int] = (0, 0)
) -> tuple[slice, ...]:
    """Return the place of a square of side ``crop`` near the centre, kept inside the image."""
    if not crop:
        return tuple(slice(0, n) for n in shape)
    starts = [
        min(max((n - crop) // 2 + int(s), 0), n - crop) for n, s in zip(shape, shift, strict=True)
    ]
    return tuple(slice(start, start + crop) for start in starts)


def training_label(raters: np.ndarray, config: Config, rng: np.random.Generator) -> np.ndarray:
    """Return the label in [0, 1], float32, of masks (R, *spatial); only "random" draws."""
    if config.labels == "random":
        return random_rater(raters, rng=rng).astype(np.float32)
    if config.labels == "uniform":
        return uniform_average(raters, dtype=np.float32)
    if config.labels == "weighted":
        return dice_weighted_average(raters, dtype=np.float32)
    majority = majority_vote(raters).astype(np.float32)
    if config.labels == "majority":
        return majority
    return smooth_labels(majority[None], epsilon=config.smoothing, axis=0)[0]
