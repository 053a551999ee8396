"""The four sums of `Overlap` and their gradient on a GPU, each in one pass, by Triton.

The cross-entropy of the same pixels is taken in the same pass where it is asked for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from . import blockwise, triton_kernels
from .memory import first_with_room
from .reader import Gradients, Mask, Needs, Options

#: Entries of a tile, and the warps of a program: 16 entries to a thread, so that the registers of a
#: Hopper multiprocessor hold three programs and 24 KiB of loads are under way on each.
_TILE, _WARPS = 2048, 4
_MOST_CLASSES = 256
#: Programs to a multiprocessor in the forward pass: several rounds of those that fit at once.
_PROGRAMS = 16
_TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}


def eligible(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> bool:
    """Return whether the kernels take these tensors: a contiguous (B, C, *spatial) batch."""
    whole = options.axis == tuple(range(2, pred.ndim)) and pred.ndim > 2
    if not whole or options.checked or options.dtype not in _TYPES or pred.numel() == 0:
        return False
    if pred.shape[1] > _MOST_CLASSES or pred.shape[0] >= 1 << 16:
        return False
    if not pred.is_contiguous() or not target.is_contiguous():
        return False
    hard = target.ndim < pred.ndim
    if hard and (target.is_floating_point() or target.dtype == torch.uint64):
        return False
    return mask is None or mask.expand(mask_shape(pred, mask)).shape[1] in (1, pred.shape[1])


def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    """Return the sums, of shape (4, B, C), by fewer programs or in blocks where memory is short."""
    arguments = (pred, target, mask, options)
    attempts = [partial(_table, *arguments, n) for n in programs(pred)]
    return first_with_room([*attempts, partial(blockwise.forward, *arguments)])


def forward_with_entropy(
    pred: Tensor, target: Tensor, mask: Mask, options: Options, weight: Mask
) -> tuple[Tensor, Tensor]:
    """Return the sums, and those of the cross-entropy of logits and of what its mean divides by.

    ``weight`` has an entry for each class. Labels that are no class add to neither.
    """
    width, arguments = 4 * pred.shape[1], (pred, target, mask, options)
    found = first_with_room([partial(_with_entropy, weight, *arguments, n) for n in programs(pred)])
    table = found[:, :width].view(-1, 4, pred.shape[1]).permute(1, 0, 2)
    return table, found[:, width:].sum(0)


def _table(pred: Tensor, *arguments: Any) -> Tensor:
    switches: dict[str, Any] = {"ENTROPY": False, "WEIGHTED": False}
    kernel, each = triton_kernels.overlap_forward, (4, pred.shape[1])
    return tile_sums(kernel, each, pred, *arguments, pred, **switches).permute(1, 0, 2)


def _with_entropy(weight: Tensor | None, pred: Tensor, *arguments: Any) -> Tensor:
    switches: dict[str, Any] = {"ENTROPY": True, "WEIGHTED": weight is not None}
    kernel, each = triton_kernels.overlap_forward, (4 * pred.shape[1] + 2,)
    return tile_sums(kernel, each, pred, *arguments, pred if weight is None else weight, **switches)


def tile_sums(
    kernel: Any,
    each: tuple[int, ...],
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    options: Options,
    programs: int,
    *more: Tensor,
    **switches: Any,
) -> Tensor:
    """Return what a kernel sums over tiles of pixels, of shape (B, *each); ``more`` is read too."""
    shape = (pred.shape[0], programs, *each)
    partial = torch.empty(shape, dtype=torch.float64, device=pred.device)
    with launching_on(pred.device):
        kernel[(programs, pred.shape[0])](
            pred,
            target,
            *_mask(pred, mask),
            *more,
            partial,
            pred.shape[2:].numel(),
            options.ignore_index or 0,
            **_switches(pred, target, mask, options),
            **switches,
            **_tile_shape(pred.shape[1]),
            num_warps=_WARPS,
        )
    return partial.sum(1)


def programs(pred: Tensor) -> list[int]:
    """Return how many programs to try for an image, ever fewer: each needs memory of its own."""
    images, classes = pred.shape[:2]
    rows = -(-pred.shape[2:].numel() // _tile_shape(classes)["BLOCK_N"])
    tries = [min(rows, max(1, -(-_PROGRAMS * _processors(pred.device) // images)))]
    while tries[-1] > 1:
        tries.append(-(-tries[-1] // 8))
    return tries


def backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> Gradients:
    """Return the gradients of pred and target from that of the sums; None where not needed.

    That of the sums may be of any floating dtype.
    """
    arguments = (pred, target, mask, options, needs)

    def by_blocks() -> Gradients:
        return blockwise.backward(gradient.to(options.dtype), *arguments)

    attempts: list[Callable[[], Gradients]] = [partial(_backward, gradient, *arguments), by_blocks]
    return first_with_room(attempts)


def backward_with_entropy(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    options: Options,
    weight: Mask,
    scale: Tensor,
) -> Tensor:
    """Return the gradient of pred from that of the sums and, in ``scale``, of the cross-entropy."""
    needs = (True, False)
    found, _ = _backward(gradient, pred, target, mask, options, needs, weight, scale)
    assert found is not None
    return found


def _backward(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    options: Options,
    needs: Needs,
    weight: Mask = None,
    scale: Tensor | None = None,
) -> Gradients:
    images, classes = pred.shape[:2]
    pixels = pred.shape[2:].numel()
    tile = _tile_shape(classes)
    of_pred, of_target = (
        torch.empty_like(tensor) if need else None
        for tensor, need in zip((pred, target), needs, strict=True)
    )
    with launching_on(pred.device):
        triton_kernels.overlap_backward[(-(-pixels // tile["BLOCK_N"]), images)](
            pred,
            target,
            *_mask(pred, mask),
            pred if weight is None else weight,
            pred if scale is None else scale,
            gradient,
            pred if of_pred is None else of_pred,
            pred if of_target is None else of_target,
            pixels,
            options.ignore_index or 0,
            *gradient.stride(),
            **_switches(pred, target, mask, options),
            NEEDS_PRED=needs[0],
            NEEDS_TARGET=needs[1],
            ENTROPY=scale is not None,
            WEIGHTED=weight is not None,
            **tile,
            num_warps=_WARPS,
        )
    return of_pred, of_target


def _switches(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> dict[str, Any]:
    labels = target.ndim < pred.ndim
    return {
        "CLASSES": pred.shape[1],
        "ACTIVATION": options.activation or "none",
        "LABELS": labels,
        "IGNORED": labels and options.ignore_index is not None,
        "MASK_CLASSES": 0 if mask is None else mask_shape(pred, mask)[1],
        "DTYPE": _TYPES[options.dtype],
    }


def _tile_shape(classes: int) -> dict[str, int]:
    block = triton.next_power_of_2(classes)
    return {"BLOCK_C": block, "BLOCK_N": max(16, _TILE // block)}


def mask_shape(pred: Tensor, mask: Tensor) -> tuple[int, ...]:
    """Return the shape that the kernels read a mask in: one entry a pixel, or one a class too."""
    classes = mask.shape[1 - pred.ndim] if mask.ndim >= pred.ndim - 1 else 1
    return (pred.shape[0], classes, *pred.shape[2:])


def _mask(pred: Tensor, mask: Mask) -> tuple[Tensor]:
    """Return a mask as the kernels read it; without one, a tensor that they leave unread."""
    if mask is None:
        return (pred,)
    return (mask.expand(mask_shape(pred, mask)).contiguous().view(torch.uint8),)


def _processors(device: torch.device) -> int:
    if device.type != "cuda":
        return 1
    return torch.cuda.get_device_properties(device).multi_processor_count


def launching_on(device: torch.device) -> Any:
    """Return the context in which Triton launches on that GPU."""
    return torch.cuda.device(device if device.type == "cuda" else -1)
