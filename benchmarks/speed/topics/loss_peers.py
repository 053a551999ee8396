"""Ours and the peers' losses for a kind of input, with the arguments that make them one formula."""

from collections.abc import Callable
from typing import Any

import dice_semimetric_torch
import torch
from monai.losses import DiceCELoss, DiceLoss, MaskedDiceLoss, TverskyLoss
from torch import Tensor

from .loss_kinds import Kind

Loss = Callable[[Tensor, Tensor], Tensor]
SMOOTH = 1e-5  # MONAI's default, and ours


def nnunet_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 minus what nnU-Net's memory-efficient Dice loss takes the negative of.

    The formula of `MemoryEfficientSoftDiceLoss` with softmax and the background.
    """
    x = torch.softmax(logits, 1)
    axes = tuple(range(2, x.ndim))
    with torch.no_grad():
        one_hot = torch.zeros(x.shape, dtype=torch.bool)
        one_hot.scatter_(1, target.long(), 1)
        size = one_hot.sum(axes)
    both, found = (x * one_hot).sum(axes), x.sum(axes)
    return 1 - ((2 * both + SMOOTH) / torch.clip(size + found + SMOOTH, 1e-8)).mean()


def pair_of(kind: Kind) -> tuple[Loss, dict[str, Loss]]:
    """Return our loss and its peers by name."""
    active = {kind.activation: True} if kind.activation != "none" else {}
    labels = kind.target == "labels"
    common: dict[str, Any] = {**active, "to_onehot_y": labels, **kind.options}
    ours = getattr(dice_semimetric_torch, kind.loss)(**common, **_weights(kind))
    theirs = _monai(kind, common)
    plain = labels and kind.loss == "DiceSemimetricLoss" and not kind.options
    plain = plain and kind.layout == "" and not (kind.masked or kind.half or kind.compiled)
    peers: dict[str, Loss] = {"MONAI": theirs}
    if plain and kind.target_dtype is None:
        peers["nnU-Net's formula"] = nnunet_dice
    if kind.masked:
        ours, peers = _with_mask(kind, ours, common)
    if kind.compiled:
        ours, peers = torch.compile(ours), {n: torch.compile(f) for n, f in peers.items()}
    if kind.autocast:
        return _autocast(ours), {name: _autocast(loss) for name, loss in peers.items()}
    return ours, peers


def _weights(kind: Kind) -> dict[str, float]:
    """Return MONAI's weights of the two terms."""
    return {"lambda_dice": 1.0, "lambda_ce": 1.0} if "CE" in kind.loss else {}


def _monai(kind: Kind, common: dict[str, Any]) -> Loss:
    if "CE" in kind.loss:
        return DiceCELoss(**common)
    soft = {"soft_label": kind.target == "soft"}
    if kind.loss == "CompatibleTverskyLoss":
        return TverskyLoss(**common, **soft)
    return DiceLoss(**common, **soft, jaccard=kind.loss == "JaccardMetricLoss")


def _with_mask(kind: Kind, ours: Any, common: dict[str, Any]) -> tuple[Loss, dict[str, Loss]]:
    """Let four in five pixels count; MONAI's multiplies both sides by the mask."""
    mask = torch.rand((kind.shape[0], 1, *kind.shape[2:])) < 0.8
    masked = MaskedDiceLoss(**common, soft_label=kind.target == "soft")
    return (
        lambda x, y: ours(x, y, mask=mask),
        {"MONAI": lambda x, y: masked(x, y, mask=mask.float())},
    )


def _autocast(loss: Loss) -> Loss:
    def under(logits: Tensor, target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return loss(logits, target)

    return under
