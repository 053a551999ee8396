"""The loss as nnU-Net v2 calls it: logits, and labels as its loader makes them.

nnU-Net imports this file by itself, outside its package: hence no relative imports.
"""

from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per
from dice_semimetric_torch._loss import Loss
from dice_semimetric_torch._region import FocalExponent
from dice_semimetric_torch._weights import Weight
from dice_semimetric_torch.compound import DiceSemimetricCELoss, DiceVariant


class NNUNetLoss(Loss):
    """Cross-entropy plus a Dice semimetric loss, for nnU-Net's targets.

    The loss is ``weight_ce CE + weight_dice DML``, the CE as nnU-Net takes it. The background
    counts in the CE only, unless the labels are regions. The CE of regions is the mean over pixels
    and regions, but with an ignore label the sum over regions, averaged over the pixels that count.

    Parameters
    ----------
    regions : bool, optional
        Labels are regions that may overlap: sigmoid, one channel of the target for each region.
        Otherwise softmax, and the target holds labels.
    ignore_label : int, optional
        The label of pixels that do not count. With regions, any number: the last channel of the
        target then marks these pixels.
    batch : bool, optional
        Pool the pixels of the batch, nnU-Net's ``batch_dice``.
    weight_ce, weight_dice : float, optional
        Weights of the two terms; nnU-Net's are 1 and 1, the paper's 0.25 and 0.75.
    weight : sequence of float or Tensor, optional
        A factor for each class in both terms.
    smooth_nr, smooth_dr : float, optional
        Added to the numerator and the denominator of the Dice score.
    variant : {"dml1", "dml2"}, optional
        The formula of the DML.
    classes, per, log, gamma, focal_exponent : optional
        Of the DML; see `dice_semimetric_torch.DiceSemimetricCELoss`.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.nnunet.loss import NNUNetLoss
    >>> loss = NNUNetLoss()
    >>> round(float(loss(torch.zeros(1, 2, 4), torch.tensor([[[0, 0, 1, 1]]]))), 3)
    1.193
    """

    def __init__(
        self,
        *,
        regions: bool = False,
        ignore_label: int | None = None,
        batch: bool = False,
        weight_ce: float = 1.0,
        weight_dice: float = 1.0,
        weight: Weight = None,
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        variant: DiceVariant | None = None,
        classes: Classes = "all",
        per: Per | None = None,
        log: bool = False,
        gamma: float | None = None,
        focal_exponent: FocalExponent = "paper",
        process_group: Any = None,
    ) -> None:
        super().__init__()
        self.regions = regions
        self.masked = regions and ignore_label is not None
        self.loss = DiceSemimetricCELoss(
            include_background=regions,
            to_onehot_y=not regions,
            softmax=not regions,
            sigmoid=regions,
            ignore_index=None if regions else ignore_label,
            batch=batch,
            lambda_ce=weight_ce,
            lambda_dice=weight_dice,
            weight=weight,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            variant=variant,
            classes=classes,
            per=per,
            log=log,
            gamma=gamma,
            focal_exponent=focal_exponent,
            process_group=process_group,
        )

    def forward(self, net_output: Tensor, target: Tensor) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        net_output : Tensor
            Logits (B, C, *spatial).
        target : Tensor
            Labels (B, 1, *spatial); with regions (B, C, *spatial), and one channel more for the
            pixels to ignore.

        Returns
        -------
        Tensor
            A number.
        """
        return self.loss.weighted(*self._level(net_output, target), *self._factors(net_output))

    @property
    def per(self) -> str:  # type: ignore[override]
        """The order of the means of the DML."""
        return self.loss.per

    def levels(self, net_output: Tensor, target: Tensor) -> list[tuple[Any, ...]]:
        """Return logits and target; nnU-Net itself calls the loss of each output."""
        return [(net_output, target)]

    def sums(self, net_output: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        """Return the sums of both terms."""
        return self.loss.sums(*self._level(net_output, target))

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of such sums."""
        return self.loss.weighted_sums(sums, dtype, *self._factors(sums[0]))

    def _level(self, net_output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        if not self.masked:
            return net_output, target, None
        return net_output, target[:, :-1], target[:, -1:] == 0

    def _factors(self, classes: Tensor) -> tuple[float, float]:
        """Return the factors of both terms; axis 1 of ``classes`` is that of the regions."""
        number = classes.shape[1] if self.masked else 1
        return self.loss.lambda_dice, number * self.loss.lambda_ce
