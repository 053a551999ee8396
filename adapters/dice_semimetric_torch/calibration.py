"""A calibration error as a module, to be added to the loss that a network is trained with."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dice_semimetric._lib.aggregate import Classes, Per
from dice_semimetric._lib.options import require_choice, require_integer
from dice_semimetric._lib.pairs import pixels_of_batch
from dice_semimetric.bins import NORMS, Norm
from dice_semimetric.calibration_loss import class_bins, loss_of_bins

from ._classes import ClassLoss
from ._inputs import plain, require_classes, require_tensors
from ._levels import Masks, Tensors, is_several, require_level_weights
from ._sums.reader import Mask
from ._targets import resolve_target
from ._weights import Weight
from .distributed import all_reduce


class CalibrationLoss(ClassLoss):
    """Average calibration error of each class, for hard or soft labels: a term beside a loss.

    The probabilities of a class are cut into bins of equal width; its error is the mean, over the
    bins that hold something, of ``|mean probability - mean label|``. A network that says the same
    everywhere can have none, so that the term is added to a loss that segments.

    The loss is called with the input (B, C, *spatial), in a floating dtype, and integer labels
    (B, *spatial), or soft labels or masks of each class (integers 0 and 1, or bool) of the input's
    shape. Half precision is summed in float32.

    Parameters
    ----------
    include_background : bool, optional
        False leaves class 0 out.
    to_onehot_y : bool, optional
        Take a target of (B, 1, *spatial) as labels; no one-hot is made of them.
    sigmoid, softmax : bool, optional
        What makes probabilities of the input; softmax runs over the class axis.
    other_act : callable, optional
        Another activation; its values must lie in [0, 1].
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (B, C), or (C,) with ``batch=True``.
    batch : bool, optional
        Pool the pixels of the batch; otherwise each image has its own bins, as in [1]_.
    weight : float, sequence of float or Tensor, optional
        A factor for each class that ``include_background`` leaves; not normalised.
    n_bins : int, optional
        The number of bins.
    norm : {"average", "l1", "l2", "max"}, optional
        How the gaps are joined; "l1" weighs each bin by its pixels.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, give a mask.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count; "present" are those with some target above 0, judged over the batch
        with ``batch=True`` and image by image otherwise.
    per : {"batch", "image", "class"}, optional
        The order of the means, see `dice_semimetric.calibration_loss`; by default from ``batch``.
    process_group : torch.distributed.ProcessGroup, optional
        With ``batch=True``, the processes whose batches are pooled into one.
    deep_supervision_weights : sequence of float, optional
        Of each output if a list of outputs is given; None halves them, with sum 1, see
        `DiceSemimetricLoss`.

    Raises
    ------
    TypeError, ValueError
        If an option is unknown, two exclude each other, or types, shapes or values do not fit.

    References
    ----------
    .. [1] Barfoot et al., "Average Calibration Error: A Differentiable Loss for Improved
       Reliability in Image Segmentation", MICCAI 2024.

    Examples
    --------
    >>> import torch
    >>> from dice_semimetric_torch import CalibrationLoss, DiceSemimetricCELoss
    >>> segment, calibrate = DiceSemimetricCELoss(softmax=True), CalibrationLoss(softmax=True)
    >>> logits, labels = torch.zeros(1, 2, 4), torch.tensor([[0, 0, 0, 1]])
    >>> float(calibrate(logits, labels))
    0.25
    >>> loss = segment(logits, labels) + 0.3 * calibrate(logits, labels)

    In a training loop, with the mean of five raters as the label:

    >>> network = torch.nn.Conv2d(1, 1, 3, padding=1)
    >>> optimizer = torch.optim.AdamW(network.parameters())
    >>> segment, calibrate = DiceSemimetricCELoss(sigmoid=True), CalibrationLoss(sigmoid=True)
    >>> for image, mean in [(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8).mul(5).round() / 5)]:
    ...     optimizer.zero_grad()
    ...     logits = network(image)
    ...     loss = segment(logits, mean) + 0.3 * calibrate(logits, mean)
    ...     loss.backward()
    ...     optimizer.step()
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        other_act: Callable[[Tensor], Tensor] | None = None,
        reduction: str = "mean",
        batch: bool = False,
        weight: Weight = None,
        *,
        n_bins: int = 10,
        norm: Norm = "average",
        ignore_index: int | None = None,
        classes: Classes = "all",
        per: Per | None = None,
        process_group: Any = None,
        deep_supervision_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            include_background,
            to_onehot_y,
            sigmoid,
            softmax,
            other_act,
            reduction,
            batch,
            weight,
            ignore_index=ignore_index,
            classes=classes,
            per=per,
            process_group=process_group,
        )
        require_choice("norm", norm, NORMS)
        self.n_bins = require_integer("n_bins", n_bins, least=1)
        self.norm: Norm = norm
        self.deep_supervision_weights = require_level_weights(deep_supervision_weights)

    def forward(self, input: Tensors, target: Tensors, mask: Masks = None) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        input : Tensor or sequence of Tensor
            (B, C, *spatial): logits, or probabilities without an activation. Of a network with deep
            supervision all outputs, the finest first.
        target : Tensor or sequence of Tensor
            Integer labels (B, *spatial), or (B, 1, *spatial) with ``to_onehot_y``; or, of the shape
            of ``input``, soft labels in a floating dtype, or a mask of each class in an integer
            dtype or bool: 0 and 1, one-hot or overlapping. With C = 1 it may lack the class axis.
        mask : Tensor or sequence of Tensor, optional
            Boolean, (B, *spatial) or broadcast to the shape of ``input``: the pixels that count.

        Returns
        -------
        Tensor
            A number, or with ``reduction="none"`` (B, C), or (C,) for ``batch=True``.
        """
        if is_several(input):
            return self._over_levels(self._value, self.levels(input, target, mask))
        return self._value(input, target, mask)

    def term(self, input: Any, target: Any, mask: Any) -> Tensor:
        """Return the loss of one output, without hints."""
        bins, dtype = self._bins(input, target, mask)
        return self._from_bins(bins, dtype)

    def sums(self, input: Tensor, target: Tensor, mask: Mask) -> tuple[Tensor, ...]:
        """Return the bins of each class, (3, C, n_bins): count, confidence and labels."""
        return (self._bins(input, target, mask)[0].sum(1),)

    def from_sums(self, sums: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """Return the loss of such bins."""
        return self._from_bins(sums[0][:, None], dtype)

    def _bins(self, input: Any, target: Any, mask: Any) -> tuple[Tensor, torch.dtype]:
        """Return the bins of each image and class, (3, B, C, n_bins), and the loss's dtype."""
        require_tensors(input=input, target=target, mask=mask)
        require_classes("input", input)
        input, target, mask = plain(input), plain(target), plain(mask)
        num_classes = input.shape[1]
        if self.other_act is not None:
            input = self.other_act(input)
        target = resolve_target(input, target, to_onehot_y=self.to_onehot_y)
        try:
            pixels = pixels_of_batch(
                input,
                target,
                activation=self._activation(num_classes),
                ignore_index=self.ignore_index,
                mask=mask,
            )
            bins = torch.stack(class_bins(pixels, self.n_bins))
        except (TypeError, ValueError) as error:
            raise self._worded(error, input, target) from None
        self._warn_of_one(num_classes)
        return bins[:, :, 1:] if self._drops_background(num_classes) else bins, pixels.dtype

    def _from_bins(self, bins: Tensor, dtype: torch.dtype) -> Tensor:
        if self.process_group is not None:
            bins = all_reduce(bins.sum(1, keepdim=True), self.process_group)
        count, confidence, correct = bins
        loss: Tensor = loss_of_bins(
            (count, confidence, correct),
            dtype=dtype,
            norm=self.norm,
            per=self.per,
            classes=self.classes,
            weight=self._weight(bins.shape[2]),
            reduction=self.reduction,
        )
        return loss

    def extra_repr(self) -> str:
        """Return the options for ``print``."""
        return f"{self.norm}, n_bins={self.n_bins}, {super().extra_repr()}"
