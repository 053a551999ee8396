"""Losses for PyTorch that are right on soft labels, with MONAI's argument names.

Importing `dice_semimetric` is enough for its functions to run on tensors through the kernels of
this package.
"""

from .compound import DiceSemimetricCELoss, DistillationLoss
from .losses import (
    CompatibleFocalTverskyLoss,
    CompatibleTverskyLoss,
    DiceSemimetricLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
)

__all__ = [
    "CompatibleFocalTverskyLoss",
    "CompatibleTverskyLoss",
    "DiceSemimetricCELoss",
    "DiceSemimetricLoss",
    "DistillationLoss",
    "JaccardMetricLoss",
    "SoftDiceLoss",
    "SoftJaccardLoss",
]
