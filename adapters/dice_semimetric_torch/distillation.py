"""Knowledge distillation from a calibrated teacher."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per
from dice_semimetric._lib.options import require_number

from ._inputs import require_tensors
from ._levels import Masks, Tensors, is_several, levels, require_level_weights
from ._loss import Loss
from ._region import FocalExponent
from ._smoothing import Smoothing
from ._sums.reader import Mask
from ._targets import resolve_target, without_ignored
from ._weights import Weight
from .compound import DiceSemimetricCELoss, DiceVariant, require_weights


class DistillationLoss(Loss):
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
    label_smoothing : float, optional
        Of `DiceSemimetricCELoss`, for the labels only: a teacher's probabilities are soft already.
    smoothing : {"uniform", "boundary"}, optional
        Which labels are smoothed: all, or integer labels and masks where another one is next to
        them, see `dice_semimetric.smooth_boundary`.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given. None halves them from one to the next and
        makes them sum to 1, see `DiceSemimetricLoss`.

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

    In a training loop, with the probabilities of a teacher, which `calibrate_teacher` may
    have calibrated:

    >>> teacher, student = (torch.nn.Conv2d(1, 2, 3, padding=1) for _ in range(2))
    >>> optimizer = torch.optim.AdamW(student.parameters())
    >>> for image, label in [(torch.rand(2, 1, 8, 8), torch.randint(0, 2, (2, 8, 8)))]:
    ...     with torch.no_grad():
    ...         prob = teacher(image).softmax(1)
    ...     optimizer.zero_grad()
    ...     loss(student(image), label, teacher=prob).backward()
    ...     optimizer.step()
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
        label_smoothing: float = 0.0,
        smoothing: Smoothing = "uniform",
        deep_supervision_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        temperature = require_number("temperature", temperature, above=0.0)
        require_weights(lambda_kd_dice=lambda_kd_dice, lambda_kd_ce=lambda_kd_ce)
        self.temperature, self.ignore_index = temperature, ignore_index
        self.deep_supervision_weights = require_level_weights(deep_supervision_weights)
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
            **shared,
            lambda_dice=lambda_dice,
            lambda_ce=lambda_ce,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            smoothing=smoothing,
        )
        self.teacher = DiceSemimetricCELoss(  # soft labels get a mask in place of ignore_index
            **shared, lambda_dice=lambda_kd_dice, lambda_ce=lambda_kd_ce * temperature**2
        )

    @property
    def per(self) -> str:  # type: ignore[override]
        """The order of the means of the DML."""
        return self.labels.per

    def forward(
        self, input: Tensors, target: Tensors, teacher: Tensors, mask: Masks = None
    ) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor or sequence of Tensor
            The student's logits (B, C, *spatial); with deep supervision all outputs, finest first.
        target : Tensor or sequence of Tensor
            Labels or masks of each class, as for `DiceSemimetricLoss`.
        teacher : Tensor or sequence of Tensor
            The teacher's probabilities, of the shape of ``input``. For coarser outputs they are
            averaged over the pixels that count.
        mask : Tensor or sequence of Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.

        Returns
        -------
        Tensor
            A number.
        """
        if is_several(input):
            return self._over_levels(self._value, self.levels(input, target, teacher, mask))
        return self._value(input, target, mask, teacher)

    def levels(
        self, input: Tensors, target: Tensors, teacher: Tensors, mask: Masks = None
    ) -> list[tuple[Any, ...]]:
        """Return input, target, mask and teacher of each output, at its size."""
        if not is_several(input):
            return [(input, target, mask, teacher)]
        return levels(
            input,
            target,
            mask,
            teacher,
            to_onehot_y=self.labels.dice.to_onehot_y,
            ignore_index=self.ignore_index,
            weights=self.deep_supervision_weights,
        )

    def _value(self, input: Any, target: Any, mask: Any, teacher: Any) -> Tensor:
        """Return the loss of one output."""
        labelled, distilled = self._parts(input, target, mask, teacher)
        self.labels.dice.hint(input, target, distilled[2], teacher)
        return self.labels.term(*labelled) + self.teacher.term(*distilled)

    def sums(
        self, input: Tensor, target: Tensor, mask: Mask, teacher: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the sums with the labels, then those with the teacher."""
        labelled, distilled = self._parts(input, target, mask, teacher)
        return *self.labels.sums(*labelled), *self.teacher.sums(*distilled)

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of such sums."""
        return self.labels.from_sums(sums[:2], dtype) + self.teacher.from_sums(sums[2:], dtype)

    def _parts(
        self, input: Tensor, target: Tensor, mask: Mask, teacher: Tensor
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return input, target and mask of the terms with labels and of those with a teacher."""
        require_tensors(input=input, target=target, teacher=teacher, mask=mask)
        _require_teacher(input, teacher)
        target = resolve_target(input, target, to_onehot_y=self.labels.dice.to_onehot_y)
        labelled = input, target, mask
        if self.ignore_index is not None:
            mask = without_ignored(target, mask, self.ignore_index)
        if self.temperature != 1:
            input, teacher = input / self.temperature, self._tempered(teacher)
        return labelled, (input, teacher, mask)

    def _tempered(self, prob: Tensor) -> Tensor:
        if self.labels.dice.sigmoid:
            return torch.sigmoid(torch.logit(prob) / self.temperature)
        return torch.softmax(torch.log(prob) / self.temperature, 1)


def _require_teacher(input: Tensor, teacher: Tensor) -> None:
    """Raise ValueError unless a teacher gives probabilities of the student's classes."""
    shape, found = tuple(input.shape), tuple(teacher.shape)
    if found == shape and teacher.is_floating_point():
        return
    remedy = ""
    if found[1:2] != shape[1:2] and found[:1] + found[2:] == shape[:1] + shape[2:]:
        remedy = f"; of {found[1]} and {shape[1]} classes " + _classes_remedy(shape[1], found[1])
    raise ValueError(
        f"teacher must be probabilities of shape {shape} in a floating dtype, "
        f"got shape {found} and dtype {teacher.dtype}{remedy}"
    )


def _classes_remedy(student: int, teacher: int) -> str:
    """Return what to write for a teacher of another number of classes."""
    if student == 1 and teacher == 2:
        return "the foreground is teacher[:, 1:]"
    if student == 2 and teacher == 1:
        return "both are torch.cat([1 - teacher, teacher], 1)"
    return f"make them the same: a teacher of the student's {student}, or a student of {teacher}"
