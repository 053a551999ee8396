"""What is hardly meant: probabilities as logits, labels that do not sum to 1, stacked outputs."""

from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply
from dice_semimetric._lib.hints import warn_of_probabilities
from dice_semimetric._lib.typing import Activation
from dice_semimetric._lib.warning import warn_caller

from ._inputs import plain
from ._sums.layouts import is_plain
from ._targets import stacked_remedy, with_class_axis

#: Of a sum of 1, in any dtype; 8 bits of a file included.
_TOLERANCE = 0.02


def is_due(calls: int) -> bool:
    """Return whether to look at a call of that number: 1, 2, 4, 8, and so on.

    The first will not do: what a network returns before it has learned lies about 1/2, whatever
    its last layer is.
    """
    return calls & (calls - 1) == 0


class Hinted:
    """A module that looks at what it is called with until it has warned of it."""

    _calls = 0
    _hinted = False

    def _looks(self) -> bool:
        """Count the call and return whether to look at it."""
        if self._hinted or torch.compiler.is_compiling():
            return False
        self._calls += 1
        return is_due(self._calls)


def hint_of_loss(
    activation: Activation, input: Any, target: Any, mask: Any, teacher: Any = None
) -> bool:
    """Warn of inputs that are probabilities and of labels that do not sum to 1 under a softmax.

    Pixels that do not count are left out, and labels that are 0 in every class, as ignored ones
    are. Values are read where that waits for no device. Returns whether there was a warning.
    """
    input, target, mask, teacher = plain(input), plain(target), plain(mask), plain(teacher)
    tensors = [value for value in (input, target, mask, teacher) if value is not None]
    on_host = all(isinstance(value, Tensor) and value.is_cpu for value in tensors)
    if not on_host or not is_plain(*tensors):
        return False
    if not checks_apply(*tensors) or input.ndim < 2 or input.numel() == 0:
        return False
    warned = _hint_of_stacked(input, target)
    warned |= warn_of_probabilities(
        input.detach(),
        activation,
        f"input holds probabilities, and {activation}=True takes it for logits: give what the "
        f"network returns before its own {activation}, or without cross-entropy leave "
        f"{activation} out",
    )
    if (
        activation != "softmax"
        or input.shape[1] < 2
        or (mask is not None and mask.dtype != torch.bool)
    ):
        return warned
    kind = "soft labels" if target.is_floating_point() else "masks of each class"
    labels = {f"{kind} in target": target, "probabilities in teacher": teacher}
    for name, label in labels.items():
        if label is not None and label.shape == input.shape:
            warned |= _hint_of_labels(name, label.detach(), mask)
    return warned


def _hint_of_stacked(input: Tensor, target: Tensor) -> bool:
    """Warn of one-hot masks that would be taken for labels of an image of four axes."""
    remedy = "" if input.ndim < 6 or target.is_floating_point() else stacked_remedy(input, target)
    if target.ndim != input.ndim - 1 or not remedy or not bool((target.sum(1) == 1).all()):
        return False
    warn_caller(f"target holds one-hot masks, which are taken for labels{remedy}")
    return True


def hint_of_metric(activation: Activation, pred: Tensor) -> bool:
    """Warn of predictions that are probabilities; return whether they are."""
    pred = plain(pred.detach())
    return (
        pred.is_cpu
        and is_plain(pred)
        and warn_of_probabilities(
            pred,
            activation,
            f"pred holds probabilities, and activation={activation!r} takes it for logits: leave "
            "activation out, or give the logits",
        )
    )


def _hint_of_labels(name: str, label: Tensor, mask: Tensor | None) -> bool:
    sums = label.float().sum(1)
    counts = (sums != 0) & sums.isfinite()
    if mask is not None:
        mask = with_class_axis(mask, tuple(sums.shape))
        try:
            counts = counts & mask.expand(label.shape).any(1)  # type: ignore[union-attr]
        except RuntimeError:  # the loss says what is wrong with the mask
            return False
    kept = torch.masked_select(sums, counts)
    if not kept.numel() or bool(((kept - 1).abs() <= _TOLERANCE).all()):
        return False
    low, high = (round(float(end), 3) for end in kept.aminmax())
    if label.ndim > 2 and bool(((label.float().sum(-1) - 1).abs() <= _TOLERANCE).all()):
        remedy = "; they sum to 1 over the last axis: write movedim(-1, 1) of input and target"
    else:
        remedy = "; for regions that may overlap write sigmoid=True"
    warn_caller(
        f"{name} sum to {low} to {high} over the classes along axis 1, and softmax=True "
        f"makes probabilities that sum to 1{remedy}"
    )
    return True
