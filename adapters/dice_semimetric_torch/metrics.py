"""Scores over a whole data set, batch by batch: torchmetrics' life cycle, states of a few numbers.

The classes are `torchmetrics.Metric` where torchmetrics is installed, so they work in a
``MetricCollection``, in Lightning's ``self.log`` and across processes. Elsewhere a small base class
gives the same ``update``, ``compute``, ``reset``, ``merge_state`` and ``forward``.

The package does not import this module by itself: torchmetrics takes seconds to load.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from dice_semimetric import Overlap, ThresholdCounts, region_overlap
from dice_semimetric.scores import overlap_score
from dice_semimetric.thresholds import region_threshold_counts, require_thresholds

from ._region_metric import RegionMetric
from .calibration_metric import ExpectedCalibrationError

__all__ = [
    "BinarizedDice",
    "DiceSemimetricScore",
    "ExpectedCalibrationError",
    "JaccardMetricScore",
]

M = TypeVar("M", bound=type)

_OPTIONS = """
    Parameters
    ----------
    num_classes : int
        The number C of channels of the predictions.
    activation : {{None, "softmax", "sigmoid"}}, optional
        What makes probabilities of the predictions.
    per : {{"image", "class", "dataset"}}, optional
        "image" averages the classes within each image, then the images; "class" averages the
        images within each class, then the classes; "dataset" pools the pixels of all images and
        averages the classes. How images were grouped into batches never matters.
    classes : {{"all", "present"}} or sequence of int, optional
        The classes that count. "present": those with some target above 0 inside the mask, judged
        over all images for ``per="dataset"`` and image by image otherwise.
    ignore_index : int, optional
        The integer label of pixels that do not count. With soft labels, use ``mask`` in ``update``.
    empty : {{1.0, 0.0, nan, "skip"}}, optional
        The score where prediction and target are both empty; "skip" leaves it out of all means.
    reduction : {{"mean", "none"}}, optional
        "none" returns one score for each chosen class; not for ``per="image"``.{extra}
    dtype : torch.dtype, optional
        Of the sums; for a device without float64, float32.
    **options : Any
        For `torchmetrics.Metric`, such as ``process_group``.

    Raises
    ------
    ValueError
        If an option is unknown, or a batch does not fit; see `dice_semimetric.region_overlap`.

    See Also
    --------
    dice_semimetric.region_score : The same for one batch.

    Notes
    -----
    ``update(pred, target, mask=None)`` takes what `dice_semimetric.region_overlap` takes.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.metrics import {name}
    >>> metric = {name}(1)
    >>> metric.update(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.5]]]))
    >>> round(float(metric.compute()), 3)
    {value}
    """


def _document(value: float, extra: str = "") -> Callable[[M], M]:
    """Complete a docstring with the parts that the scores share."""

    def complete(cls: M) -> M:
        options = _OPTIONS.format(name=cls.__name__, value=value, extra=extra)
        cls.__doc__ = (cls.__doc__ or "").rstrip() + "\n" + options
        return cls

    return complete


class _OverlapMetric(RegionMetric):
    """A formula on the Overlap statistic."""

    _fields = ("pred", "target", "difference", "product")
    _score: ClassVar[str]

    def _sums_shape(self, size: int) -> tuple[int, ...]:
        return (len(self._fields), size)

    def _statistic(self, pred: Tensor, target: Tensor, **options: Any) -> Overlap:
        return region_overlap(pred, target, **options)

    def _from_sums(self) -> Overlap:
        return Overlap(*self.sums)

    def _values(self, table: Overlap) -> tuple[Tensor, Tensor]:
        return overlap_score(table, self._score, self.empty)


@_document(0.8)
class DiceSemimetricScore(_OverlapMetric):
    """The Dice score of soft predictions and labels: 1 - DML1, which is 1 just where x = y.

    On hard labels and predictions it is the Dice score.
    """

    _score = "dice"


@_document(0.667)
class JaccardMetricScore(_OverlapMetric):
    """The Jaccard index of soft predictions and labels: 1 - JML1, which is 1 just where x = y.

    On hard labels and predictions it is the Jaccard index.
    """

    _score = "jaccard"


@_document(
    0.556,
    """
    thresholds : sequence of float, optional
        The thresholds, above 0 and at most 1; None means 0.1, 0.2, ..., 0.9.""",
)
class BinarizedDice(RegionMetric):
    """BDice, the measure of QUBIQ: the Dice score at each threshold, averaged over thresholds."""

    _fields = ("pred", "target", "both")

    def __init__(
        self, num_classes: int, *, thresholds: Sequence[float] | None = None, **options: Any
    ) -> None:
        self.thresholds = require_thresholds(thresholds)
        super().__init__(num_classes, **options)

    def _sums_shape(self, size: int) -> tuple[int, ...]:
        return (len(self._fields), len(self.thresholds), size)

    def _statistic(self, pred: Tensor, target: Tensor, **options: Any) -> ThresholdCounts:
        return region_threshold_counts(pred, target, thresholds=self.thresholds, **options)

    def _from_sums(self) -> ThresholdCounts:
        return ThresholdCounts(self.thresholds, *self.sums)

    def _values(self, table: ThresholdCounts) -> tuple[Tensor, Tensor]:
        some = (table.pred + table.target > 0).any(dim=0)
        return table.binarized_dice(empty=self.empty, dtype=torch.float64), some
