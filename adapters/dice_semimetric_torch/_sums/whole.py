"""A whole loss of tensors on a host as one function of autograd: one pass there, and one back.

The sums and the cross-entropy are taken in the same pass over the logits, the formula and its slope
on a table as small as the batch has images and classes. What PyTorch transforms or compiles, second
derivatives and bad input are left to the functions that take one step each.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from dice_semimetric._lib.checks import values_checked
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import threads
from dice_semimetric.slopes import TableLoss, loss_and_slope

from . import host
from .host_entropy import class_weights
from .reader import Mask, Options

Losses = tuple[Tensor, ...]
#: The same losses of pred, target and mask by functions that can be differentiated twice.
Stepwise = Callable[[Tensor, Tensor, Mask], Losses]


class Entropy(NamedTuple):
    """The cross-entropy beside a regional loss."""

    weight: Tensor | None
    reduction: str


class Inputs(NamedTuple):
    """Tensors as the kernels take them: labels without a class axis, a mask with one."""

    pred: Tensor
    target: Tensor
    mask: Mask
    options: Options
    pixels: Pixels


def inputs_of(
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    *,
    activation: Any,
    ignore_index: int | None,
    to_onehot_y: bool,
) -> Inputs | None:
    """Return a batch as the kernels take it, or None for what others are to take or refuse."""
    if not (plain(pred) and plain(target) and (mask is None or plain(mask))):
        return None
    shape, labels = pred.shape, _labels(pred.shape, target, to_onehot_y)
    usual = target.shape == shape and ignore_index is None
    if pred.dtype not in host.FLOATS or target.requires_grad or not (usual or labels is not None):
        return None
    kept = None if mask is None else _with_classes(shape, mask)
    if mask is not None and kept is None:
        return None
    target = target if labels is None else labels
    wide = torch.float64 in (pred.dtype, target.dtype)
    dtype = torch.float64 if wide else torch.float32
    axis = tuple(range(2, len(shape)))
    options = Options(axis, dtype, activation, ignore_index, values_checked())
    module = host.kernels()
    if module is None or not host.lendable(pred, target, kept):
        return None
    pixels = host.pixels_of(pred, target, kept, options)
    return Inputs(pred, target, kept, options, pixels) if module.eligible(pixels) else None


def plain(tensor: Any) -> bool:
    """Return whether it is a tensor with values on the host, which nothing follows."""
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return False
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and not tensor.is_nested
        and torch._C._functorch.peek_interpreter_stack() is None
        and forward_ad._current_level < 0
    )


def _labels(shape: torch.Size, target: Tensor, to_onehot_y: bool) -> Tensor | None:
    """Return integer labels (B, *spatial), or None for any other target."""
    if target.dtype not in host.INTEGERS:
        return None
    single = shape[1] == 1
    if target.dtype == torch.bool and not single:
        return None
    spatial = (shape[0], *shape[2:])
    if target.shape == spatial:
        return target
    with_axis = target.shape == (shape[0], 1, *shape[2:])
    return target[:, 0] if with_axis and (single or to_onehot_y) else None


def _with_classes(shape: torch.Size, mask: Tensor) -> Mask:
    """Return a mask that broadcasts to the shape, or None for what does not."""
    if mask.dtype != torch.bool:
        return None
    if mask.shape == (shape[0], *shape[2:]):
        return mask[:, None]
    pairs = zip(reversed(mask.shape), reversed(shape), strict=False)
    fits = mask.ndim <= len(shape) and all(m in (1, s) for m, s in pairs)
    return mask if fits else None


def losses(
    inputs: Inputs,
    formula: dict[str, Any],
    first_class: int,
    entropy: Entropy | None,
    stepwise: Stepwise,
) -> Losses | None:
    """Return the regional loss of the classes from the first one on, and the cross-entropy.

    None is for values that are to be refused or clipped.
    """
    pred, target, mask, options, pixels = inputs
    module: Any = host.kernels()
    number = None
    with threads(torch.get_num_threads()):
        if entropy is None:
            total, wrong = module.sums(module.pairs_of(pixels))
        else:
            weights = class_weights(entropy.weight, pred.shape[1])
            total, number, wrong = module.sums_with_entropy(module.pairs_of(pixels), weights)
    if wrong and options.checked:
        return None
    table = loss_and_slope(total[..., first_class:], dtype=pixels.dtype, **formula)
    found = _Found(table, first_class, options, entropy, number, stepwise)
    if torch.is_grad_enabled() and pred.requires_grad:
        results: Losses = _Whole.apply(pred, target, mask, found)  # type: ignore[no-untyped-call]
        return results
    return found.tensors(pred)


class _Found(NamedTuple):
    """What the forward pass has found."""

    table: TableLoss
    first_class: int
    options: Options
    entropy: Entropy | None
    number: np.ndarray | None
    stepwise: Stepwise

    def tensors(self, pred: Tensor) -> Losses:
        """Return the losses: the first in the dtype of the sums, the other in that of pred."""
        loss = torch.from_numpy(np.asarray(self.table.loss)).to(self.options.dtype)
        if self.entropy is None or self.number is None:
            return (loss,)
        wide = torch.float64 if pred.dtype == torch.float64 else torch.float32
        return loss, torch.tensor(float(self.number[0]) / self.divisor(), dtype=wide)

    def divisor(self) -> float:
        """Return what the sum of the cross-entropy is divided by."""
        assert self.entropy is not None
        assert self.number is not None
        return 1.0 if self.entropy.reduction == "sum" else float(self.number[1]) or 1.0


class _Whole(torch.autograd.Function):
    """The losses; only the inputs are saved, and a slope for each image and class."""

    @staticmethod
    def forward(ctx: Any, pred: Tensor, target: Tensor, mask: Mask, found: _Found) -> Losses:
        ctx.save_for_backward(pred, target, mask)
        ctx.found = found
        return found.tensors(pred)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        inputs, found = ctx.saved_tensors, ctx.found
        transformed = torch._C._functorch.is_functorch_wrapped_tensor(upstream[0])
        if torch.is_grad_enabled() or transformed:  # for a derivative of this one
            result = _stepwise_gradient(found.stepwise, inputs, upstream)
        else:
            result = _gradient(found, inputs, upstream)
        return result, None, None, None


def _stepwise_gradient(
    stepwise: Stepwise, inputs: tuple[Any, ...], upstream: tuple[Tensor, ...]
) -> Tensor:
    """Return the gradient of pred as PyTorch takes it, which has a derivative of its own."""
    with torch.enable_grad():
        values = stepwise(*inputs)
    (result,) = torch.autograd.grad(values, inputs[0], upstream, create_graph=True)
    found: Tensor = result
    return found


def _gradient(found: _Found, inputs: tuple[Any, ...], upstream: tuple[Tensor, ...]) -> Tensor:
    pred, target, mask = inputs
    images, classes = pred.shape[:2]
    of_table = found.table.gradient(upstream[0].numpy(), images, classes - found.first_class)
    if found.first_class:
        of_table = np.concatenate([np.zeros((4, images, found.first_class)), of_table], 2)
    scale = None
    if found.entropy is not None:
        weights = np.append(class_weights(found.entropy.weight, classes), 1.0)
        scale = weights * (float(upstream[1]) / found.divisor())
    module: Any = host.kernels()
    out = host.room(pred)
    with threads(torch.get_num_threads()):
        pairs = module.pairs_of(host.pixels_of(pred, target, mask, found.options), out)
        module.gradients(pairs, of_table, scale)
    return host.tensor(out)
