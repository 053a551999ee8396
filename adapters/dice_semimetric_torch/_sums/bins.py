"""The sums over bins of confidence as a function of autograd.

A small change of confidence stays in its bin, so that the gradient of a pixel is that of its bin's
sum: a look-up, for which the forward pass keeps its inputs and nothing else.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from dice_semimetric_numba.kernels import compiled
from torch import Tensor
from torch.autograd import forward_ad

from dice_semimetric._lib.pairs import both
from dice_semimetric._lib.seam import Pixels

from .blocks import HOST_BLOCK
from .paths import without_values
from .threads import map_blocks

Sums = tuple[Tensor, ...]
#: The bins of each image and class, beside the kinds of `dice_semimetric.calibration_bins`.
IMAGES = "images"


def differentiable(pixels: Pixels) -> bool:
    """Return whether autograd records the pixels, in the way that takes functions of one's own."""
    given = pixels.pred, pixels.target
    return (
        any(t.requires_grad for t in given)
        and torch.is_grad_enabled()
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in given)
        and not torch.compiler.is_compiling()
        and torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
        and not without_values(*given)
    )


def bin_sums(reduction: Callable[[Pixels], Sums], pixels: Pixels, edges: Tensor, kind: str) -> Sums:
    """Return what a reduction over bins of that kind returns, differentiable in the pixels."""
    pred, target = pixels.pred, pixels.target
    if kind in ("top_label", "classwise") and pred.shape[1] == 1:  # the implied background
        pred = torch.cat([1 - pred, pred], 1)
        target = target if pixels.labels else torch.cat([1 - target, target], 1)
        pixels = replace(pixels, pred=pred, target=target)
    found: Sums = _Bins.apply(pred, target, edges, pixels, reduction, kind)  # type: ignore[no-untyped-call]
    return found


class _Bins(torch.autograd.Function):
    """Count, confidence and correctness; the gradient is differentiable in what arrives at it."""

    @staticmethod
    def forward(
        ctx: Any,
        pred: Tensor,
        target: Tensor,
        edges: Tensor,
        pixels: Pixels,
        reduction: Callable[[Pixels], Sums],
        kind: str,
    ) -> Sums:
        ctx.save_for_backward(pred, target, pixels.mask, edges)
        ctx.ignore_index, ctx.kind = pixels.ignore_index, kind
        count, confidence, correct = reduction(pixels)
        ctx.mark_non_differentiable(count)
        return count, confidence, correct

    @staticmethod
    def backward(ctx: Any, _: Tensor, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        pred, target, mask, edges = ctx.saved_tensors
        kept = mask
        if ctx.ignore_index is not None:
            counted = target != ctx.ignore_index
            kept = both(mask, counted if target.ndim == pred.ndim else counted[:, None])
        slopes = [
            _slopes(pred.detach(), kept, edges[..., 1:-1], gradient, ctx.kind).to(tensor.dtype)
            if needed
            else None
            for tensor, gradient, needed in zip(
                (pred, target), gradients, ctx.needs_input_grad, strict=False
            )
        ]
        return (*slopes, None, None, None, None)


def _slopes(
    pred: Tensor, kept: Tensor | None, inner: Tensor, gradient: Tensor, kind: str
) -> Tensor:
    """Return the gradient of each confidence, or of its label, from that of its bin's sum."""
    table = gradient.to(inner.dtype)
    if kind == "top_label":
        if kept is not None:
            pred = pred.where(kept, 0)
        top, best = pred.max(1, keepdim=True)
        found = _looked_up(top, inner, table[None, None], kept)
        return torch.zeros_like(pred, dtype=table.dtype).scatter(1, best, found)
    if kind == "binary":
        kept = None if kept is None else kept[None, None]
        return _looked_up(pred[None, None], inner, table[None, None], kept)[0, 0]
    return _looked_up(pred, inner, table if kind == IMAGES else table[None], kept)


def _looked_up(x: Tensor, inner: Tensor, table: Tensor, kept: Tensor | None) -> Tensor:
    """Return a table's entries (B or 1, C, n) for the bins of x (B, C, ...), 0 for the others."""
    table = table.expand(*x.shape[:2], -1)
    inner = inner.expand(x.shape[1], -1)
    if torch.is_grad_enabled() or x.device.type != "cpu":  # a second derivative, or a GPU
        rows = [_entries(x[:, c], inner[c], table[:, c]) for c in range(x.shape[1])]
        found = torch.stack(rows, 1)
    else:
        found = _in_blocks(x, inner, table)
    return found if kept is None else found.where(kept, 0)


def _entries(x: Tensor, inner: Tensor, table: Tensor) -> Tensor:
    """Return the entries (B, ...) of a table (B, n)."""
    place = torch.bucketize(x.to(inner.dtype).contiguous(), inner, right=True)
    return table.gather(1, place.flatten(1)).view(place.shape)


def _in_blocks(x: Tensor, inner: Tensor, table: Tensor) -> Tensor:
    """Return the entries for x on a host, by the compiled kernel where there is one."""
    found = torch.empty(x.shape, dtype=table.dtype)
    module: Any = compiled("bin_slopes")
    parts = [
        (c, table[i, c].contiguous(), *blocks)
        for i in range(x.shape[0])
        for c in range(x.shape[1])
        for blocks in zip(_cut(x[i, c]), _cut(found[i, c]), strict=True)
    ]

    def write(part: tuple[int, Tensor, Tensor, Tensor]) -> None:
        c, entries, block, room = part
        block = block.to(table.dtype).contiguous()
        if module is None:
            room.copy_(_entries(block[None], inner[c], entries[None])[0])
        else:
            module.look_up(*(a.numpy() for a in (block, inner[c], entries, room)))

    map_blocks(lambda: write, parts, host=True)
    return found


def _cut(plane: Tensor) -> tuple[Tensor, ...]:
    """Return the pixels of a plane in blocks that stay in the cache."""
    return torch.split(plane.reshape(-1), HOST_BLOCK)
