"""What the losses of single classes share: MONAI's options of what is read and what is averaged."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per, Reduction
from dice_semimetric._lib.options import (
    require_choice,
    require_label,
    require_switch,
)
from dice_semimetric._lib.typing import Activation
from dice_semimetric._lib.warning import warn_caller

from ._hints import Hinted, hint_of_loss
from ._levels import Masks, Tensors, is_several, levels
from ._loss import Loss
from ._targets import stacked_remedy
from ._weights import Weight, weight_tensor


class ClassLoss(Hinted, Loss):
    """A loss that is computed of each class of logits or probabilities (B, C, *spatial)."""

    class_weight: Tensor | None

    def __init__(
        self,
        include_background: bool,
        to_onehot_y: bool,
        sigmoid: bool,
        softmax: bool,
        other_act: Callable[[Tensor], Tensor] | None,
        reduction: str,
        batch: bool,
        weight: Weight,
        *,
        ignore_index: int | None,
        classes: Classes,
        per: Per | None,
        process_group: Any,
    ) -> None:
        super().__init__()
        self.include_background = require_switch("include_background", include_background)
        self.to_onehot_y = require_switch("to_onehot_y", to_onehot_y)
        self.sigmoid = require_switch("sigmoid", sigmoid)
        self.softmax = require_switch("softmax", softmax)
        self.other_act = other_act
        named: Any = reduction
        self.reduction: Reduction = getattr(named, "value", named)  # of MONAI's enumeration
        self.per: Per = per or ("batch" if require_switch("batch", batch) else "image")
        self.ignore_index = require_label("ignore_index", ignore_index)
        self.classes = classes
        self.process_group = process_group
        self.register_buffer("class_weight", weight_tensor(weight))
        self._check_choices(batch, per)

    def _check_choices(self, batch: bool, per: Per | None) -> None:
        """Raise for options that are unknown or exclude each other."""
        if self.other_act is not None and not callable(self.other_act):
            raise TypeError(f"other_act must be callable, got {type(self.other_act).__name__}")
        chosen = {"sigmoid": self.sigmoid, "softmax": self.softmax, "other_act": self.other_act}
        given = [name for name, value in chosen.items() if value]
        if len(given) > 1:
            raise ValueError(f"only one activation may be chosen, got {' and '.join(given)}")
        require_choice("reduction", self.reduction, ("mean", "sum", "none"))
        require_choice("per", self.per, ("batch", "image", "class"))
        if batch and self.per != "batch":
            raise ValueError(f"per must be 'batch' where batch=True, got {per!r}")
        if isinstance(self.classes, str):
            require_choice("classes", self.classes, ("all", "present"))
        elif not self.include_background:
            raise ValueError(
                "classes names the classes that count, so include_background must stay True, "
                f"got classes={self.classes!r} and include_background=False"
            )
        if self.process_group is not None and self.per != "batch":
            raise ValueError(
                "process_group sums the statistic over processes and needs batch=True, "
                f"got per={self.per!r}"
            )
        if not (self.process_group is None or hasattr(self.process_group, "allreduce")):
            raise TypeError(
                "process_group must be a torch.distributed.ProcessGroup, "
                f"got {type(self.process_group).__name__}"
            )

    def levels(self, input: Tensors, target: Tensors, mask: Masks = None) -> list[tuple[Any, ...]]:
        """Return input, target and mask of each output, at its size."""
        if not is_several(input):
            return [(input, target, mask)]
        return levels(
            input,
            target,
            mask,
            to_onehot_y=self.to_onehot_y,
            ignore_index=self.ignore_index,
            weights=self.deep_supervision_weights,
        )

    def _value(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output."""
        self.hint(input, target, mask)
        return self.term(input, target, mask)

    def term(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output as a term of another loss, which has given the hints."""
        raise NotImplementedError

    def hint(self, input: Any, target: Any, mask: Any, teacher: Any = None) -> None:
        """Warn of what is hardly meant, until there was a warning; see `hint_of_loss`."""
        if self._looks():
            chosen: Activation = "softmax" if self.softmax else "sigmoid" if self.sigmoid else None
            self._hinted = hint_of_loss(chosen, input, target, mask, teacher)

    def _activation(self, num_classes: int) -> Activation:
        if self.softmax:
            return "softmax" if num_classes > 1 else None
        return "sigmoid" if self.sigmoid else None

    def _warn_of_one(self, num_classes: int) -> None:
        """Warn that softmax did nothing, once it is clear that probabilities were given."""
        if self.softmax and num_classes == 1:
            _warn("softmax=True does nothing to a single channel; for logits write sigmoid=True")

    def _drops_background(self, num_classes: int) -> bool:
        if not self.include_background and num_classes == 1:
            _warn("include_background=False does nothing to a single channel")
        return not self.include_background and num_classes > 1

    def _weight(self, num_classes: int) -> Tensor | None:
        """Return one weight for each class; like MONAI's, it is nothing to a single one."""
        weight = self.class_weight
        if weight is None or num_classes == 1:
            return None
        return weight if weight.ndim else weight.expand(num_classes)

    def _worded(self, error: Exception, input: Tensor, target: Tensor) -> Exception:
        """Return the core's verdict as a module words it."""
        text = str(error)
        got = text.removeprefix("pred must lie in [0, 1], got values ")
        if got != text and self.other_act is None:
            choice = "sigmoid=True" if input.shape[1] == 1 else "softmax=True or sigmoid=True"
            return ValueError(
                f"input must hold probabilities from 0 to 1, got values {got.partition(';')[0]}; "
                f"for logits set {choice}"
            )
        name = "input" if self.other_act is None else "other_act(input)"
        text = re.sub(r"\bpred\b", name, text)
        if text.startswith("target must be integer labels of shape"):
            text += stacked_remedy(input, target)
        return type(error)(text)

    def extra_repr(self) -> str:
        """Return the options for ``print``."""
        activation = "softmax" if self.softmax else "sigmoid" if self.sigmoid else "none"
        return f"activation={activation}, per={self.per}, reduction={self.reduction}"


def _warn(message: str) -> None:
    if not torch.compiler.is_compiling():
        warn_caller(message)
