"""What the streaming scores share: sums or means of the scores of each image and class."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypedDict, Unpack

import torch
from torch import Tensor
from torchmetrics import Metric

from dice_semimetric import region_overlap
from dice_semimetric._lib.aggregate import Classes, class_indices
from dice_semimetric._lib.empty import Empty, fill_empty
from dice_semimetric._lib.namespace import namespace
from dice_semimetric._lib.options import require_choice, require_integer, require_label, shown
from dice_semimetric._lib.typing import Activation

from .._hints import Hinted, hint_of_metric
from .._inputs import plain, require_tensors

Pool = Literal["dataset", "image", "class"]


class MetricOptions(TypedDict, total=False):
    """The keywords of every `torchmetrics.Metric`."""

    compute_on_cpu: bool
    dist_sync_on_step: bool
    process_group: Any
    dist_sync_fn: Callable[..., Any] | None
    distributed_available_fn: Callable[..., bool] | None
    sync_on_compute: bool
    compute_with_cache: bool


class PlottedMetric(Hinted, Metric):
    """A metric from 0 to 1 that draws itself."""

    is_differentiable = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    plot_legend_name = "Class"

    activation: Activation

    def hint(self, pred: Tensor) -> None:
        """Warn once of predictions that are probabilities already; see `hint_of_metric`."""
        if self._looks():
            self._hinted = hint_of_metric(self.activation, pred)

    def set_dtype(self, dst_type: Any) -> Any:
        """Hold the sums in float64 or float32; another dtype is refused."""
        require_state_dtype(dst_type)
        return super().set_dtype(dst_type)

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw one or several results of `compute`, by default the current one.

        Parameters
        ----------
        val : Tensor or sequence of Tensor, optional
            What to draw.
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a new figure.

        Returns
        -------
        tuple of matplotlib.figure.Figure and matplotlib.axes.Axes
            The figure and its axes.
        """
        return self._plot(val, ax)


class RegionMetric(PlottedMetric):
    """A score of each image and class, or of the pooled pixels of each class, averaged."""

    higher_is_better = True

    sums: Tensor
    present: Tensor
    total: Tensor
    count: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        activation: Activation = None,
        per: Pool = "image",
        classes: Classes = "all",
        ignore_index: int | None = None,
        empty: Empty = 1.0,
        reduction: Literal["mean", "none"] = "mean",
        dtype: torch.dtype = torch.float64,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__(**options)
        require_activation(activation, num_classes)
        require_choice("per", per, ("image", "class", "dataset"))
        require_choice("reduction", reduction, ("mean", "none"))
        if per == "image" and reduction == "none":
            raise ValueError("reduction='none' is for per='class' and 'dataset', got per='image'")
        self.num_classes = require_integer("num_classes", num_classes, least=1)
        self.activation = activation
        self.per = per
        self.classes = classes
        self.ignore_index = require_label("ignore_index", ignore_index)
        self.empty = empty
        self.reduction = reduction
        self.indices = class_indices(classes, num_classes)
        fill_empty(namespace(x=torch.ones(1)), torch.ones(1), torch.ones(1) > 0, empty)
        require_state_dtype(dtype)
        size = num_classes if self.indices is None else len(self.indices)
        if per == "dataset":
            states = {
                "sums": torch.zeros((len(self._fields), *self._leading, size), dtype=dtype),
                "present": torch.zeros(size, dtype=dtype),
            }
        else:
            shape = () if per == "image" else (size,)
            states = {name: torch.zeros(shape, dtype=dtype) for name in ("total", "count")}
        for name, zero in states.items():
            self.add_state(name, zero, dist_reduce_fx="sum")

    def update(self, pred: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Add a batch: pred (B, C, *spatial), its labels, and the pixels that count."""
        state = self.sums if self.per == "dataset" else self.total
        require_batch(pred, self.num_classes, state)
        require_tensors(target=target, mask=mask)
        self.hint(pred)
        given = plain(pred.detach()), plain(target)
        options: dict[str, Any] = {
            "activation": self.activation,
            "ignore_index": self.ignore_index,
            "mask": plain(mask),
        }
        table = self._chosen(self._statistic(*given, **options))
        present = torch.ones(table.pred.shape[-2:], dtype=state.dtype, device=state.device)
        if self.classes == "present":
            present = self._chosen(region_overlap(*given, **options)).target
        if self.per == "dataset":
            pooled = table.sum(axis=0)
            self.sums += torch.stack([getattr(pooled, name) for name in self._fields])
            self.present += present.sum(dim=0)
            return
        values, kept = self._kept_values(table, present)
        if self.per == "image":
            number = kept.sum(dim=1)
            values = values.sum(dim=1) / number.clamp(min=1)
            kept = number > 0
        self.total += values.sum(dim=0)
        self.count += kept.sum(dim=0)

    def compute(self) -> Tensor:
        """Return the score of all that was added; the mean of nothing is NaN."""
        if self.per == "dataset":
            values, kept = self._kept_values(self._from_sums(), self.present)
        else:
            values, kept = self.total / self.count.clamp(min=1), self.count > 0
        if self.reduction == "none" or self.per == "image":
            return torch.where(kept, values, math.nan)
        return torch.where(kept.any(), values.sum() / kept.sum().clamp(min=1), math.nan)

    def _kept_values(self, table: Any, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores, 0 where they do not count, and where they count."""
        values, some = self._values(table)
        kept = present > 0
        if self.empty == "skip":
            kept = kept & some
        return torch.where(kept, values.to(present.dtype), 0.0), kept

    def _chosen(self, table: Any) -> Any:
        return table if self.indices is None else table.take(self.indices)

    _fields: ClassVar[tuple[str, ...]]
    _leading: tuple[int, ...] = ()  # the axes of a field before that of the classes

    def _statistic(self, pred: Tensor, target: Tensor, **options: Any) -> Any:
        """Return the statistic of each image and class."""
        raise NotImplementedError

    def _from_sums(self) -> Any:
        """Return the statistic that the sums hold."""
        raise NotImplementedError

    def _values(self, table: Any) -> tuple[Tensor, Tensor]:
        """Return the score of each entry, and where it is not empty against empty."""
        raise NotImplementedError


def require_state_dtype(dtype: Any) -> None:
    """Raise TypeError for a dtype that sums are not held in."""
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"dtype must be torch.float64 or torch.float32, got {_dtype_text(dtype)}")


def _dtype_text(dtype: Any) -> str:
    return str(dtype) if isinstance(dtype, torch.dtype | type) else shown(dtype)


def require_activation(activation: Activation, num_classes: int) -> None:
    """Raise ValueError for an activation that is unknown or means nothing."""
    require_choice("activation", activation, (None, "softmax", "sigmoid"))
    if activation == "softmax" and num_classes == 1:
        raise ValueError(
            "softmax over a single channel is 1 everywhere; write activation='sigmoid'"
        )


def require_batch(pred: Tensor, num_classes: int, state: Tensor) -> None:
    """Raise unless it is a tensor with the metric's number of classes and its device."""
    require_tensors(pred=pred)
    if pred.ndim < 2 or pred.shape[1] != num_classes:
        last = pred.ndim > 2 and pred.shape[-1] == num_classes
        remedy = "; its classes are last: write pred.movedim(-1, 1)" if last else ""
        raise ValueError(
            f"pred must have shape (B, {num_classes}, *spatial), got {tuple(pred.shape)}{remedy}"
        )
    if pred.device != state.device:
        raise ValueError(
            f"pred is on {pred.device} and the metric on {state.device}: "
            f"move one, as by metric.to({str(pred.device)!r})"
        )
