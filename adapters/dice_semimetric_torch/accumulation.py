"""Exact gradients of a batch loss that is taken in several steps."""

from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric import Overlap
from dice_semimetric._lib.namespace import sum_dtype

from ._region import RegionLoss, pool


class AccumulatedLoss:
    """The loss of a large batch, and its exact gradient, from micro-batches.

    The mean of the losses of micro-batches is not the loss of their union, since the formula is
    no mean over images. Its gradient depends on the final sums, so that exactness takes two passes:
    one adds up the sums without gradients, the other sends the gradient that the loss of the total
    has at the sums through each micro-batch. The network must give the same output in both: layers
    that are random or use batch statistics make the result approximate.

    Parameters
    ----------
    loss : DiceSemimetricLoss or another regional loss
        With ``batch=True``.

    Raises
    ------
    TypeError
        If the loss is no regional one: a compound loss has one, its ``dice``.
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

    def __init__(self, loss: RegionLoss[Any]) -> None:
        if not isinstance(loss, RegionLoss):
            part = "; give its .dice, and add the cross-entropy of each micro-batch by itself"
            raise TypeError(
                "loss must be a regional loss, such as DiceSemimetricLoss(batch=True), "
                f"got {type(loss).__name__}{part if hasattr(loss, 'dice') else ''}"
            )
        if loss.per != "batch":
            raise ValueError(f"loss must pool the batch (batch=True), got per={loss.per!r}")
        self._loss = loss
        self._tables: list[Overlap] = []
        self._gradient: Tensor | None = None
        self._value: Tensor | None = None
        self._dtype: torch.dtype | None = None

    def add(self, input: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add the sums of a micro-batch; arguments as for the loss."""
        with torch.no_grad():
            self._tables.append(self._loss.overlap(input, target, mask))
        self._dtype = sum_dtype(xp, input, target)
        self._gradient = None

    def backward(self, input: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add the gradient of the loss of all micro-batches that goes through this one."""
        if self._gradient is None:
            self._close()
        table = _stack(self._loss.overlap(input, target, mask))
        assert self._gradient is not None
        torch.autograd.backward(table, self._gradient.expand_as(table))

    @property
    def value(self) -> Tensor:
        """The loss of all micro-batches added."""
        if self._gradient is None:
            self._close()
        assert self._value is not None
        return self._value

    def _close(self) -> None:
        if not self._tables:
            raise ValueError("at least one micro-batch must be added first, got none")
        joined = torch.cat([_stack(table) for table in self._tables], 1)
        total = _stack(pool(Overlap(*joined.unbind()))).requires_grad_()
        value = self._loss.from_overlap(Overlap(*total.unbind()), self._dtype)
        (self._gradient,) = torch.autograd.grad(value, total)
        self._value = value.detach()


def _stack(table: Overlap) -> Tensor:
    return torch.stack([table.pred, table.target, table.difference, table.product])
