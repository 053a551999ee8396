"""The four sums of `Overlap` and their gradient on a host, each in one pass, by Numba.

For float32 in memory order, the common case of training on a CPU; anything else is left to the
blocks of `_sums`. The first step compiles the kernels, which takes seconds; they are kept on disk.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from . import _sums, host_kernels
from ._reader import Options
from ._threads import map_blocks

if numba.config.DISABLE_JIT:
    raise ImportError("Numba is told not to compile")

#: Entries of pred that a thread takes at a time; the order of summation depends on it alone.
PART = 1 << 17
_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Part(NamedTuple):
    """Pixels start to stop of the images first to last."""

    images: tuple[int, int]
    start: int
    stop: int


def eligible(pred: Tensor, target: Tensor, mask: Tensor | None, options: Options) -> bool:
    """Tell whether the kernels are made for these tensors: a contiguous (B, C, *spatial) batch."""
    whole = options.axis == tuple(range(2, pred.ndim)) and pred.ndim > 2
    if not whole or options.dtype != torch.float32 or pred.dtype != torch.float32:
        return False
    if pred.numel() == 0 or not pred.is_contiguous() or not target.is_contiguous():
        return False
    hard = target.ndim < pred.ndim
    if target.dtype not in (_INTEGERS if hard else (torch.float32,)):
        return False
    if hard and target.shape != (pred.shape[0], *pred.shape[2:]):
        return False
    if not hard and target.shape != pred.shape:
        return False
    return mask is None or mask.ndim < pred.ndim - 1 or mask.shape[1 - pred.ndim] == 1


def forward(pred: Tensor, target: Tensor, mask: Tensor | None, options: Options) -> Tensor:
    """Return the sums, of shape (4, B, C)."""
    arrays, modes = _arrays(pred, target, mask), _modes(pred, target, mask, options)
    classes, pixels = pred.shape[1], pred[0, 0].numel()
    total = np.zeros((pred.shape[0], 4, classes))

    def sums(part: Part) -> tuple[bool, np.ndarray]:
        found = np.zeros((part.images[1] - part.images[0], 4, classes))
        wrong = host_kernels.forward(
            *arrays, part.images, pixels, part.start, part.stop, modes, found
        )
        return wrong, found

    parts = _parts(pred)
    wrong = False
    for part, (bad, found) in zip(parts, map_blocks(lambda: sums, parts, host=True), strict=True):
        total[part.images[0] : part.images[1]] += found
        wrong |= bad
    if wrong and options.checked:  # it finds the entry, and words the error
        return _sums.forward(pred, target, mask, options)
    return torch.from_numpy(total).permute(1, 0, 2).to(options.dtype).contiguous()


def backward(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Tensor | None,
    options: Options,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    if needs != (True, False):
        return _sums.backward(gradient, pred, target, mask, options, needs)
    arrays, modes = _arrays(pred, target, mask), _modes(pred, target, mask, options)
    upstream = gradient.to(torch.float32).permute(1, 0, 2).contiguous().numpy()
    result = torch.empty_like(pred)
    out, pixels = result.view(-1).numpy(), pred[0, 0].numel()

    def write(part: Part) -> None:
        host_kernels.backward(
            upstream, *arrays, part.images, pixels, part.start, part.stop, modes, out
        )

    map_blocks(lambda: write, _parts(pred), host=True)
    return result, None


def _parts(pred: Tensor) -> list[Part]:
    """Cut a batch into parts of some images, or of some pixels of an image."""
    images, classes = pred.shape[:2]
    pixels = pred[0, 0].numel()
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


def _arrays(pred: Tensor, target: Tensor, mask: Tensor | None) -> tuple[np.ndarray, ...]:
    """Return pred, target and mask as flat arrays; no mask is an empty one."""
    if mask is None:
        counts = np.empty(0, np.bool_)
    else:
        shape = (pred.shape[0], 1, *pred.shape[2:])
        counts = mask.detach().expand(shape).contiguous().view(-1).numpy()
    return pred.detach().view(-1).numpy(), target.detach().view(-1).numpy(), counts


def _modes(
    pred: Tensor, target: Tensor, mask: Tensor | None, options: Options
) -> tuple[bool, bool, bool, bool, bool, int]:
    labels = target.ndim < pred.ndim
    return (
        options.activation == "softmax",
        options.activation == "sigmoid",
        labels,
        mask is not None,
        labels and options.ignore_index is not None,
        int(options.ignore_index or 0),
    )
