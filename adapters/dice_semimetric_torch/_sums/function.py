"""The sums as a function that autograd, torch.func, vmap and torch.compile know.

To a compiler they are opaque operators, so that a compiled model keeps one graph and its loss
still runs in blocks. The gradient is a function too; its own gradient, for double backward, comes
from the core's generic reduction, which takes memory of several times the input.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from dice_semimetric._lib.seam import Pixels
from dice_semimetric.overlap import overlap_sums as accelerated_sums

from .paths import sums_module
from .reader import Mask, Needs, Options, wide
from .vmap import fold

_library = torch.library.Library("dice_semimetric", "FRAGMENT")  # type: ignore[no-untyped-call]

F = TypeVar("F", bound=torch.autograd.Function)

_generic: Callable[..., tuple[Tensor, ...]] = accelerated_sums.__wrapped__  # type: ignore[attr-defined]


def overlap_sums(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> tuple[Tensor, ...]:
    """Return the four sums, differentiable in pred and target."""
    table: Tensor = _Sums.apply(pred, target, mask, options)  # type: ignore[no-untyped-call]
    return table.unbind()


def _signed(cls: type[F]) -> type[F]:
    """Keep the signature of ``forward``, which PyTorch works out anew at each call without it."""
    cls.forward.__signature__ = inspect.signature(cls.forward)  # type: ignore[attr-defined]
    return cls


@_signed
class _Sums(torch.autograd.Function):
    """The sums as one tensor (4, *kept axes); only the inputs are saved."""

    @staticmethod
    def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
        if torch.compiler.is_compiling():
            table: Tensor = _overlap_sums(pred, target, mask, *options)
            return table
        return _forward(pred, target, mask, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:3])
        ctx.options = inputs[3]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needs = tuple(ctx.needs_input_grad[:2])
        grads = _Gradients.apply(gradient, *ctx.saved_tensors, ctx.options, needs)  # type: ignore[no-untyped-call]
        some = (g if need else None for g, need in zip(grads, needs, strict=True))
        return (*some, None, None)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        pred, target, mask, options = args
        folded = fold(info.batch_size, in_dims, pred, target, mask, options)
        table: Tensor = _Sums.apply(*folded.arrays, folded.options)  # type: ignore[no-untyped-call]
        return folded.open(table, 1), 1


@_signed
class _Gradients(torch.autograd.Function):
    """The gradients of pred and target; one that is not needed is empty."""

    @staticmethod
    def forward(
        gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
    ) -> tuple[Tensor, Tensor]:
        if torch.compiler.is_compiling():
            arguments = (gradient, pred, target, mask, *options, *needs)
            grads: tuple[Tensor, Tensor] = _overlap_sums_gradients(*arguments)
            return grads
        return _backward(gradient, pred, target, mask, options, needs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs[:4])
        ctx.options, ctx.needs = inputs[4:]

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        gradient, pred, target, mask = ctx.saved_tensors
        options, soft = ctx.options._asdict() | {"checked": False}, target.is_floating_point()

        def sums(*inputs: Tensor) -> Tensor:
            x, y = inputs if soft else (*inputs, target)
            return torch.stack(_generic(Pixels(x, y, mask, **options))).to(gradient.dtype)

        def first(gradient: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
            grads = torch.func.vjp(sums, *inputs)[1](gradient)
            return tuple(g for g, need in zip(grads, ctx.needs, strict=False) if need)

        inputs = (pred, target) if soft else (pred,)
        pull = torch.func.vjp(first, gradient, *inputs)[1]
        grads = pull(tuple(o for o, need in zip(outer, ctx.needs, strict=True) if need))
        return (*grads, *(None,) * (6 - len(grads)))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[tuple[Tensor, Tensor], Any]:
        gradient, pred, target, mask, options, needs = args
        folded = fold(info.batch_size, in_dims[1:], pred, target, mask, options)
        gradient = folded.close(gradient, in_dims[0], 1)
        grads = _Gradients.apply(gradient, *folded.arrays, folded.options, needs)  # type: ignore[no-untyped-call]
        opened = (folded.open(g, 0) if need else g for g, need in zip(grads, needs, strict=True))
        return tuple(opened), tuple(0 if need else None for need in needs)  # type: ignore[return-value]


def _forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    with torch.autocast(pred.device.type, enabled=False), torch._C.DisableTorchFunctionSubclass():
        module = sums_module(pred, target, mask, options)
        table: Tensor = module.forward(pred, target, mask, options)
        return table


def _backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> tuple[Tensor, Tensor]:
    with torch.autocast(pred.device.type, enabled=False), torch._C.DisableTorchFunctionSubclass():
        module = sums_module(pred, target, mask, options)
        gradient = gradient.to(options.dtype)
        grads = module.backward(gradient, pred, target, mask, options, needs)
        one, other = (pred.new_empty((0,)) if g is None else g for g in grads)
    return one, other


def _operator(
    fake: Callable[..., Any], backward: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that makes a function an operator.

    ``fake`` is what a compiler takes in its place, ``backward`` its gradient where what autograd
    knows as a function is taken apart: in `torch.func` under a compiler, and in an exported graph.
    `torch.library.custom_op` does the same, at a tenth of a millisecond more for each call.
    """

    def register(function: Callable[..., Any]) -> Any:
        name = function.__name__.strip("_")
        schema = torch.library.infer_schema(function, mutates_args=())
        _library.define(name + schema)  # type: ignore[no-untyped-call]
        _library.impl(name, function, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
        name = f"dice_semimetric::{name}"
        torch.library.register_fake(name, fake)
        torch.library.register_autograd(name, backward, setup_context=_keep)
        return getattr(torch.ops.dice_semimetric, function.__name__.strip("_")).default

    return register


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    tensors = [a if isinstance(a, Tensor) else None for a in inputs]
    ctx.save_for_backward(*tensors)
    ctx.rest = [None if isinstance(a, Tensor) else a for a in inputs]


def _sums_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    pred, target, mask = ctx.saved_tensors[:3]
    options, needs = ctx.rest[3:], ctx.needs_input_grad[:2]
    grads = torch.ops.dice_semimetric.overlap_sums_gradients(
        gradient, pred, target, mask, *options, *needs
    )
    some = (g if need else None for g, need in zip(grads, needs, strict=True))
    return (*some, *(None,) * 6)


def _no_backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
    raise RuntimeError(
        "the second derivative of a loss cannot be taken in a compiled or exported graph: "
        "call the loss outside torch.compile"
    )


def _empty_sums(pred: Tensor, target: Tensor, mask: Any, axis: Any, *_: Any) -> Tensor:
    kept = [n for a, n in enumerate(pred.shape) if a not in axis]
    return torch.empty((4, *kept), dtype=wide(pred), device=pred.device)


def _empty_gradients(
    gradient: Tensor, pred: Tensor, target: Tensor, *rest: Any
) -> tuple[Tensor, Tensor]:
    needs_pred, needs_target = rest[-2:]
    return (
        torch.empty_like(pred) if needs_pred else pred.new_empty((0,)),
        torch.empty_like(target) if needs_target else pred.new_empty((0,)),
    )


@_operator(_empty_sums, _sums_backward)
def _overlap_sums(
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    axis: Sequence[int],
    dtype: torch.dtype,
    activation: str | None,
    ignore_index: int | None,
    checked: bool,
) -> Tensor:
    options: Any = (tuple(axis), dtype, activation, ignore_index, checked)
    return _forward(pred, target, mask, Options(*options))


@_operator(_empty_gradients, _no_backward)
def _overlap_sums_gradients(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    axis: Sequence[int],
    dtype: torch.dtype,
    activation: str | None,
    ignore_index: int | None,
    checked: bool,
    needs_pred: bool,
    needs_target: bool,
) -> tuple[Tensor, Tensor]:
    options: Any = (tuple(axis), dtype, activation, ignore_index, checked)
    needs = (needs_pred, needs_target)
    return _backward(gradient, pred, target, mask, Options(*options), needs)
