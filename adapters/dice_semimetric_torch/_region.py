"""What all region losses share: MONAI's options around the core's statistic and formulas."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeVar

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric import Overlap, region_overlap
from dice_semimetric._lib.aggregate import Classes, Per, Reduction
from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.options import (
    require_choice,
    require_number,
    require_switch,
)
from dice_semimetric.formulas import check_options
from dice_semimetric.labels import require_fraction
from dice_semimetric.region import table_loss

from ._classes import ClassLoss
from ._inputs import plain, require_classes, require_tensors
from ._levels import Masks, Tensors, is_several, require_level_weights
from ._smoothing import Smoothing, smoothed
from ._sums.layouts import Reading, is_plain
from ._sums.paths import whole_module
from ._sums.reader import Mask
from ._sums.whole import Entropy, Losses, Stepwise
from ._targets import is_stacked, resolve_target
from ._weights import Weight
from .distributed import pool, stacked

#: The forms of the core's `overlap_loss` that a loss offers.
Variant = TypeVar("Variant", bound=str)
FocalExponent = Literal["paper", "code"]


class RegionLoss(ClassLoss, Generic[Variant]):
    """A regional loss of logits or probabilities (B, C, *spatial); subclasses name the options."""

    #: The forms of the core's `overlap_loss` to choose from, the default first.
    variants: ClassVar[tuple[str, ...]] = ("dml1", "dml2")
    alpha: float = 0.5  # a Tversky loss sets its own
    beta: float = 0.5
    default_gamma: float = 1.0

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        reduction: Reduction = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Weight = None,
        *,
        variant: Variant | None = None,
        ignore_index: int | None = None,
        classes: Classes = "all",
        per: Per | None = None,
        log: bool = False,
        gamma: float | None = None,
        focal_exponent: FocalExponent = "paper",
        process_group: Any = None,
        label_smoothing: float = 0.0,
        smoothing: Smoothing = "uniform",
        deep_supervision_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            include_background,
            to_onehot_y,
            sigmoid,
            softmax,
            other_act,
            reduction,
            batch,
            weight,
            ignore_index=ignore_index,
            classes=classes,
            per=per,
            process_group=process_group,
        )
        self.variant: str = self.variants[0] if variant is None else variant
        require_choice("variant", self.variant, self.variants)
        self.smooth_nr = require_number("smooth_nr", smooth_nr)
        self.smooth_dr = require_number("smooth_dr", smooth_dr)
        self.log = require_switch("log", log)
        self.gamma = self.default_gamma if gamma is None else gamma
        self.focal_exponent = focal_exponent
        self.label_smoothing = require_fraction("label_smoothing", label_smoothing)
        require_choice("smoothing", smoothing, ("uniform", "boundary"))
        self.smoothing: Smoothing = smoothing
        self.deep_supervision_weights = require_level_weights(deep_supervision_weights)
        self._check_formula()

    def _check_formula(self) -> None:
        smooth = (self.smooth_nr, self.smooth_dr)
        check_options(self.variant, self.alpha, self.beta, self.gamma, self.focal_exponent, smooth)

    def forward(self, input: Tensors, target: Tensors, mask: Masks = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor or sequence of Tensor
            (B, C, *spatial): logits, or probabilities without an activation. Of a network with deep
            supervision all outputs, the finest first.
        target : Tensor or sequence of Tensor
            Integer labels (B, *spatial), or (B, 1, *spatial) with ``to_onehot_y``; or, of the shape
            of ``input``, soft labels in a floating dtype, or a mask of each class in an integer
            dtype or bool: 0 and 1, one-hot or overlapping. With C = 1 it may lack the class axis.
            For coarser outputs soft labels are averaged over the pixels that count, anything else
            takes the nearest pixel; or give a target for each output.
        mask : Tensor or sequence of Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.
            For coarser outputs it takes the nearest pixel.

        Returns
        -------
        Tensor
            A number, or with ``reduction="none"`` (B, C), or (C,) for ``batch=True``.
        """
        if is_several(input):
            return self._over_levels(self._value, self.levels(input, target, mask))
        return self._value(input, target, mask)

    def prepared(self, input: Tensor, target: Tensor, mask: Mask) -> tuple[Tensor, Mask]:
        """Return target and mask as they are read: smoothed labels, if they are to be smoothed."""
        if not self.label_smoothing:
            return target, mask
        try:
            return smoothed(
                input,
                target,
                mask,
                epsilon=self.label_smoothing,
                smoothing=self.smoothing,
                each_alone=self.sigmoid,
                to_onehot_y=self.to_onehot_y,
                ignore_index=self.ignore_index,
            )
        except (TypeError, ValueError) as error:
            raise self._worded(error, input, target) from None

    @property
    def ignored(self) -> int | None:
        """The label to ignore in a target that was prepared; smoothed ones have a mask for it."""
        return None if self.label_smoothing else self.ignore_index

    def term(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output, without hints."""
        target, mask = self.prepared(input, target, mask)
        found = None
        if self.other_act is None:
            found = self.at_once(input, target, mask, None, self._stepwise)
        return self._stepwise(input, target, mask)[0] if found is None else found[0]

    def sums(self, input: Tensor, target: Tensor, mask: Mask) -> tuple[Tensor, ...]:
        """Return the sums of each class, (4, C)."""
        return (self.table(input, *self.prepared(input, target, mask)),)

    def table(self, input: Tensor, target: Tensor, mask: Mask) -> Tensor:
        """Return the sums of each class, (4, C), of a target that was prepared."""
        return stacked(pool(self._overlap(input, target, mask)))[:, 0]

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of sums of each class."""
        return self.from_overlap(Overlap(*sums[0][:, None].unbind()), dtype)

    def _stepwise(self, input: Tensor, target: Tensor, mask: Mask = None) -> Losses:
        table = self._overlap(input, target, mask)
        return (self.from_overlap(table, sum_dtype(xp, input, target)),)

    def at_once(
        self,
        input: Tensor,
        target: Tensor,
        mask: Tensor | None,
        entropy: Entropy | None,
        stepwise: Stepwise,
    ) -> Losses | None:
        """Return the loss, and a cross-entropy or the sum of both, by one function of autograd.

        That is for tensors with values on a host or a GPU, of a library's own class too, and None
        for any others, of which ``stepwise`` gives the terms.
        """
        input, target, mask = plain(input), plain(target), plain(mask)
        tensors = (input, target) if mask is None else (input, target, mask)
        if self.process_group is not None or not is_plain(*tensors) or input.ndim < 3:
            return None
        module, classes = whole_module(input.device), input.shape[1]
        if module is None:
            return None
        idle = classes == 1 and (self.softmax or not self.include_background)
        if idle or is_stacked(input, target):
            return None  # what does nothing or cannot be meant is said on the other path
        weights = self.class_weight, None if entropy is None else entropy.weight
        if any(w is not None and (w.requires_grad or w.device != input.device) for w in weights):
            return None
        if weights[1] is not None and weights[1].shape not in ((), (classes,)):
            return None
        if self.to_onehot_y and target.is_floating_point():
            target = resolve_target(input, target, to_onehot_y=True)
        first = 0 if self.include_background or classes == 1 else 1
        formula = self._formula | {"weight": self._weight(classes - first)}
        reading = Reading(self._activation(classes), self.ignored, self.to_onehot_y)
        found: Losses | None = module.losses(
            input, target, mask, reading, formula, first, entropy, stepwise
        )
        return found

    def overlap(self, input: Tensor, target: Tensor, mask: Mask = None) -> Overlap:
        """Return the sums (B, C) of the classes that count; arguments as for `forward`."""
        return self._overlap(input, *self.prepared(input, target, mask))

    def _overlap(self, input: Tensor, target: Tensor, mask: Mask) -> Overlap:
        require_tensors(input=input, target=target, mask=mask)
        require_classes("input", input)
        if self.other_act is not None:
            input = self.other_act(input)
        activation = self._activation(input.shape[1])
        target = resolve_target(input, target, to_onehot_y=self.to_onehot_y)
        try:
            table = region_overlap(
                input, target, activation=activation, ignore_index=self.ignored, mask=mask
            )
        except (TypeError, ValueError) as error:
            raise self._worded(error, input, target) from None
        self._warn_of_one(input.shape[1])
        if not self._drops_background(input.shape[1]):
            return table
        return table.take(tuple(range(1, input.shape[1])))

    def from_overlap(self, table: Overlap, dtype: torch.dtype | None = None) -> Tensor:
        """Return the loss of sums (B, C), such as `overlap` returns; in their dtype by default."""
        if self.per == "batch":
            table = pool(table, self.process_group)
        weight = self._weight(table.pred.shape[-1])
        loss: Tensor = table_loss(table, weight=weight, dtype=dtype, **self._formula)
        return loss

    @property
    def _formula(self) -> dict[str, Any]:
        """The options of the core's formulas."""
        return {
            "per": self.per,
            "classes": self.classes,
            "reduction": self.reduction,
            "form": self.variant,
            "alpha": self.alpha,
            "beta": self.beta,
            "gamma": self.gamma,
            "focal_exponent": self.focal_exponent,
            "log": self.log,
            "smooth": (self.smooth_nr, self.smooth_dr),
        }

    def extra_repr(self) -> str:
        """Return the options for ``print``."""
        return f"{self.variant}, {super().extra_repr()}"
