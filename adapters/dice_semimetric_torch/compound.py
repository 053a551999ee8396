"""Cross-entropy and a Dice semimetric loss together."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per
from dice_semimetric._lib.checks import checks_apply
from dice_semimetric._lib.options import require_choice, require_number

from ._inputs import plain, require_classes, require_tensors
from ._levels import Masks, Tensors, is_several, require_level_weights
from ._loss import Loss
from ._region import FocalExponent
from ._smoothing import Smoothing
from ._sums.entropy import entropy_of, entropy_sums
from ._sums.reader import Mask
from ._sums.whole import Entropy, Losses
from ._targets import resolve_target
from ._weights import Weight, weight_tensor
from .calibration import CalibrationLoss
from .losses import DiceSemimetricLoss

DiceVariant = Literal["dml1", "dml2"]


class DiceSemimetricCELoss(Loss):
    """Cross-entropy plus a Dice semimetric loss: 0.25 CE + 0.75 DML, as the paper trains.

    It is called with logits (B, C, *spatial) and integer labels (B, *spatial), or soft labels or
    masks of each class (integers 0 and 1, or bool) of the logits' shape. Softmax makes CE that over
    the classes, sigmoid that of each class by itself. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out of the DML; the CE keeps it.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels.
    sigmoid, softmax : bool, optional
        The activation; one is needed, since CE is of logits.
    reduction : {"mean", "sum"}, optional
        Of both terms.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the Dice score.
    batch : bool, optional
        Pool the pixels of the batch in the DML; otherwise each image has its own.
    weight : sequence of float or Tensor, optional
        A factor for each class in both terms; with sigmoid, the CE weighs y = 1 by it.
    lambda_dice, lambda_ce : float, optional
        Weights of the terms.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels of both terms, from 0 to 1;
        MONAI's is for the CE only. (1 - epsilon) y + epsilon / C, or with ``sigmoid`` epsilon / 2
        for each channel. The mean of the CE is then over pixels, as it is of soft labels.
    variant : {"dml1", "dml2"}, optional
        The formula of the DML.
    ignore_index : int, optional
        The integer label of pixels that do not count in either term; for any other target, give a
        mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count in the DML; "present" are those with some target above 0.
    per : {"batch", "image", "class"}, optional
        The order of the DML's means, see `dice_semimetric.region_loss`; by default from ``batch``.
    log : bool, optional
        Take ``-ln(1 - DML)`` of each class.
    gamma : float, optional
        The focal term of the DML, above 0; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the DML to ``1 / gamma``, Eq. (33), before ``log`` is taken; "code" to
        ``gamma``, after it.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one, for both terms.
    smoothing : {"uniform", "boundary"}, optional
        Which labels are smoothed: all, or integer labels and masks where another one is next to
        them, see `dice_semimetric.smooth_boundary`.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given. None halves them from one to the next and
        makes them sum to 1, see `DiceSemimetricLoss`.

    lambda_calibration : float, optional
        The weight of a third term, the average calibration error of each class, see
        `CalibrationLoss`: against the labels as they are given, not the smoothed ones.
    n_bins : int, optional
        The number of its bins.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sec. 3.2.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import DiceSemimetricCELoss
    >>> loss = DiceSemimetricCELoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.548

    In a training step, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = DiceSemimetricCELoss(sigmoid=True, batch=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), mean).backward()
    ...     optimizer.step()
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        reduction: Literal["mean", "sum"] = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Weight = None,
        lambda_dice: float = 0.75,
        lambda_ce: float = 0.25,
        label_smoothing: float = 0.0,
        *,
        variant: DiceVariant | None = None,
        ignore_index: int | None = None,
        classes: Classes = "all",
        per: Per | None = None,
        log: bool = False,
        gamma: float | None = None,
        focal_exponent: FocalExponent = "paper",
        process_group: Any = None,
        smoothing: Smoothing = "uniform",
        deep_supervision_weights: Sequence[float] | None = None,
        lambda_calibration: float = 0.0,
        n_bins: int = 10,
    ) -> None:
        super().__init__()
        if not (sigmoid or softmax):
            raise ValueError("cross-entropy is of logits: softmax=True or sigmoid=True is needed")
        reduction = getattr(reduction, "value", reduction)  # of MONAI's enumeration
        require_choice("reduction", reduction, ("mean", "sum"))
        require_weights(
            lambda_dice=lambda_dice, lambda_ce=lambda_ce, lambda_calibration=lambda_calibration
        )
        self.lambda_dice, self.lambda_ce = lambda_dice, lambda_ce
        self.deep_supervision_weights = require_level_weights(deep_supervision_weights)
        weight = weight_tensor(weight)
        self.ce_weight: Tensor | None
        self.register_buffer("ce_weight", weight)
        foreground = weight is not None and weight.ndim > 0 and not include_background
        self.dice = DiceSemimetricLoss(
            include_background=include_background,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            reduction=reduction,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            batch=batch,
            weight=weight[1:] if foreground and weight is not None else weight,
            variant=variant,
            ignore_index=ignore_index,
            classes=classes,
            per=per,
            log=log,
            gamma=gamma,
            focal_exponent=focal_exponent,
            process_group=process_group,
            label_smoothing=label_smoothing,
            smoothing=smoothing,
            deep_supervision_weights=deep_supervision_weights,
        )
        calibration = CalibrationLoss(
            include_background=include_background,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            reduction=reduction,
            batch=batch,
            n_bins=n_bins,
            ignore_index=ignore_index,
            classes=classes,
            per=per,
            process_group=process_group,
        )
        self._kept = (calibration,)  # no child before it counts
        self.lambda_calibration = lambda_calibration

    @property
    def lambda_calibration(self) -> float:
        """The weight of the calibration error, which a schedule may change."""
        return self._lambda_calibration

    @lambda_calibration.setter
    def lambda_calibration(self, weight: float) -> None:
        self._lambda_calibration = weight
        if weight:
            (self.calibration,) = self._kept

    @property
    def per(self) -> str:  # type: ignore[override]
        """The order of the means of the DML."""
        return self.dice.per

    def forward(self, input: Tensors, target: Tensors, mask: Masks = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor or sequence of Tensor
            Logits (B, C, *spatial); of a network with deep supervision all outputs, finest first.
        target : Tensor or sequence of Tensor
            Labels or masks of each class, as for `DiceSemimetricLoss`.
        mask : Tensor or sequence of Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.

        Returns
        -------
        Tensor
            A number.
        """
        if is_several(input):
            return self._over_levels(self._value, self.levels(input, target, mask))
        return self._value(input, target, mask)

    def levels(self, input: Tensors, target: Tensors, mask: Masks = None) -> list[tuple[Any, ...]]:
        """Return input, target and mask of each output, at its size."""
        return self.dice.levels(input, target, mask)

    def terms(self, input: Tensors, target: Tensors, mask: Masks = None) -> tuple[Tensor, Tensor]:
        """Return DML and CE without their weights; the CE is 0 where its weight is."""
        if is_several(input):
            rows = self.levels(input, target, mask)
            first, second = self._over_levels(lambda *row: torch.stack(self._terms(*row)), rows)
            return first, second
        return self._terms(input, target, mask)

    def _terms(self, input: Any, target: Any, mask: Any) -> tuple[Tensor, Tensor]:
        if self.lambda_ce == 0:
            self._require(input, target, mask)
            dice = self.dice.term(input, target, mask)
            return dice, torch.zeros_like(dice)
        first, second = self._losses(input, target, mask, None)
        return first, second

    def _value(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output."""
        self.dice.hint(input, target, mask)
        value = self.term(input, target, mask)
        if checks_apply(value) and bool(value.isnan()) and bool(plain(input).isinf().any()):
            raise ValueError("input must hold finite logits, got infinite ones: the loss is NaN")
        return value

    def term(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output as a term of another loss, which has given the hints."""
        value = self.weighted(input, target, mask, self.lambda_dice, self.lambda_ce)
        if self.lambda_calibration == 0:
            return value
        return value + self.lambda_calibration * self.calibration.term(input, target, mask)

    def weighted(
        self, input: Tensor, target: Tensor, mask: Mask, of_dice: float, of_entropy: float
    ) -> Tensor:
        """Return the sum of DML and CE of one output, each times its factor."""
        if of_entropy == 0:
            self._require(input, target, mask)
            return of_dice * self.dice.term(input, target, mask)
        found = self._losses(input, target, mask, (of_dice, of_entropy))
        return found[0] if len(found) == 1 else of_dice * found[0] + of_entropy * found[1]

    def _losses(
        self, input: Tensor, target: Tensor, mask: Mask, factors: tuple[float, float] | None
    ) -> Losses:
        """Return DML and CE, or their weighted sum where one function of autograd takes all."""
        entropy = Entropy(self.ce_weight, self.dice.reduction, factors)
        target, mask = self.dice.prepared(input, target, mask)
        found = self.dice.at_once(input, target, mask, entropy, self._stepwise)
        if found is not None:
            return found
        self._require(input, target, mask)
        target = resolve_target(input, target, to_onehot_y=self.dice.to_onehot_y)
        return self._stepwise(input, target, mask)

    def _require(self, input: Tensor, target: Tensor, mask: Mask) -> None:
        require_tensors(input=input, target=target, mask=mask)
        require_classes("input", input)
        if self.dice.softmax and input.shape[1] == 1:
            raise ValueError("softmax over a single channel is 1 everywhere; use sigmoid=True")

    def _stepwise(self, input: Tensor, target: Tensor, mask: Mask = None) -> Losses:
        dice = self.dice._stepwise(input, target, mask)  # checks the input for both terms
        terms = self._entropy_sums(input, target, mask)
        options = {"reduction": self.dice.reduction, "process_group": self.dice.process_group}
        return *dice, entropy_of(terms, **options)

    def _entropy_sums(self, input: Tensor, target: Tensor, mask: Mask) -> tuple[Tensor, Tensor]:
        return entropy_sums(
            input,
            target,
            sigmoid=self.dice.sigmoid,
            weight=self._ce_weight(input.shape[1]),
            ignore_index=self.dice.ignored,
            mask=mask,
        )

    def sums(self, input: Tensor, target: Tensor, mask: Mask) -> tuple[Tensor, ...]:
        """Return the sums of each class, (4, C), (2,) of the CE, and any bins (3, C, n_bins).

        Those of the CE are its sum and what its mean divides by.
        """
        self._require(input, target, mask)
        bins = self.calibration.sums(input, target, mask) if self.lambda_calibration else ()
        target, mask = self.dice.prepared(input, target, mask)
        target = resolve_target(input, target, to_onehot_y=self.dice.to_onehot_y)
        table = self.dice.table(input, target, mask)
        if self.lambda_ce == 0:
            return table, table.new_zeros(2), *bins
        terms = torch.stack(self._entropy_sums(input, target, mask)).to(table.dtype)
        return table, terms, *bins

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of such sums."""
        value = self.weighted_sums(sums[:2], dtype, self.lambda_dice, self.lambda_ce)
        if self.lambda_calibration == 0:
            return value
        return value + self.lambda_calibration * self.calibration.from_sums(sums[2:], dtype)

    def weighted_sums(
        self, sums: tuple[Tensor, ...], dtype: torch.dtype, of_dice: float, of_entropy: float
    ) -> Tensor:
        """Return the sum of DML and CE of such sums, each times its factor."""
        table, (total, number) = sums
        options = {"reduction": self.dice.reduction, "process_group": self.dice.process_group}
        entropy = entropy_of((total, number), **options).to(dtype)
        return of_dice * self.dice.from_sums((table,), dtype) + of_entropy * entropy

    def _ce_weight(self, num_classes: int) -> Tensor | None:
        weight = self.ce_weight
        return weight.expand(num_classes) if weight is not None and weight.ndim == 0 else weight


def require_weights(**weights: float) -> None:
    for name, value in weights.items():
        require_number(name, value, least=0.0)
