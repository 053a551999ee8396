"""What is hardly meant with a softmax: probabilities as input, labels that do not sum to 1."""

from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.checks import checks_apply
from dice_semimetric._lib.warning import warn_caller

from ._inputs import plain
from ._sums.layouts import is_plain
from ._targets import with_class_axis

#: Of a sum of 1, in any dtype; 8 bits of a file included.
_TOLERANCE = 0.02


def hint_of_softmax(input: Any, target: Any, mask: Any, teacher: Any = None) -> None:
    """Warn of inputs that are probabilities and of soft labels that do not sum to 1.

    Pixels that do not count are left out, and labels that are 0 in every class, as ignored ones
    are. Values are read where that waits for no device.
    """
    input, target, mask, teacher = plain(input), plain(target), plain(mask), plain(teacher)
    tensors = [value for value in (input, target, mask, teacher) if value is not None]
    if not all(isinstance(value, Tensor) and value.is_cpu for value in tensors):
        return
    if not is_plain(*tensors) or not checks_apply(*tensors):
        return
    if input.ndim < 2 or input.shape[1] < 2 or input.numel() == 0:
        return
    if _sums_to_one(input):
        warn_caller(
            "input holds probabilities that sum to 1 over the classes, and softmax=True takes it "
            "for logits: give the logits, or leave softmax out"
        )
    if mask is not None and mask.dtype != torch.bool:
        return
    labels = {"soft labels in target": target, "probabilities in teacher": teacher}
    for name, label in labels.items():
        if label is not None and label.is_floating_point() and label.shape == input.shape:
            _hint_of_labels(name, label.detach(), mask)


def _sums_to_one(input: Tensor) -> bool:
    """Return whether all values are probabilities of classes that exclude each other."""
    first = input.detach()[0].float()  # most batches are told by their first image
    if bool(((first < 0) | (first > 1)).any()):
        return False
    every = input.detach().float()
    sums = every.sum(1)
    return bool(((every >= 0) & (every <= 1)).all() and ((sums - 1).abs() < 1e-3).all())


def _hint_of_labels(name: str, label: Tensor, mask: Tensor | None) -> None:
    sums = label.float().sum(1)
    counts = (sums != 0) & sums.isfinite()
    if mask is not None:
        mask = with_class_axis(mask, tuple(sums.shape))
        try:
            counts = counts & mask.expand(label.shape).any(1)  # type: ignore[union-attr]
        except RuntimeError:  # the loss says what is wrong with the mask
            return
    kept = torch.masked_select(sums, counts)
    if kept.numel() and bool(((kept - 1).abs() > _TOLERANCE).any()):
        low, high = (round(float(end), 3) for end in kept.aminmax())
        warn_caller(
            f"{name} sum to {low} to {high} over the classes, and softmax=True "
            "makes probabilities that sum to 1; for regions that may overlap write sigmoid=True"
        )
