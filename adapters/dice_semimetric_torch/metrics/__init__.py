"""Scores over a whole data set, batch by batch: torchmetrics' life cycle, states of a few numbers.

The classes are `torchmetrics.Metric`, so they work in a ``MetricCollection``, in Lightning's
``self.log`` and across processes. The package does not import this module by itself: torchmetrics
takes seconds to load.
"""

from dice_semimetric._lib.extras import install

try:
    import torchmetrics  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"dice_semimetric_torch.metrics needs torchmetrics: {install('metrics')}"
    ) from error

from .calibration import ExpectedCalibrationError
from .scores import BinarizedDice, DiceSemimetricScore, JaccardMetricScore

__all__ = [
    "BinarizedDice",
    "DiceSemimetricScore",
    "ExpectedCalibrationError",
    "JaccardMetricScore",
]
