"""JAX: derivatives in closed form, losses in optax's style, batches spread over devices.

The core's functions take JAX arrays as they are and find the kernels of this package by
themselves; what is here is what JAX users have besides.
"""

from . import kernels
from .losses import calibration_error_loss, dice_semimetric_loss, jaccard_metric_loss
from .parallel import calibration_loss, region_loss

__all__ = [
    "calibration_error_loss",
    "calibration_loss",
    "dice_semimetric_loss",
    "jaccard_metric_loss",
    "kernels",
    "region_loss",
]
