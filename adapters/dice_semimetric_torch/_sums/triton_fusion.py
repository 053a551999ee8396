"""What raters make together on a GPU, in one pass over their labels, by Triton."""

import math
from typing import Any

import torch
from torch import Tensor

from . import triton_fusion_kernels as kernels
from .triton import launching_on

_BLOCK = 1024


def rater_counts(raters: Tensor, c: int | None = None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.rater_counts`."""
    dtype = torch.uint8 if raters.shape[0] < 256 else torch.int32
    return _marked(raters, c, dtype)


def weighted_marks(raters: Tensor, shares: Tensor, c: int | None = None) -> Any:
    """Return the sums of `dice_semimetric._lib.raters.weighted_marks`."""
    floating = shares.dtype in (torch.float32, torch.float64)
    if not floating or shares.ndim not in (1, raters.ndim):
        return NotImplemented
    return _marked(raters, c, shares.dtype, shares)


def most_frequent(raters: Tensor, num_classes: int) -> Any:
    """Return the labels of `dice_semimetric.fusion.most_frequent`."""
    if not _eligible(raters):
        return NotImplemented
    out = torch.empty(raters.shape[1:], dtype=raters.dtype, device=raters.device)
    with launching_on(out.device):
        kernels.most_frequent[_grid(out)](
            _bytes(raters),
            _bytes(out),
            max(num_classes, 2),
            out.numel(),
            raters.shape[0],
            BLOCK=_BLOCK,
        )
    return out


def look_up(index: Tensor, table: Tensor) -> Any:
    """Return the entries of `dice_semimetric._lib.raters.look_up`."""
    if not _eligible(index):
        return NotImplemented
    out = torch.empty(index.shape, dtype=table.dtype, device=index.device)
    with launching_on(out.device):
        kernels.look_up[_grid(out)](
            _bytes(index), table.contiguous(), out, out.numel(), BLOCK=_BLOCK
        )
    return out


def _marked(raters: Tensor, c: int | None, dtype: torch.dtype, shares: Tensor | None = None) -> Any:
    """Return the sum of the shares, or of ones, of the raters that marked each pixel."""
    if not _eligible(raters):
        return NotImplemented
    out = torch.empty(raters.shape[1:], dtype=dtype, device=raters.device)
    own, alike = out, out.numel()  # so many neighbours have the same share
    if shares is not None:
        lead = max((a + 1 for a, n in enumerate(shares.shape) if n > 1), default=1)
        few = shares.reshape(shares.shape[:lead])
        own = few.expand(raters.shape[:lead]).contiguous()
        alike = math.prod(raters.shape[lead:])
    with launching_on(out.device):
        kernels.marked[_grid(out)](
            _bytes(raters),
            own,
            out,
            c or 0,
            alike,
            out.numel(),
            raters.shape[0],
            SHARED=shares is not None,
            CLASS=c is not None and raters.dtype != torch.bool,
            BLOCK=_BLOCK,
        )
    return out


def _eligible(labels: Tensor) -> bool:
    """Return whether there are elements, and of a dtype that int64 holds."""
    return labels.numel() > 0 and labels.dtype != torch.uint64


def _bytes(labels: Tensor) -> Tensor:
    """Return contiguous labels, or masks as bytes."""
    labels = labels.contiguous()
    return labels.view(torch.uint8) if labels.dtype == torch.bool else labels


def _grid(out: Tensor) -> tuple[int]:
    return (-(-out.numel() // _BLOCK),)
