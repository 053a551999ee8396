"""The calibration error of a whole data set, batch by batch, with a state of a few bins."""

from typing import Unpack

import torch
from torch import Tensor

from dice_semimetric import CalibrationBins, calibration_bins
from dice_semimetric._lib.namespace import (
    namespace,
    require_floating,
    sum_dtype,
)
from dice_semimetric._lib.options import require_choice, require_integer, require_label
from dice_semimetric._lib.special import activate
from dice_semimetric._lib.typing import Activation
from dice_semimetric.bins import NORMS, Kind, Norm

from .._inputs import plain, require_tensors
from .region import (
    MetricOptions,
    PlottedMetric,
    require_activation,
    require_batch,
    require_state_dtype,
)


class ExpectedCalibrationError(PlottedMetric):
    """The gap between confidence and frequency over equally wide bins: ECE, classwise ECE, MCE.

    The mean over bins of ``|mean confidence - mean label|``, weighted by their pixels, over all
    pixels that count of all images, against the labels given. Batches of any size give the same,
    and the state holds three numbers for each bin.

    ``update(pred, label, mask=None)`` takes probabilities or logits (B, C, *spatial) in a floating
    dtype, integer labels (B, *spatial), or soft or one-hot ones of the shape of ``pred``, and a
    boolean mask (B, *spatial) of the pixels that count.

    Parameters
    ----------
    num_classes : int
        The number C of channels of the predictions; one stands for the foreground.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of the predictions.
    n_bins : int, optional
        The number of bins.
    kind : {"top_label", "classwise", "binary"}, optional
        "top_label" looks at the largest probability; "classwise" takes the mean over the classes,
        each against the rest; "binary", for one channel, looks at the probability of foreground.
    norm : {"l1", "l2", "max", "average"}, optional
        "l1" is the expected calibration error, "max" the maximum one, and "average" the mean over
        the bins that hold something.
    ignore_index : int, optional
        The integer label of pixels that do not count.
    dtype : torch.dtype, optional
        Of the sums; for a device without float64, float32.
    **options : Any
        For `torchmetrics.Metric`, such as ``process_group``.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, or a batch does not fit; see `dice_semimetric.calibration_bins`.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eqs. (3), (5).

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch.metrics import ExpectedCalibrationError
    >>> metric = ExpectedCalibrationError(1, kind="binary")
    >>> metric.update(torch.tensor([[[0.75, 0.75, 0.75, 0.25]]]), torch.tensor([[1, 1, 0, 0]]))
    >>> round(float(metric.compute()), 3)
    0.125

    In a loop over a data set, from logits and the mean of raters, where a rater marked or the
    network sees something:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> batches = [(torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)) for _ in range(3)]
    >>> metric = ExpectedCalibrationError(1, kind="binary", activation="sigmoid")
    >>> for image, label in batches:
    ...     logits = network(image)
    ...     near = (label > 0) | (logits.sigmoid() > 0.01)
    ...     metric.update(logits, label, near[:, 0])
    >>> bool(0 <= metric.compute() <= 1)
    True
    """

    higher_is_better = False

    bins: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        activation: Activation = None,
        n_bins: int = 10,
        kind: Kind = "top_label",
        norm: Norm = "l1",
        ignore_index: int | None = None,
        dtype: torch.dtype = torch.float64,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__(**options)
        require_activation(activation, num_classes)
        require_choice("kind", kind, ("top_label", "classwise", "binary"))
        require_choice("norm", norm, NORMS)
        if kind == "binary" and num_classes != 1:
            raise ValueError(f"kind='binary' is for one channel, got num_classes={num_classes}")
        require_state_dtype(dtype)
        self.num_classes = require_integer("num_classes", num_classes, least=1)
        self.activation = activation
        self.n_bins = require_integer("n_bins", n_bins, least=1)
        self.kind = kind
        self.norm: Norm = norm
        self.ignore_index = require_label("ignore_index", ignore_index)
        classes = max(num_classes, 2)  # one class alone implies a background
        shape = (3, classes, n_bins) if kind == "classwise" else (3, n_bins)
        self.add_state("bins", torch.zeros(shape, dtype=dtype), dist_reduce_fx="sum")

    def update(self, pred: Tensor, label: Tensor, mask: Tensor | None = None) -> None:
        """Add a batch: pred (B, C, *spatial), its labels, and the pixels that count."""
        require_batch(pred, self.num_classes, self.bins)
        require_floating(namespace(pred=pred), pred=pred)
        require_tensors(label=label, mask=mask)
        self.hint(pred)
        pred, label, mask = plain(pred), plain(label), plain(mask)
        xp = namespace(pred=pred, label=label, mask=mask)
        prob = activate(xp, pred.detach().to(sum_dtype(xp, pred)), self.activation)
        if self.kind == "binary":
            label = label[:, None] if label.ndim < prob.ndim else label
            mask = mask[:, None] if mask is not None and mask.ndim < prob.ndim else mask
        found = calibration_bins(
            prob,
            label,
            n_bins=self.n_bins,
            kind=self.kind,
            mask=mask,
            ignore_index=self.ignore_index,
        )
        self.bins += torch.stack([found.count, found.confidence, found.correct])

    def compute(self) -> Tensor:
        """Return the error of all that was added; NaN without any pixel."""
        edges = torch.linspace(0, 1, self.n_bins + 1, dtype=self.bins.dtype)
        count, confidence, correct = self.bins
        bins = CalibrationBins(count, confidence, correct, edges.to(self.bins.device))
        value: Tensor = bins.error(self.norm)
        return value
