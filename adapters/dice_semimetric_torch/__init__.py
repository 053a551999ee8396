"""Losses for PyTorch that are right on soft labels, with MONAI's argument names.

Importing `dice_semimetric` is enough for its functions to run on tensors through the kernels of
this package.
"""

from dice_semimetric._lib.seam import adapters

from .accumulation import AccumulatedLoss
from .baselines import SoftDiceLoss, SoftJaccardLoss
from .calibration import CalibrationLoss
from .compound import DiceSemimetricCELoss
from .distillation import DistillationLoss
from .losses import DiceSemimetricLoss, JaccardMetricLoss
from .tversky import CompatibleFocalTverskyLoss, CompatibleTverskyLoss

adapters("torch")  # looked up now, since torch.compile cannot trace the search for entry points

__all__ = [
    "AccumulatedLoss",
    "CalibrationLoss",
    "CompatibleFocalTverskyLoss",
    "CompatibleTverskyLoss",
    "DiceSemimetricCELoss",
    "DiceSemimetricLoss",
    "DistillationLoss",
    "JaccardMetricLoss",
    "SoftDiceLoss",
    "SoftJaccardLoss",
]
