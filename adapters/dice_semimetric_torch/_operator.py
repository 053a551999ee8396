"""The sums as operators of PyTorch: autograd, vmap, torch.func and torch.compile know them.

An operator is opaque to a compiler, so that a compiled model keeps one graph and still runs the
blocks. Its gradient is an operator too; that one's gradient, for double backward, is taken by plain
autograd through the core's generic reduction.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dice_semimetric.overlap import overlap_sums as generic

from . import _sums
from ._reader import Options

Maybe = Tensor | None
_generic: Callable[..., tuple[Tensor, ...]] = generic.__wrapped__  # type: ignore[attr-defined]


@torch.library.custom_op("dice_semimetric::overlap_sums", mutates_args=())
def overlap_sums(
    pred: Tensor,
    target: Tensor,
    mask: Tensor | None,
    axis: Sequence[int],
    dtype: torch.dtype,
    activation: str | None,
    ignore_index: int | None,
    checked: bool,
) -> Tensor:
    """Return the four sums as one tensor (4, *kept axes)."""
    options = _options(axis, dtype, activation, ignore_index, checked)
    with torch.autocast(pred.device.type, enabled=False):
        return _sums.forward(pred, target, mask, options)


@torch.library.custom_op("dice_semimetric::overlap_sums_gradient", mutates_args=())
def overlap_sums_gradient(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Tensor | None,
    axis: Sequence[int],
    dtype: torch.dtype,
    activation: str | None,
    ignore_index: int | None,
    needs_pred: bool,
    needs_target: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of pred and target; one that is not needed is empty."""
    options = _options(axis, dtype, activation, ignore_index)
    with torch.autocast(pred.device.type, enabled=False):
        grads = _sums.backward(gradient, pred, target, mask, options, (needs_pred, needs_target))
    return tuple(pred.new_empty(0) if g is None else g for g in grads)  # type: ignore[return-value]


def _options(
    axis: Sequence[int],
    dtype: torch.dtype,
    activation: Any,
    ignore_index: int | None,
    checked: bool = False,
) -> Options:
    return Options(tuple(axis), dtype, activation, ignore_index, checked)


@overlap_sums.register_fake
def _(pred: Tensor, target: Tensor, mask: Maybe, axis: Any, dtype: Any, *_: Any) -> Tensor:
    kept = [n for a, n in enumerate(pred.shape) if a not in axis]
    return pred.new_empty((4, *kept), dtype=dtype)


@overlap_sums_gradient.register_fake
def _(gradient: Tensor, pred: Tensor, target: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    needs_pred, needs_target = rest[-2:]
    return (
        torch.empty_like(pred) if needs_pred else pred.new_empty(0),
        torch.empty_like(target) if needs_target else pred.new_empty(0),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    pred, target, mask, *options, _checked = inputs
    ctx.save_for_backward(pred, target, mask)
    ctx.options = options


def _backward(ctx: Any, gradient: Tensor) -> tuple[Maybe, ...]:
    pred, target, mask = ctx.saved_tensors
    needs = ctx.needs_input_grad[:2]
    grads = overlap_sums_gradient(gradient, pred, target, mask, *ctx.options, *needs)
    some = (g if need else None for g, need in zip(grads, needs, strict=True))
    return (*some, None, None, None, None, None, None)


overlap_sums.register_autograd(_backward, setup_context=_save)


def _save_second(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    gradient, pred, target, mask, *options = inputs
    ctx.save_for_backward(gradient, pred, target, mask)
    ctx.options = options


def _backward_second(ctx: Any, *outer: Tensor) -> tuple[Maybe, ...]:
    """Differentiate the gradient by plain operations: memory of several times the input."""
    gradient, pred, target, mask = ctx.saved_tensors
    axis, dtype, activation, ignore_index, *needs = ctx.options
    with torch.enable_grad():
        leaves = [
            t.detach().requires_grad_() if t.is_floating_point() else t
            for t in (gradient, pred, target)
        ]
        sums = _generic(
            leaves[1],
            leaves[2],
            mask,
            axis=tuple(axis),
            dtype=dtype,
            checked=False,
            activation=activation,
            ignore_index=ignore_index,
        )
        chosen = [t for t, need in zip(leaves[1:], needs, strict=True) if need]
        inner = torch.autograd.grad(torch.stack(sums), chosen, leaves[0], create_graph=True)
        towards = [o for o, need in zip(outer, needs, strict=True) if need]
        free = [t for t in leaves if t.requires_grad]
        found = iter(torch.autograd.grad(inner, free, towards, allow_unused=True))
    grads = [next(found) if t.requires_grad else None for t in leaves]
    return (*grads, None, None, None, None, None, None, None)


overlap_sums_gradient.register_autograd(_backward_second, setup_context=_save_second)
