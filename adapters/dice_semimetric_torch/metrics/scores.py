"""The streaming scores: formulas on the core's statistics."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

import torch
from torch import Tensor

from dice_semimetric import Overlap, ThresholdCounts, region_overlap
from dice_semimetric._lib.aggregate import Classes
from dice_semimetric._lib.empty import Empty
from dice_semimetric._lib.typing import Activation
from dice_semimetric.scores import overlap_score
from dice_semimetric.thresholds import region_threshold_counts, require_thresholds

from .region import MetricOptions, Pool, RegionMetric


class _OverlapMetric(RegionMetric):
    """A formula on the Overlap statistic."""

    _fields = ("pred", "target", "difference", "product")
    _score: ClassVar[str]

    def _statistic(self, pred: Tensor, target: Tensor, **options: Any) -> Overlap:
        return region_overlap(pred, target, **options)

    def _from_sums(self) -> Overlap:
        return Overlap(*self.sums)

    def _values(self, table: Overlap) -> tuple[Tensor, Tensor]:
        return overlap_score(table, self._score, self.empty)


class DiceSemimetricScore(_OverlapMetric):
    """The Dice score of soft predictions and labels: 1 - DML1, which is 1 just where x = y.

    ``(|x| + |y| - |x - y|) / (|x| + |y|)`` of each class: on hard labels the Dice score.
    ``update(pred, target, mask=None)`` takes probabilities or logits (B, C, *spatial), integer
    labels (B, *spatial), or soft ones or masks of each class of the shape of ``pred``, and a
    boolean mask (B, *spatial) of the pixels that count. The sums are taken in ``dtype``, whatever
    that of a batch.

    Parameters
    ----------
    num_classes : int
        The number C of channels of the predictions.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of the predictions.
    per : {"image", "class", "dataset"}, optional
        "image" averages the classes within each image, then the images; "class" the images within
        each class, then the classes; "dataset" pools the pixels of all images first.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0, judged image by image
        or, for ``per="dataset"``, over all.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, use a mask.
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where prediction and target are both empty; "skip" leaves it out of all means.
    reduction : {"mean", "none"}, optional
        "none" returns one score for each chosen class; not for ``per="image"``.
    dtype : torch.dtype, optional
        Of the sums; for a device without float64, float32.
    **options : Any
        For `torchmetrics.Metric`, such as ``process_group``.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or a batch does not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (4).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.metrics import DiceSemimetricScore
    >>> metric = DiceSemimetricScore(1)
    >>> metric.update(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.5]]]))
    >>> round(float(metric.compute()), 3)
    0.8

    In a loop over a data set, from logits:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> batches = [(torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)) for _ in range(3)]
    >>> metric = DiceSemimetricScore(1, activation="sigmoid", per="dataset")
    >>> for epoch in range(2):
    ...     for image, label in batches:
    ...         metric.update(network(image), label)
    ...     score = metric.compute()
    ...     metric.reset()
    >>> bool(0 <= score <= 1)
    True
    """

    _score = "dice"


class JaccardMetricScore(_OverlapMetric):
    """The Jaccard index of soft predictions and labels: 1 - JML1, which is 1 just where x = y.

    ``(|x| + |y| - |x - y|) / (|x| + |y| + |x - y|)`` of each class: on hard labels the Jaccard
    index.
    ``update(pred, target, mask=None)`` takes probabilities or logits (B, C, *spatial), integer
    labels (B, *spatial), or soft ones or masks of each class of the shape of ``pred``, and a
    boolean mask (B, *spatial) of the pixels that count. The sums are taken in ``dtype``, whatever
    that of a batch.

    Parameters
    ----------
    num_classes : int
        The number C of channels of the predictions.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of the predictions.
    per : {"image", "class", "dataset"}, optional
        "image" averages the classes within each image, then the images; "class" the images within
        each class, then the classes; "dataset" pools the pixels of all images first.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0, judged image by image
        or, for ``per="dataset"``, over all.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, use a mask.
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where prediction and target are both empty; "skip" leaves it out of all means.
    reduction : {"mean", "none"}, optional
        "none" returns one score for each chosen class; not for ``per="image"``.
    dtype : torch.dtype, optional
        Of the sums; for a device without float64, float32.
    **options : Any
        For `torchmetrics.Metric`, such as ``process_group``.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or a batch does not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.metrics import JaccardMetricScore
    >>> metric = JaccardMetricScore(1)
    >>> metric.update(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.5]]]))
    >>> round(float(metric.compute()), 3)
    0.667

    In a loop over a data set, from logits:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> batches = [(torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)) for _ in range(3)]
    >>> metric = JaccardMetricScore(1, activation="sigmoid", per="dataset")
    >>> for epoch in range(2):
    ...     for image, label in batches:
    ...         metric.update(network(image), label)
    ...     score = metric.compute()
    ...     metric.reset()
    >>> bool(0 <= score <= 1)
    True
    """

    _score = "jaccard"


class BinarizedDice(RegionMetric):
    """BDice, the measure of QUBIQ: the Dice score at each threshold, averaged over thresholds.

    At a threshold t, prediction and target are the masks ``x >= t`` and ``y >= t``.
    ``update(pred, target, mask=None)`` takes probabilities or logits (B, C, *spatial), integer
    labels (B, *spatial), or soft ones or masks of each class of the shape of ``pred``, and a
    boolean mask (B, *spatial) of the pixels that count. The sums are taken in ``dtype``, whatever
    that of a batch.

    Parameters
    ----------
    num_classes : int
        The number C of channels of the predictions.
    thresholds : sequence of float, optional
        The thresholds, above 0 and at most 1; None means 0.1, 0.2, ..., 0.9.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of the predictions.
    per : {"image", "class", "dataset"}, optional
        "image" averages the classes within each image, then the images; "class" the images within
        each class, then the classes; "dataset" pools the pixels of all images first.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0, judged image by image
        or, for ``per="dataset"``, over all.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, use a mask.
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where prediction and target are both empty; "skip" leaves it out of all means.
    reduction : {"mean", "none"}, optional
        "none" returns one score for each chosen class; not for ``per="image"``.
    dtype : torch.dtype, optional
        Of the sums; for a device without float64, float32.
    **options : Any
        For `torchmetrics.Metric`, such as ``process_group``.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or a batch does not fit.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sec. 3.3.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.metrics import BinarizedDice
    >>> metric = BinarizedDice(1)
    >>> metric.update(torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.5, 0.5]]]))
    >>> round(float(metric.compute()), 3)
    0.556

    In a loop over a data set, from logits:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> batches = [(torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)) for _ in range(3)]
    >>> metric = BinarizedDice(1, activation="sigmoid", per="dataset")
    >>> for epoch in range(2):
    ...     for image, label in batches:
    ...         metric.update(network(image), label)
    ...     score = metric.compute()
    ...     metric.reset()
    >>> bool(0 <= score <= 1)
    True
    """

    _fields = ("pred", "target", "both")

    def __init__(
        self,
        num_classes: int,
        *,
        thresholds: Sequence[float] | None = None,
        activation: Activation = None,
        per: Pool = "image",
        classes: Classes = "all",
        ignore_index: int | None = None,
        empty: Empty = 1.0,
        reduction: Literal["mean", "none"] = "mean",
        dtype: torch.dtype = torch.float64,
        **options: Unpack[MetricOptions],
    ) -> None:
        self.thresholds = require_thresholds(thresholds)
        self._leading = (len(self.thresholds),)
        super().__init__(
            num_classes,
            activation=activation,
            per=per,
            classes=classes,
            ignore_index=ignore_index,
            empty=empty,
            reduction=reduction,
            dtype=dtype,
            **options,
        )

    def _statistic(self, pred: Tensor, target: Tensor, **options: Any) -> ThresholdCounts:
        return region_threshold_counts(pred, target, thresholds=self.thresholds, **options)

    def _from_sums(self) -> ThresholdCounts:
        return ThresholdCounts(self.thresholds, *self.sums)

    def _values(self, table: ThresholdCounts) -> tuple[Tensor, Tensor]:
        some = (table.pred + table.target > 0).any(dim=0)
        return table.binarized_dice(empty=self.empty, dtype=torch.float64), some
