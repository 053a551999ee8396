"""Knowledge distillation from a calibrated teacher."""

from typing import Any, Literal

import array_api_compat.torch as xp
import torch
from torch import Tensor, nn

from dice_semimetric._lib.aggregate import Classes, Per
from dice_semimetric._lib.options import require_number
from dice_semimetric._lib.special import widen

from ._inputs import require_tensors
from ._keywords import KnownKeywords
from ._region import FocalExponent, Weight
from ._targets import resolve_target
from .compound import DiceSemimetricCELoss, DiceVariant, require_weights


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
    reduction : {"mean", "sum"}, optional
        Of all terms.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the Dice score.
    batch : bool, optional
        Pool the pixels of the batch in the DML; otherwise each image has its own.
    weight : sequence of float or Tensor, optional
        A factor for each class in all terms; with sigmoid, the CE weighs y = 1 by it.
    variant : {"dml1", "dml2"}, optional
        The formula of the DML.
    ignore_index : int, optional
        The integer label of pixels that do not count in any term; for any other target, give a
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
        With ``batch=True``, the processes whose batches are pooled into one, for all terms.

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
        reduction: Literal["mean", "sum"] = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Weight = None,
        variant: DiceVariant | None = None,
        ignore_index: int | None = None,
        classes: Classes = "all",
        per: Per | None = None,
        log: bool = False,
        gamma: float | None = None,
        focal_exponent: FocalExponent = "paper",
        process_group: Any = None,
    ) -> None:
        super().__init__()
        temperature = require_number("temperature", temperature, above=0.0)
        require_weights(lambda_kd_dice=lambda_kd_dice, lambda_kd_ce=lambda_kd_ce)
        self.temperature, self.ignore_index = temperature, ignore_index
        shared: dict[str, Any] = {
            "include_background": include_background,
            "to_onehot_y": to_onehot_y,
            "sigmoid": sigmoid,
            "softmax": softmax,
            "reduction": reduction,
            "smooth_nr": smooth_nr,
            "smooth_dr": smooth_dr,
            "batch": batch,
            "weight": weight,
            "variant": variant,
            "classes": classes,
            "per": per,
            "log": log,
            "gamma": gamma,
            "focal_exponent": focal_exponent,
            "process_group": process_group,
        }
        self.labels = DiceSemimetricCELoss(
            **shared, lambda_dice=lambda_dice, lambda_ce=lambda_ce, ignore_index=ignore_index
        )
        self.teacher = DiceSemimetricCELoss(  # soft labels get a mask in place of ignore_index
            **shared, lambda_dice=lambda_kd_dice, lambda_ce=lambda_kd_ce * temperature**2
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
