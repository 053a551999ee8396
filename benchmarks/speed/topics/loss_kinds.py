"""The kinds of input of a loss: shapes, activations, targets, dtypes and memory layouts."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

Target = Literal["labels", "soft", "one-hot"]


@dataclass(frozen=True)
class Kind:
    """One kind of input, and the loss that takes it.

    `options` are keywords that ours and MONAI's have alike; `layout` says how the memory lies.
    """

    shape: tuple[int, ...]
    target: Target = "labels"
    activation: str = "softmax"
    dtype: torch.dtype = torch.float32
    target_dtype: torch.dtype | None = None
    layout: Literal["", "channels last", "slice as target", "transposed"] = ""
    autocast: bool = False
    masked: bool = False
    compiled: bool = False
    loss: str = "DiceSemimetricLoss"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def half(self) -> bool:
        """Whether values are read in half precision."""
        halves = (torch.float16, torch.bfloat16)
        return self.dtype in halves or self.target_dtype in halves

    @property
    def differs(self) -> bool:
        """Whether MONAI's is another formula there, or sums in half precision."""
        soft_ce = "CE" in self.loss and self.target == "soft"
        return self.masked or self.half or soft_ce

    @property
    def name(self) -> str:
        """Return the kind in words."""
        space = self.shape[2:]
        side = f"{space[0]}^3" if len(space) == 3 else ", ".join(map(str, space))
        words = [f"({self.shape[0]}, {self.shape[1]}, {side})", self.activation, self.target]
        if self.dtype != torch.float32:
            words.append(str(self.dtype).removeprefix("torch."))
        if self.target_dtype is not None:
            words.append(f"{str(self.target_dtype).removeprefix('torch.')} target")
        words += [self.layout, *("autocast" if self.autocast else "",)]
        words += ["mask" if self.masked else "", "torch.compile" if self.compiled else ""]
        words += [f"{key}={value}" for key, value in self.options.items()]
        return " ".join(filter(None, words))

    def shrunk(self) -> "Kind":
        """Return the kind on few pixels; nothing is compiled."""
        return replace(self, shape=(*self.shape[:2], *[6] * (len(self.shape) - 2)), compiled=False)

    def data(self) -> tuple[Tensor, Tensor]:
        """Return logits (or probabilities) that require their gradient, and the target."""
        torch.manual_seed(0)
        logits = torch.randn(self._laid())
        if self.activation == "none":
            logits = torch.softmax(logits, 1)
        logits, target = logits.to(self.dtype), self._target()
        if self.layout == "transposed":
            logits, target = logits.mT, target.mT
        if self.layout == "channels last":
            form = torch.channels_last if len(self.shape) == 4 else torch.channels_last_3d
            logits = logits.contiguous(memory_format=form)
            target = target.contiguous(memory_format=form)
        return logits.requires_grad_(), target

    def _laid(self) -> tuple[int, ...]:
        if self.layout == "transposed":
            return (*self.shape[:-2], self.shape[-1], self.shape[-2])
        return self.shape

    def _target(self) -> Tensor:
        batch, count, *space = self._laid()
        if self.layout == "slice as target":
            space[-1] += 16
        if self.target == "soft":
            found = torch.randn((batch, count, *space))
            found = found.sigmoid() if count == 1 else torch.softmax(found, 1)
        elif self.target == "one-hot":
            found = (torch.rand((batch, count, *space)) < 0.3).float()
        else:
            found = torch.randint(0, count, (batch, 1, *space))
        if self.layout == "slice as target":
            found = found[..., 8:-8]
        return found if self.target_dtype is None else found.to(self.target_dtype)


def _cube(batch: int, count: int, side: int) -> tuple[int, ...]:
    return (batch, count, side, side, side)


_SMALL, _MIDDLE, _LARGE = (1, 2, 8, 8), (16, 2, 64, 64), (8, 2, 256, 256)
_MANY, _MORE = (4, 21, 256, 256), (2, 105, 64, 64)
_ONE, _VOLUME = (8, 1, 256, 256), _cube(2, 1, 96)
_HALF = torch.bfloat16

