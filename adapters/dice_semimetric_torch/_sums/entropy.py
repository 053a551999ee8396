"""Cross-entropy of logits with hard or soft labels, over the pixels that count."""

from typing import Any

import array_api_compat.torch as xp
import torch
import torch.nn.functional as F
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply, clipped, rounding, value_range
from dice_semimetric._lib.pairs import both, expand_labels

from .._targets import with_class_axis
from ..distributed import all_reduce
from . import host_entropy
from .paths import without_values
from .reader import Mask

Terms = tuple[Tensor, Tensor]


def entropy_sums(
    logits: Tensor,
    target: Tensor,
    *,
    sigmoid: bool,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    mask: Mask = None,
) -> Terms:
    """Return the sum of the cross-entropy over classes or, with ``sigmoid``, of each class alone.

    With it comes what the mean divides it by: as in torch, the weights of the labels' classes. The
    target is labels (B, *spatial) or, of the shape of ``logits``, soft labels or masks of each
    class, checked beforehand.
    """
    if logits.dtype.itemsize < 4:
        logits = logits.float()
    if target.is_floating_point():  # masks of each class are cast where they are read
        target = _without_rounding(target).to(logits.dtype)
    mask = with_class_axis(mask, (logits.shape[0], *logits.shape[2:]))
    total, count = _sums(logits, target, weight, mask, ignore_index, sigmoid)
    return total, count.to(total)


def entropy_of(terms: Terms, *, reduction: str = "mean", process_group: Any = None) -> Tensor:
    """Return the cross-entropy of its sum and what the mean divides it by.

    The mean is over all processes of a group where one is given, and 0 where nothing counts.
    """
    if reduction == "sum":
        return terms[0]
    total, number = all_reduce(torch.stack(terms), process_group).unbind()
    return total / torch.where(number > 0, number, 1)


def _without_rounding(target: Tensor) -> Tensor:
    """Return soft labels, those that rounding put beyond 0 and 1 as 0 and 1 if they are checked."""
    if not target.numel() or not checks_apply(target):
        return target
    low, high = (float(end) for end in value_range(target))
    slack = rounding(xp, target.dtype)
    off = (low < 0 or high > 1) and low >= -slack and high <= 1 + slack
    return clipped(xp, target) if off else target


def _sums(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    mask: Mask,
    ignore_index: int | None,
    sigmoid: bool,
) -> Terms:
    """Return the sum of the terms and of what they count, by compiled kernels where there are."""
    generic = _binary if sigmoid else _categorical
    if _on_host(logits, target, mask) and host_entropy.takes(logits, target, mask):
        arguments = (logits, target, weight, mask, ignore_index, sigmoid)
        return host_entropy.sums(*arguments, generic=generic)
    terms, count = generic(logits, target, weight, mask, ignore_index)
    return terms.sum(), count.sum()


def _on_host(logits: Tensor, target: Tensor, mask: Mask) -> bool:
    """Return whether there are values in the host's memory; a compiler fuses PyTorch's own."""
    if torch.compiler.is_compiling() or logits.device.type != "cpu":
        return False
    return not without_values(logits, target, mask)


def _categorical(
    logits: Tensor, target: Tensor, weight: Tensor | None, mask: Mask, ignore_index: int | None
) -> Terms:
    """Return -log x of the label, or its mean under a soft label, and what each pixel counts."""
    labels = target.ndim < logits.ndim
    if labels:
        label = target[:, None].long()
        mask = both(None if ignore_index is None else label != ignore_index, mask)
    if mask is not None:  # what does not count may be NaN
        logits = torch.where(mask.any(1, keepdim=True), logits, 0)
    log_prob = F.log_softmax(logits, 1)
    if not labels:
        target = target.to(logits.dtype)
        if weight is not None:
            target = target * _per_class(weight, logits)
        target = _hide(target, mask)
        terms = _hide(-log_prob, target != 0) * target  # 0 also where a logit is -inf
        one = torch.ones_like(logits[:, :1])
        return terms, one if mask is None else one * mask.any(1, keepdim=True)
    if mask is not None:
        if mask.shape[1] > 1:  # the mask of the label's own class
            inside = label.clamp(0, logits.shape[1] - 1)
            mask = mask.expand(logits.shape).gather(1, inside)
        label = torch.where(mask, label, 0)
    factor = torch.ones_like(label) if weight is None else weight.to(logits)[label]
    return _hide(-log_prob.gather(1, label) * factor, mask), _hide(factor, mask)


def _binary(
    logits: Tensor, target: Tensor, weight: Tensor | None, mask: Mask, ignore_index: int | None
) -> Terms:
    """Return the terms of each class and pixel, and which count; weights are those of y = 1."""
    if target.ndim < logits.ndim:
        target, kept = expand_labels(xp, target.long(), logits.shape[1], ignore_index)
        mask = both(kept, mask)
    terms = F.binary_cross_entropy_with_logits(
        _hide(logits, mask),
        _hide(target.to(logits.dtype), mask),
        pos_weight=None if weight is None else _per_class(weight, logits)[0],
        reduction="none",
    )
    return _hide(terms, mask), _hide(torch.ones_like(logits), mask)


def _per_class(weight: Tensor, logits: Tensor) -> Tensor:
    return weight.to(logits).view(1, -1, *(1,) * (logits.ndim - 2))


def _hide(values: Tensor, mask: Mask) -> Tensor:
    return values if mask is None else torch.where(mask, values, 0)
