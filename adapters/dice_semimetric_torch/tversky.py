"""The Tversky losses that are right on soft labels, with MONAI's argument names and defaults."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per, Reduction

from ._region import FocalExponent, RegionLoss
from ._smoothing import Smoothing
from ._weights import Weight


class CompatibleTverskyLoss(RegionLoss[Literal["ctl", "cftl"]]):
    """Compatible Tversky loss (CTL): Tversky's weights of both errors, right on soft labels.

    ``(alpha FP + beta FN) / (I + alpha FP + beta FN)`` of each class, with the intersection
    ``I = (|x| + |y| - |x - y|) / 2``, ``FP = |x| - I`` and ``FN = |y| - I``.

    The loss is called with the input (B, C, *spatial), in a floating dtype, and integer labels
    (B, *spatial), or soft labels or masks of each class (integers 0 and 1, or bool) of the input's
    shape. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels; no one-hot is made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].
    alpha, beta : float, optional
        Weights of false positives and of false negatives.
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the score 1 - loss.
    batch : bool, optional
        Pool the pixels of the batch; otherwise each image has its own loss.
    weight : float, sequence of float or Tensor, optional
        A factor for each class that ``include_background`` leaves; not normalised.
    variant : {"ctl"}, optional
        The formula; there is one.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0.
    per : {"batch", "image", "class"}, optional
        The order of the means, see `dice_semimetric.region_loss`; by default from ``batch``.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class.
    gamma : float, optional
        The focal term, above 0; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33), before ``log`` is taken; "code" to
        ``gamma``, after it.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels, from 0 to 1: (1 - epsilon) y
        + epsilon / C, or with ``sigmoid`` epsilon / 2 for each channel.
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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (26)-(27).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import CompatibleTverskyLoss
    >>> loss = CompatibleTverskyLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.5
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.0

    In a training loop, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = CompatibleTverskyLoss(sigmoid=True, alpha=0.3, beta=0.7, batch=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), mean).backward()
    ...     optimizer.step()
    """

    variants: ClassVar[tuple[str, ...]] = ("ctl",)

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction = "mean",
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        batch: bool = False,
        weight: Weight = None,
        *,
        variant: Literal["ctl", "cftl"] | None = None,
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
            include_background=include_background,
            to_onehot_y=to_onehot_y,
            sigmoid=sigmoid,
            softmax=softmax,
            other_act=other_act,
            reduction=reduction,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            batch=batch,
            weight=weight,
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
        self.alpha, self.beta = alpha, beta
        self._check_formula()


class CompatibleFocalTverskyLoss(CompatibleTverskyLoss):
    """Compatible focal Tversky loss (CFTL): `CompatibleTverskyLoss` to the power ``1 / gamma``.

    The loss is ``CTL ** (1 / gamma)`` of each class. The authors' published code raises to
    ``gamma`` instead, which ``focal_exponent="code"`` does.

    The loss is called with the input (B, C, *spatial), in a floating dtype, and integer labels
    (B, *spatial), or soft labels or masks of each class (integers 0 and 1, or bool) of the input's
    shape. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels; no one-hot is made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].
    alpha, beta : float, optional
        Weights of false positives and of false negatives.
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the score 1 - loss.
    batch : bool, optional
        Pool the pixels of the batch; otherwise each image has its own loss.
    weight : float, sequence of float or Tensor, optional
        A factor for each class that ``include_background`` leaves; not normalised.
    variant : {"cftl"}, optional
        The formula; there is one.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0.
    per : {"batch", "image", "class"}, optional
        The order of the means, see `dice_semimetric.region_loss`; by default from ``batch``.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class.
    gamma : float, optional
        The focal term, above 0; 4/3 by default, 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33), before ``log`` is taken; "code" to
        ``gamma``, after it.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.
    label_smoothing : float, optional
        The share epsilon of the uniform distribution in the labels, from 0 to 1: (1 - epsilon) y
        + epsilon / C, or with ``sigmoid`` epsilon / 2 for each channel.
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
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (33).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import CompatibleFocalTverskyLoss
    >>> loss = CompatibleFocalTverskyLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    0.595
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    0.0

    In a training loop, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> criterion = CompatibleFocalTverskyLoss(sigmoid=True, batch=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     criterion(network(image), mean).backward()
    ...     optimizer.step()
    """

    variants: ClassVar[tuple[str, ...]] = ("cftl",)
    default_gamma = 4 / 3
