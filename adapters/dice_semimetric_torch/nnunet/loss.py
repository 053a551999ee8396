"""The loss as nnU-Net v2 calls it: logits, and labels as its loader makes them.

nnU-Net imports this file by itself, outside its package: hence no relative imports.
"""

from typing import Unpack

from torch import Tensor, nn

from dice_semimetric_torch._keywords import KnownKeywords
from dice_semimetric_torch._region import FormulaOptions, Weight
from dice_semimetric_torch.compound import DiceSemimetricCELoss


class NNUNetOptions(FormulaOptions, total=False):
    """The keywords that `NNUNetLoss` hands on to `DiceSemimetricCELoss`."""

    weight: Weight
    smooth_nr: float
    smooth_dr: float


class NNUNetLoss(KnownKeywords, nn.Module):
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
    **options : Any
        ``variant``, ``process_group`` and others of `dice_semimetric_torch.DiceSemimetricCELoss`.

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
        **options: Unpack[NNUNetOptions],
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
            **options,
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
        mask = None
        if self.masked:
            mask, target = target[:, -1:] == 0, target[:, :-1]
        factor = target.shape[1] if self.masked else 1
        own = self.loss
        return own._weighted(net_output, target, mask, own.lambda_dice, factor * own.lambda_ce)
