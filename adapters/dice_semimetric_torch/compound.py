"""Cross-entropy and a Dice semimetric loss together, with labels and with a teacher."""

from typing import Unpack

import array_api_compat.torch as xp
import torch
from torch import Tensor, nn

from dice_semimetric._lib.options import require_choice, require_number
from dice_semimetric._lib.special import widen

from ._inputs import require_classes, require_tensors
from ._keywords import KnownKeywords
from ._region import RegionOptions, Weight, weight_tensor
from ._sums.entropy import cross_entropy
from ._sums.whole import Entropy, Losses
from ._targets import resolve_target
from .losses import DiceSemimetricLoss


class DiceSemimetricCELoss(KnownKeywords, nn.Module):
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
    **options : Any
        For both terms ``ignore_index`` (the label of pixels that do not count) and
        ``process_group`` (the processes that pool their batches); for the DML ``variant`` ("dml1"
        or "dml2"), ``classes`` ("all", "present" or indices), ``per`` ("batch", "image" or
        "class"), ``log``, ``gamma`` and ``focal_exponent``.

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
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        reduction: str = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Weight = None,
        lambda_dice: float = 0.75,
        lambda_ce: float = 0.25,
        **options: Unpack[RegionOptions],
    ) -> None:
        super().__init__()
        if not (sigmoid or softmax):
            raise ValueError("cross-entropy is of logits: softmax=True or sigmoid=True is needed")
        reduction = getattr(reduction, "value", reduction)  # of MONAI's enumeration
        require_choice("reduction", reduction, ("mean", "sum"))
        _require_weights(lambda_dice=lambda_dice, lambda_ce=lambda_ce)
        self.lambda_dice, self.lambda_ce = lambda_dice, lambda_ce
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
            **options,
        )

    def forward(self, input: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor
            Logits (B, C, *spatial).
        target : Tensor
            Labels or masks of each class, as for `DiceSemimetricLoss`.
        mask : Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.

        Returns
        -------
        Tensor
            A number.
        """
        return self._weighted(input, target, mask, self.lambda_dice, self.lambda_ce)

    def terms(
        self, input: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return DML and CE without their weights; the CE is 0 where its weight is."""
        if self.lambda_ce == 0:
            self._require(input, target, mask)
            dice: Tensor = self.dice(input, target, mask)
            return dice, torch.zeros_like(dice)
        first, second = self._losses(input, target, mask, None)
        return first, second

    def _weighted(
        self, input: Tensor, target: Tensor, mask: Tensor | None, of_dice: float, of_entropy: float
    ) -> Tensor:
        """Return the sum of DML and CE, each times its factor."""
        if of_entropy == 0:
            self._require(input, target, mask)
            value: Tensor = of_dice * self.dice(input, target, mask)
            return value
        found = self._losses(input, target, mask, (of_dice, of_entropy))
        return found[0] if len(found) == 1 else of_dice * found[0] + of_entropy * found[1]

    def _losses(
        self,
        input: Tensor,
        target: Tensor,
        mask: Tensor | None,
        factors: tuple[float, float] | None,
    ) -> Losses:
        """Return DML and CE, or their weighted sum where one function of autograd takes all."""
        entropy = Entropy(self.ce_weight, self.dice.reduction, factors)
        found = self.dice.at_once(input, target, mask, entropy, self._stepwise)
        if found is not None:
            return found
        self._require(input, target, mask)
        target = resolve_target(input, target, to_onehot_y=self.dice.to_onehot_y)
        return self._stepwise(input, target, mask)

    def _require(self, input: Tensor, target: Tensor, mask: Tensor | None) -> None:
        require_tensors(input=input, target=target, mask=mask)
        require_classes("input", input)
        if self.dice.softmax and input.shape[1] == 1:
            raise ValueError("softmax over a single channel is 1 everywhere; use sigmoid=True")

    def _stepwise(self, input: Tensor, target: Tensor, mask: Tensor | None = None) -> Losses:
        dice = self.dice._stepwise(input, target, mask)  # checks the input for both terms
        entropy = cross_entropy(
            input,
            target,
            sigmoid=self.dice.sigmoid,
            weight=self._ce_weight(input.shape[1]),
            ignore_index=self.dice.ignore_index,
            mask=mask,
            reduction=self.dice.reduction,
            process_group=self.dice.process_group,
        )
        return *dice, entropy

    def _ce_weight(self, num_classes: int) -> Tensor | None:
        weight = self.ce_weight
        return weight.expand(num_classes) if weight is not None and weight.ndim == 0 else weight


class DistillationOptions(RegionOptions, total=False):
    """The keywords that `DistillationLoss` hands on to `DiceSemimetricCELoss`."""

    reduction: str
    smooth_nr: float
    smooth_dr: float
    batch: bool
    weight: Weight


class DistillationLoss(KnownKeywords, nn.Module):
    """Knowledge distillation: CE and DML with the labels, and both with a teacher's probabilities.

    The paper's student learns from a calibrated teacher: give what
    `dice_semimetric.calibrate_teacher` returns as ``teacher``. DML is right there since it takes
    soft labels, which the soft Dice loss does not.

    It is called with the student's logits (B, C, *spatial), labels as for `DiceSemimetricCELoss`,
    and the teacher's probabilities of the logits' shape.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out of the DML; the CE keeps it.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels.
    sigmoid, softmax : bool, optional
        The activation; one is needed, since CE is of logits.
    lambda_dice, lambda_ce : float, optional
        Weights of the terms with the labels.
    lambda_kd_dice, lambda_kd_ce : float, optional
        Weights of the terms with the teacher.
    temperature : float, optional
        T > 0: in the terms with the teacher the student's logits are divided by it, the teacher's
        probabilities likewise taken to the power 1 / T and normalised, and the CE multiplied by
        T ** 2, which keeps the size of its gradient.
    **options : Any
        Of `DiceSemimetricCELoss`: ``reduction``, ``smooth_nr``, ``smooth_dr``, ``batch``,
        ``weight``, ``variant``, ``ignore_index``, ``classes``, ``per``, ``log``, ``gamma``,
        ``focal_exponent``, ``process_group``.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sec. 3.5, Table 5.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import DistillationLoss
    >>> loss = DistillationLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels, teacher=torch.full((1, 2, 4), 0.5))), 3)
    0.722
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        *,
        lambda_dice: float = 0.75,
        lambda_ce: float = 0.25,
        lambda_kd_dice: float = 0.75,
        lambda_kd_ce: float = 0.25,
        temperature: float = 1.0,
        **options: Unpack[DistillationOptions],
    ) -> None:
        super().__init__()
        temperature = require_number("temperature", temperature, above=0.0)
        _require_weights(lambda_kd_dice=lambda_kd_dice, lambda_kd_ce=lambda_kd_ce)
        self.temperature, self.ignore_index = temperature, options.get("ignore_index")
        shared = include_background, to_onehot_y, sigmoid, softmax
        self.labels = DiceSemimetricCELoss(
            *shared, lambda_dice=lambda_dice, lambda_ce=lambda_ce, **options
        )
        options["ignore_index"] = None  # soft labels get a mask instead
        self.teacher = DiceSemimetricCELoss(
            *shared, lambda_dice=lambda_kd_dice, lambda_ce=lambda_kd_ce * temperature**2, **options
        )

    def forward(
        self, input: Tensor, target: Tensor, teacher: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor
            The student's logits (B, C, *spatial).
        target : Tensor
            Labels or masks of each class, as for `DiceSemimetricLoss`.
        teacher : Tensor
            The teacher's probabilities, of the shape of ``input``.
        mask : Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.

        Returns
        -------
        Tensor
            A number.
        """
        require_tensors(input=input, target=target, teacher=teacher, mask=mask)
        if teacher.shape != input.shape or not teacher.is_floating_point():
            raise ValueError(
                f"teacher must be probabilities of shape {tuple(input.shape)} in a floating dtype, "
                f"got shape {tuple(teacher.shape)} and dtype {teacher.dtype}"
            )
        target = resolve_target(input, target, to_onehot_y=self.labels.dice.to_onehot_y)
        loss: Tensor = self.labels(input, target, mask)
        if self.ignore_index is not None:
            counts = (widen(xp, target, self.ignore_index) != self.ignore_index)[:, None]
            if mask is not None and mask.shape == target.shape:
                mask = mask[:, None]
            mask = counts if mask is None else mask & counts
        if self.temperature != 1:
            input, teacher = input / self.temperature, self._tempered(teacher)
        distilled: Tensor = self.teacher(input, teacher, mask)
        return loss + distilled

    def _tempered(self, prob: Tensor) -> Tensor:
        if self.labels.dice.sigmoid:
            return torch.sigmoid(torch.logit(prob) / self.temperature)
        return torch.softmax(torch.log(prob) / self.temperature, 1)


def _require_weights(**weights: float) -> None:
    for name, value in weights.items():
        require_number(name, value, least=0.0)
