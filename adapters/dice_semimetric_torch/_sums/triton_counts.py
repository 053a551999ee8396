"""The counts at thresholds and the bins of confidence on a GPU, each in one pass, by Triton."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor
from triton import next_power_of_2

from dice_semimetric._lib.levels import cast_thresholds
from dice_semimetric._lib.pairs import both
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.special import widen

from . import triton, triton_count_kernels
from .memory import first_with_room
from .reader import Mask, Options

#: Sums that a program keeps in registers: those of all classes, thresholds or bins alike.
_MOST_SUMS = 2048
#: An image of fewer pixels keeps no program busy; many such images are left to PyTorch.
_SHORT, _MANY = 128, 1024

Batch = tuple[Tensor, Tensor, Mask, Options]


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    batch = _batch(pixels)
    levels = len(thresholds)
    if batch is None or not _fits(batch[0], levels):
        return NotImplemented
    cast = torch.stack(cast_thresholds(xp, thresholds, pixels))
    each = (3, levels, batch[0].shape[1])
    found = _sums(triton_count_kernels.level_counts, each, batch, cast, LEVELS=levels)
    table = _kept(found, pixels).long()  # (3, T, *kept axes)
    return tuple(table)


def bin_sums(pixels: Pixels, edges: Tensor, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`."""
    ignored = pixels.ignore_index
    if ignored is not None and not pixels.labels:
        some = widen(xp, pixels.target, ignored) != ignored
        pixels = replace(pixels, mask=both(pixels.mask, some), ignore_index=None)
    batch = _batch(pixels)
    bins, classes = edges.shape[-1] - 1, pixels.pred.shape[1:2]
    if batch is None or not _fits(batch[0], bins) or (kind != "binary" and classes[0] == 1):
        return NotImplemented
    target = batch[1]
    switches = {
        "BINS": bins,
        "STEP": edges.shape[-1] if edges.ndim > 1 else 0,
        "TOP": kind == "top_label",
        "HARD": kind == "binary" and not target.is_floating_point(),
    }
    each = (3, bins, 1 if kind == "top_label" else batch[0].shape[1])
    edges = edges.to(pixels.dtype).contiguous()
    found = _sums(triton_count_kernels.bin_sums, each, batch, edges, **switches).sum(0)
    count, confidence, correct = found.mT if kind == "classwise" else found[..., 0]
    return count.long(), confidence, correct


def _sums(kernel: Any, each: tuple[int, ...], batch: Batch, more: Tensor, **switches: Any) -> Any:
    """Return what a kernel sums, by fewer programs where memory is short."""
    block = next_power_of_2(each[1])
    attempts = [
        partial(triton.tile_sums, kernel, each, *batch, n, more, **switches, BLOCK_K=block)
        for n in triton.programs(batch[0])
    ]
    return first_with_room(attempts)


def _fits(pred: Tensor, number: int) -> bool:
    """Return whether the sums of so many thresholds or bins fit a program."""
    blocks = (next_power_of_2(n) for n in (number, pred.shape[1]))
    few = pred.shape[0] <= _MANY or pred[0, 0].numel() >= _SHORT
    return few and math.prod(blocks) <= _MOST_SUMS


def _batch(pixels: Pixels) -> Batch | None:
    """Return contiguous tensors, (B, C, N), whose images and classes the kernels sum, or None."""
    pred, target, mask, axis = pixels.pred, pixels.target, pixels.mask, pixels.axis
    kept = pred.ndim - len(axis)
    if pixels.checked or pred.numel() == 0:
        return None
    by_class = _by_class(pixels)
    if by_class:
        lead = tuple(pred.shape[:2])
    elif axis == tuple(range(kept, pred.ndim)) and not pixels.regional:
        lead = (math.prod(pred.shape[:kept]), 1)
    else:
        return None
    pred = pred.reshape(*lead, -1)
    target = target.reshape(lead[0], -1) if pixels.labels else target.reshape(pred.shape)
    if mask is not None:
        shape = triton.mask_shape(pixels.pred, mask) if by_class else pixels.pred.shape
        mask = mask.expand(shape).reshape(lead[0], -1, pred.shape[2])
    options = Options((2,), pixels.dtype, pixels.activation, pixels.ignore_index)
    batch = (pred.contiguous(), target.contiguous(), mask, options)
    return batch if triton.eligible(*batch) else None


def _by_class(pixels: Pixels) -> bool:
    """Return whether axis 1 stays the classes: the sums run over whole images."""
    ndim = pixels.pred.ndim
    whole = ndim > 2 and set(range(2, ndim)) <= set(pixels.axis)
    return whole and (pixels.regional or len(pixels.axis) < ndim)


def _kept(table: Tensor, pixels: Pixels) -> Tensor:
    """Return sums of shape (B, *lead, C) as (*lead, *kept axes)."""
    shape, axis = pixels.pred.shape, pixels.axis
    table = table.movedim(0, -2)
    if not _by_class(pixels):
        kept = [n for a, n in enumerate(shape) if a not in axis]
        return table.reshape(*table.shape[:-2], *kept)
    summed = tuple(a - 2 for a in axis if a < 2)
    return table.sum(summed) if summed else table
