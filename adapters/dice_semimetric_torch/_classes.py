"""What the losses of single classes share: MONAI's options of what is read and what is averaged."""

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

from ._hints import hint_of_softmax
from ._levels import Masks, Tensors, is_several, levels
from ._loss import Loss
from ._weights import Weight, weight_tensor


class ClassLoss(Loss):
    """A loss that is computed of each class of logits or probabilities (B, C, *spatial)."""

    class_weight: Tensor | None
    _hinted = False

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
            input, target, mask, to_onehot_y=self.to_onehot_y, ignore_index=self.ignore_index
        )

    def _value(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output."""
        self.hint(input, target, mask)
        return self.term(input, target, mask)

    def term(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output as a term of another loss, which has given the hints."""
        raise NotImplementedError

    def hint(self, input: Any, target: Any, mask: Any, teacher: Any = None) -> None:
        """Warn at the first call of what is hardly meant; see `hint_of_softmax`."""
        if self._hinted or torch.compiler.is_compiling():
            return
        self._hinted = True
        if self.softmax:
            hint_of_softmax(input, target, mask, teacher)

    def _activation(self, num_classes: int) -> Activation:
        if self.softmax and num_classes == 1:
            _warn("softmax=True does nothing to a single channel")
            return None
        return "softmax" if self.softmax else "sigmoid" if self.sigmoid else None

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

    def _for_logits(self, error: ValueError) -> ValueError:
        """Return the core's verdict on the pixels that count, as a module words it."""
        got = str(error).removeprefix("pred must lie in [0, 1], got values ")
        if got == str(error) or self.other_act is not None:
            return error  # NaN and all else stay
        return ValueError(
            f"input must hold probabilities from 0 to 1, got values {got.partition(';')[0]}; "
            "for logits set softmax=True or sigmoid=True"
        )

    def extra_repr(self) -> str:
        """Return the options for ``print``."""
        activation = "softmax" if self.softmax else "sigmoid" if self.sigmoid else "none"
        return f"activation={activation}, per={self.per}, reduction={self.reduction}"


def _warn(message: str) -> None:
    if not torch.compiler.is_compiling():
        warn_caller(message)
