"""The regional losses as modules, with MONAI's argument names and defaults."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from ._module import RegionLoss

C = TypeVar("C", bound=type)

_HEAD = """
    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels, of (B, *spatial) when squeezed; no one-hot is
        made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].{extra}
    reduction : {{"mean", "sum", "none"}}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the score 1 - loss.
    batch : bool, optional
        Pool the pixels of the batch before the formula; otherwise each image has its own loss.
    weight : float, sequence of float or Tensor, optional
        A factor for each class, for those after the first with ``include_background=False``; not
        normalised.
    variant : {{{variants}}}, optional
        The formula.
    ignore_index : int, optional
        The integer label of pixels that do not count. With soft labels, give a mask.
    classes : {{"all", "present"}} or sequence of int, optional
        The classes that count. "present": those with some target above 0, judged over the batch
        with ``batch=True`` and image by image otherwise.
    per : {{"batch", "image", "class"}}, optional
        In what order the mean is taken, see `dice_semimetric.region_loss`; "batch" is
        ``batch=True`` and "image" ``batch=False``.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class.
    gamma : float, optional
        The focal term, above 0; 1 means none.
    focal_exponent : {{"paper", "code"}}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33); "code" to ``gamma``.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one, such as
        ``torch.distributed.group.WORLD``. After DistributedDataParallel has averaged the
        gradients they are those of one process with the joined batch.

    Raises
    ------
    TypeError
        If an option or an input is of a wrong type.
    ValueError
        If an option is unknown, two exclude each other, or shapes or values do not fit; see
        `dice_semimetric.value_checks`.

    See Also
    --------
    dice_semimetric.region_loss : The same as a function of arrays.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, {equation}.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import {name}
    >>> loss = {name}(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]])
    >>> round(float(loss(logits, labels)), 3)
    {hard}
    >>> round(float(loss(logits, torch.full((1, 2, 4), 0.5))), 3)
    {soft}
    """

_TVERSKY = """
    alpha : float, optional
        Weight of false positives.
    beta : float, optional
        Weight of false negatives."""


def _document(equation: str, hard: float, soft: float, extra: str = "") -> Callable[[C], C]:
    """Complete a docstring with what the losses share."""

    def complete(cls: C) -> C:
        variants = ", ".join(f'"{v}"' for v in cls.variants)  # type: ignore[attr-defined]
        cls.__doc__ = (cls.__doc__ or "") + _HEAD.format(
            name=cls.__name__,
            equation=equation,
            hard=hard,
            soft=soft,
            extra=extra,
            variants=variants,
        )
        return cls

    return complete


@_document("Eqs. (3), (4)", 0.5, 0.0)
class DiceSemimetricLoss(RegionLoss):
    """Dice semimetric loss (DML): the Dice loss that is smallest where input and target agree.

    ``1 - (|x| + |y| - |x - y|) / (|x| + |y|)`` as "dml1" and
    ``1 - 2 <x, y> / (2 <x, y> + |x - y|)`` as "dml2". On hard labels both are the soft Dice loss.
    """


@_document("Eqs. (1), (2)", 0.667, 0.0)
class JaccardMetricLoss(RegionLoss):
    """Jaccard metric loss (JML): as `DiceSemimetricLoss`, for the Jaccard index.

    ``1 - (|x| + |y| - |x - y|) / (|x| + |y| + |x - y|)`` as "jml1" and
    ``1 - <x, y> / (<x, y> + |x - y|)`` as "jml2".
    """

    variants: ClassVar[tuple[str, ...]] = ("jml1", "jml2")


@_document("Sec. 2", 0.5, 0.5)
class SoftDiceLoss(RegionLoss):
    """Soft Dice loss (SDL), a baseline: WRONG on soft labels.

    ``1 - 2 <x, y> / (|x| + |y|)``. Where a soft target is reached exactly, neither the loss nor its
    gradient is 0: it draws predictions to 0 and 1. Use `DiceSemimetricLoss`, equal on hard labels.
    """

    variants: ClassVar[tuple[str, ...]] = ("sdl",)


@_document("Sec. 2", 0.667, 0.667)
class SoftJaccardLoss(RegionLoss):
    """Soft Jaccard loss (SJL), a baseline: WRONG on soft labels.

    ``1 - <x, y> / (|x| + |y| - <x, y>)``. Where a soft target is reached exactly, neither the loss
    nor its gradient is 0. Use `JaccardMetricLoss`, equal on hard labels.
    """

    variants: ClassVar[tuple[str, ...]] = ("sjl",)


@_document("Eq. (27)", 0.5, 0.0, extra=_TVERSKY)
class CompatibleTverskyLoss(RegionLoss):
    """Compatible Tversky loss (CTL): Tversky's weights of both errors, right on soft labels.

    ``(alpha FP + beta FN) / (I + alpha FP + beta FN)`` with ``I = (|x| + |y| - |x - y|) / 2``,
    ``FP = |x| - I`` and ``FN = |y| - I``.
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
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(
            include_background, to_onehot_y, sigmoid, softmax, other_act, *args, **options
        )
        self.alpha, self.beta = alpha, beta
        self._check_formula()


@_document("Eq. (33)", 0.595, 0.0, extra=_TVERSKY)
class CompatibleFocalTverskyLoss(CompatibleTverskyLoss):
    """Compatible focal Tversky loss (CFTL): `CompatibleTverskyLoss` to the power ``1 / gamma``.

    ``gamma`` is 4/3 unless told. The authors' published code raises to ``gamma`` instead, which
    ``focal_exponent="code"`` does.
    """

    variants: ClassVar[tuple[str, ...]] = ("cftl",)

    def __init__(self, *args: Any, gamma: float = 4 / 3, **options: Any) -> None:
        super().__init__(*args, gamma=gamma, **options)