_SOFTMAX = [
    Kind(shape, target)
    for target in ("labels", "soft")
    for shape in (_SMALL, _MIDDLE, _LARGE, _cube(2, 4, 128), _cube(1, 2, 96), _MANY, _MORE)
] + [
    Kind(_MIDDLE, "one-hot"),
    Kind((8, 4, 256, 256), "one-hot"),
    Kind(_cube(1, 105, 32)),
    Kind((64, 3, 32, 32)),
]
_SIGMOID = [
    Kind(shape, target, "sigmoid")
    for target in ("one-hot", "soft")
    for shape in ((1, 1, 8, 8), _MIDDLE, _ONE, _VOLUME, _cube(2, 3, 64))
]
_DTYPES = [
    Kind(_LARGE, dtype=torch.float64),
    Kind(_LARGE, "soft", dtype=torch.float64),
    Kind(_LARGE, "soft", target_dtype=torch.float64),
    Kind(_LARGE, "soft", target_dtype=torch.float16),
    Kind(_LARGE, target_dtype=torch.uint8),
    Kind(_LARGE, target_dtype=torch.int32),
    Kind(_ONE, "one-hot", "sigmoid", target_dtype=torch.uint8),
    Kind(_ONE, "one-hot", "sigmoid", target_dtype=torch.bool),
    Kind(_ONE, "soft", "sigmoid", target_dtype=torch.float64),
    Kind(_LARGE, dtype=torch.float16),
    Kind(_LARGE, dtype=_HALF, autocast=True),
    Kind(_LARGE, "soft", dtype=_HALF, autocast=True),
    Kind(_ONE, "one-hot", "sigmoid", dtype=_HALF, autocast=True),
    Kind(_MIDDLE, dtype=_HALF, autocast=True),
]
_LAYOUTS = [
    Kind((8, 4, 256, 256), layout="channels last"),
    Kind((8, 4, 256, 256), "soft", layout="channels last"),
    Kind((8, 4, 256, 256), "one-hot", "sigmoid", layout="channels last"),
    Kind(_cube(2, 4, 64), layout="channels last"),
    Kind(_LARGE, "soft", layout="slice as target"),
    Kind(_LARGE, layout="slice as target"),
    Kind(_VOLUME, "soft", "sigmoid", layout="slice as target"),
    Kind(_LARGE, "soft", layout="transposed"),
    Kind(_VOLUME, "one-hot", "sigmoid", layout="transposed"),
]
_OPTIONS = [
    Kind(_LARGE, "soft", "none"),
    Kind(_VOLUME, "soft", "none"),
    Kind(_LARGE, options={"batch": True}),
    Kind(_LARGE, options={"include_background": False}),
    Kind(_MANY, options={"ignore_index": 0}),
    Kind(_LARGE, masked=True),
    Kind(_VOLUME, "soft", "sigmoid", masked=True),
    Kind(_LARGE, loss="JaccardMetricLoss"),
    Kind(_LARGE, "soft", loss="CompatibleTverskyLoss"),
    Kind(_cube(2, 4, 64), compiled=True),
    Kind(_ONE, "soft", "sigmoid", compiled=True),
]
_ENTROPY = [
    Kind(shape, target, activation, loss="DiceSemimetricCELoss")
    for shape, target, activation in (
        (_SMALL, "labels", "softmax"),
        (_MIDDLE, "labels", "softmax"),
        (_LARGE, "labels", "softmax"),
        (_LARGE, "soft", "softmax"),
        (_cube(2, 4, 128), "labels", "softmax"),
        (_MANY, "labels", "softmax"),
        (_ONE, "one-hot", "sigmoid"),
        (_VOLUME, "one-hot", "sigmoid"),
    )
]
KINDS: list[Kind] = [*_SOFTMAX, *_SIGMOID, *_DTYPES, *_LAYOUTS, *_OPTIONS, *_ENTROPY]
