"""Exact gradients of a batch loss that is taken in several steps."""

from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.options import type_name

from ._levels import Tensors, is_several, level_weights
from ._loss import Loss

_Sums = tuple[Tensor, ...]


class AccumulatedLoss:
    """The loss of a large batch, and its exact gradient, from micro-batches.

    The mean of the losses of micro-batches is not the loss of their union, since the formula is
    no mean over images, and the mean of a cross-entropy is over the pixels that count in all of
    them. The gradient depends on the final sums, so that exactness takes two passes:
    one adds up the sums without gradients, the other sends the gradient that the loss of the total
    has at the sums through each micro-batch. The network must give the same output in both: layers
    that are random or use batch statistics make the result approximate.

    Parameters
    ----------
    loss : DiceSemimetricLoss, DiceSemimetricCELoss or another loss of this package
        With ``batch=True``. Its class weights, label smoothing and deep supervision count as in one
        batch; `add` and `backward` take what it is called with.

    Raises
    ------
    TypeError
        If the loss is none of this package.
    ValueError
        If the loss pools each image by itself, where no accumulation is needed.

    See Also
    --------
    DiceSemimetricLoss : Its ``process_group`` pools over processes in one pass.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import AccumulatedLoss, DiceSemimetricLoss
    >>> logits = torch.randn(4, 2, 8, requires_grad=True)
    >>> labels = torch.randint(0, 2, (4, 8))
    >>> criterion = DiceSemimetricLoss(softmax=True, batch=True)
    >>> total = AccumulatedLoss(criterion)
    >>> for part in (slice(0, 2), slice(2, 4)):
    ...     total.add(logits[part], labels[part])
    >>> for part in (slice(0, 2), slice(2, 4)):
    ...     total.backward(logits[part], labels[part])
    >>> bool(torch.isclose(total.value, criterion(logits, labels)))
    True
    """

    def __init__(self, loss: Loss) -> None:
        if not isinstance(loss, Loss):
            raise TypeError(
                "loss must be one of this package, such as DiceSemimetricCELoss(softmax=True, "
                f"batch=True), got {type_name(loss)}"
            )
        if loss.per != "batch":
            raise ValueError(f"loss must pool the batch (batch=True), got per={loss.per!r}")
        self._loss = loss
        self._totals: list[_Sums] = []  # of each output
        self._gradients: list[_Sums] = []
        self._several = False
        self._value: Tensor | None = None
        self._dtype: torch.dtype | None = None

    def add(self, input: Tensors, *others: Any, **named: Any) -> None:
        """Add the sums of a micro-batch; arguments as for the loss."""
        levels, several = self._loss.levels(input, *others, **named), is_several(input)
        with torch.no_grad():
            found = [self._loss.sums(*level) for level in levels]
        if self._totals and (several, len(found)) != (self._several, len(self._totals)):
            raise ValueError("input must hold as many outputs as the first micro-batch did")
        self._several = several
        totals = self._totals or [tuple(torch.zeros_like(s) for s in sums) for sums in found]
        pairs = zip(totals, found, strict=True)
        self._totals = [tuple(a + b for a, b in zip(*pair, strict=True)) for pair in pairs]
        self._dtype = sum_dtype(xp, *levels[0][:2])
        self._value = None

    def backward(self, input: Tensors, *others: Any, **named: Any) -> None:
        """Add the gradient of the loss of all micro-batches that goes through this one."""
        if self._value is None:
            self._close()
        levels = self._loss.levels(input, *others, **named)
        sums = [s for level in levels for s in self._loss.sums(*level)]
        gradients = [g for of_level in self._gradients for g in of_level]
        pairs = zip(sums, gradients, strict=True)
        kept = [pair for pair in pairs if pair[0].requires_grad]  # not those of a weight of 0
        # at once, since the outputs of a network share its graph
        torch.autograd.backward([s for s, _ in kept], [g for _, g in kept])

    @property
    def value(self) -> Tensor:
        """The loss of all micro-batches added."""
        return self._close() if self._value is None else self._value

    @torch.enable_grad()
    def _close(self) -> Tensor:
        """Take the loss of the totals and its gradient at them."""
        if not self._totals:
            raise ValueError("at least one micro-batch must be added first, got none")
        totals = [tuple(s.detach().requires_grad_() for s in sums) for sums in self._totals]
        weights: tuple[float, ...] = (1.0,)
        if self._several:
            weights = level_weights(self._loss.deep_supervision_weights, len(totals))
        assert self._dtype is not None
        values = [self._loss.from_sums(sums, self._dtype) for sums in totals]
        value = torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)
        if value.ndim:
            raise ValueError("loss must be one number (reduction='mean' or 'sum'), got 'none'")
        flat = torch.autograd.grad(value, [s for sums in totals for s in sums])
        number = len(totals[0])
        self._gradients = [flat[i : i + number] for i in range(0, len(flat), number)]
        self._value = value.detach()
        return self._value
