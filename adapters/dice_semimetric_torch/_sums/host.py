"""The four sums of `Overlap` and their gradient on a host, each in one pass, by Numba.

For float32 in memory order, the common case of training on a CPU; anything else is left to
`blockwise`. The first step compiles the kernels, which takes seconds; they are kept on disk.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numba
import numpy as np
import torch
from torch import Tensor

from . import blockwise
from .host_kernels import sums_backward, sums_forward
from .reader import Gradients, Mask, Needs, Options
from .threads import map_blocks

if numba.config.DISABLE_JIT:
    raise ImportError("Numba may not compile: NUMBA_DISABLE_JIT is set")

R = TypeVar("R")

#: Entries of pred that a thread takes at a time; the order of summation depends on it alone.
PART = 1 << 17
_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Part(NamedTuple):
    """Pixels start to stop of the images first to last."""

    images: tuple[int, int]
    start: int
    stop: int


def eligible(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> bool:
    """Return whether the kernels take these tensors: a contiguous (B, C, *spatial) batch."""
    whole = options.axis == tuple(range(2, pred.ndim)) and pred.ndim > 2
    if not whole or options.dtype != torch.float32 or pred.dtype != torch.float32:
        return False
    if pred.numel() == 0 or not pred.is_contiguous() or not target.is_contiguous():
        return False
    hard = target.ndim < pred.ndim
    if target.dtype not in _INTEGERS and (hard or target.dtype != torch.float32):
        return False
    if target.shape != ((pred.shape[0], *pred.shape[2:]) if hard else pred.shape):
        return False
    return mask is None or mask.ndim < pred.ndim - 1 or mask.shape[1 - pred.ndim] == 1


def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    """Return the sums, of shape (4, B, C)."""
    call = Call(pred, target, mask, options)
    images, classes = pred.shape[:2]

    def sums(part: Part) -> tuple[bool, np.ndarray]:
        found = np.zeros((part.images[1] - part.images[0], 4, classes))
        return sums_forward(*call.arrays, *call.place(part), found), found

    total, wrong = np.zeros((images, 4, classes)), False
    for part, (bad, found) in call.map(sums):
        total[slice(*part.images)] += found
        wrong |= bad
    if wrong and options.checked:  # it finds the entry, and words the error
        return blockwise.forward(pred, target, mask, options)
    return torch.from_numpy(total).permute(1, 0, 2).contiguous()


def backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> Gradients:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    if needs != (True, False):
        return blockwise.backward(gradient, pred, target, mask, options, needs)
    call = Call(pred, target, mask, options)
    upstream = gradient.permute(1, 0, 2).contiguous().numpy()
    out = call.empty()
    call.map(lambda part: sums_backward(upstream, *call.arrays, *call.place(part), out))
    return torch.from_numpy(out.reshape(pred.shape)), None


class Call:
    """The arguments that all kernels share, of tensors that are eligible."""

    def __init__(self, pred: Tensor, target: Tensor, mask: Mask, options: Options) -> None:
        labels = target.ndim < pred.ndim
        counts = np.empty(0, np.bool_)
        if mask is not None:
            shape = (pred.shape[0], 1, *pred.shape[2:])
            counts = mask.detach().expand(shape).contiguous().view(-1).numpy()
        self.arrays = pred.detach().view(-1).numpy(), target.detach().view(-1).numpy(), counts
        self._pixels = pred[0, 0].numel()
        self._parts = _parts(pred.shape[0], pred.shape[1], self._pixels)
        self._modes = (
            options.activation == "softmax",
            options.activation == "sigmoid",
            labels,
            mask is not None,
            labels and options.ignore_index is not None,
            int(options.ignore_index or 0),
        )

    def place(self, part: Part) -> tuple[object, ...]:
        """Return the pixels that a kernel takes, and how it reads them."""
        return part.images, self._pixels, part.start, part.stop, self._modes

    def empty(self) -> np.ndarray:
        """Return memory for a gradient of pred.

        NumPy's, which asks Linux for huge pages: of those that PyTorch takes, the first touch of
        each costs as much as the kernel does.
        """
        return np.empty_like(self.arrays[0])

    def map(self, function: Callable[[Part], R]) -> list[tuple[Part, R]]:
        """Return each part with the result of a function for it, in order, from several threads."""
        found = map_blocks(lambda: function, self._parts, host=True)
        return list(zip(self._parts, found, strict=True))


def _parts(images: int, classes: int, pixels: int) -> list[Part]:
    """Cut a batch into parts of some images, or of some pixels of an image."""
    together = PART // (classes * pixels)
    if together:
        return [
            Part((first, min(first + together, images)), 0, pixels)
            for first in range(0, images, together)
        ]
    step = max(1024, PART // classes)
    return [
        Part((image, image + 1), start, min(start + step, pixels))
        for image in range(images)
        for start in range(0, pixels, step)
    ]
