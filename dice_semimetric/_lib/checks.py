"""Checks of values: free on a host, a synchronisation on a GPU, impossible while tracing."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from .devices import is_eager, on_host
from .dtypes import is_dtype
from .namespace import finfo, is_boolean, is_integer, namespace, require_floating, size, sum_dtype
from .native import without_gradient
from .options import require_choice, require_integer
from .seam import Pixels, accelerated
from .special import widen
from .typing import Activation, Array, DType, Namespace

Mode = Literal["host", "always", "never"]
_mode: ContextVar[Mode] = ContextVar("value_checks", default="host")


@contextmanager
def value_checks(mode: Mode) -> Iterator[None]:
    """Choose where values are checked for NaN, the range [0, 1] and the range of labels.

    Shapes, dtypes and devices are always checked; they cost nothing.

    Parameters
    ----------
    mode : {"host", "always", "never"}
        "host", the default outside this context, checks eager arrays in host memory. "always"
        checks arrays on a GPU too, which synchronises with it. "never" checks no values.
        Lazy arrays and arrays inside a jitted function are never checked.

    Yields
    ------
    None
        Nothing; the choice holds inside the ``with`` block.

    Raises
    ------
    ValueError
        If ``mode`` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import dml1, value_checks
    >>> with value_checks("never"):
    ...     float(dml1(np.array([1.5]), np.array([1.5])))
    0.0
    """
    require_choice("mode", mode, ("host", "always", "never"))
    token = _mode.set(mode)
    try:
        yield
    finally:
        _mode.reset(token)


def values_checked(*, host: bool = True) -> bool:
    """Return whether the values of eager arrays in the memory of a host, or not, are checked."""
    mode = _mode.get()
    return mode != "never" if host else mode == "always"


def checks_apply(*arrays: Array | None) -> bool:
    """Return whether the values of these arrays are to be checked."""
    if not is_eager(*arrays):  # asked first: torch.compile cannot trace a context variable
        return False
    mode = _mode.get()
    if mode == "never":
        return False
    return mode == "always" or all(a is None or on_host(a) for a in arrays)


@accelerated
def value_range(array: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest value."""
    xp = namespace(array=array)
    array = without_gradient(xp, array)
    return xp.min(array), xp.max(array)


def rounding(xp: Namespace, dtype: DType) -> float:
    """Return how far outside [0, 1] a value of that dtype may lie by rounding."""
    if not is_dtype(xp, dtype, ("real floating",)):
        return 0.0
    return max(1e-6, 4 * float(finfo(xp, dtype).eps))


def require_unit_interval(
    xp: Namespace,
    array: Array,
    name: str,
    *,
    dtype: DType = None,
    activation: Activation = None,
) -> Array:
    """Return the values, those outside [0, 1] by rounding as 0 and 1 with the same derivative.

    ``dtype`` is the one that they were given in, and ``activation`` what made them of logits.
    Raises ValueError if a value is NaN or farther outside.
    """
    if size(array) == 0 or is_boolean(xp, array):
        return array
    low, high = (float(end) for end in value_range(array))
    if low >= 0 and high <= 1:
        return array
    slack = max(rounding(xp, array.dtype), 0.0 if dtype is None else rounding(xp, dtype))
    if low >= -slack and high <= 1 + slack:
        return clipped(xp, array)
    if activation is not None and (math.isnan(low) or math.isnan(high)):
        raise ValueError(f"{name} must hold finite logits, got some whose {activation} is NaN")
    raise ValueError(
        f"{name} must lie in [0, 1], got {_range_text(low, high)}"
        + _values_remedy(xp, array, name, low, high)
    )


def clipped(xp: Namespace, array: Array) -> Array:
    """Return the values, those outside [0, 1] as 0 and 1 with the same derivative."""
    return array + without_gradient(xp, xp.clip(array, 0.0, 1.0) - array)


def require_labels(
    xp: Namespace, label: Array, num_classes: int, ignore_index: int | None, name: str
) -> None:
    """Raise ValueError if a label is neither in 0..C-1 nor ``ignore_index``."""
    if size(label) == 0:
        return
    low, high = (int(end) for end in value_range(label))
    if low >= 0 and high < num_classes:
        return
    if ignore_index is not None:
        label = xp.where(label == ignore_index, xp.zeros_like(label), label)
        low, high = (int(end) for end in value_range(label))
        if low >= 0 and high < num_classes:
            return
    besides = "" if ignore_index is None else f" or be ignore_index={ignore_index}"
    raise ValueError(
        f"{name} must hold labels from 0 to {num_classes - 1}{besides}, "
        f"got values from {low} to {high}" + _labels_remedy(xp, label, num_classes, name)
    )


def _labels_remedy(xp: Namespace, label: Array, num_classes: int, name: str) -> str:
    """Return what to write for masks of 0 and 255, or for the label of pixels without one."""
    if name not in ("target", "label", "raters"):
        return ""
    odd = (label < 0) | (label >= num_classes)
    value = int(xp.max(xp.where(odd, label, xp.full_like(label, xp.iinfo(label.dtype).min))))
    if not (value < 0 or value == 255) or not bool(xp.all((label == value) | ~odd)):
        return ""
    if name == "raters":
        return f"; if {value} stands for a missing rater, it is no vote: leave that rater out"
    ignored = f"for pixels that do not count set ignore_index={value}"
    if value == 255 and num_classes == 2 and not bool(xp.any(label == 1)):
        return f"; of masks write 1 * ({name} > 0), {ignored}"
    return f"; {ignored}"


def require_known_labels(pixels: Pixels, name: str = "target") -> None:
    """Raise ValueError if a label of pixels is no class and is not ignored, masked or not."""
    num_classes = max(pixels.pred.shape[1], 2) if pixels.labels else 2
    xp = namespace(target=pixels.target)
    require_labels(xp, pixels.target, num_classes, pixels.ignore_index, name)


def require_label_map(
    xp: Namespace,
    label: Array,
    num_classes: int,
    ignore_index: int | None = None,
    name: str = "label",
) -> int:
    """Return the number of classes, or raise unless ``label`` holds integer labels of so many."""
    if not is_integer(xp, label):
        raise TypeError(f"{name} must be of an integer dtype, got {label.dtype}")
    num_classes = require_integer("num_classes", num_classes, least=1)
    if checks_apply(label):
        label = widen(xp, label, ignore_index)
        require_labels(xp, label, max(num_classes, 2), ignore_index, name)
    return num_classes


def require_probabilities(xp: Namespace, prob: Array, name: str) -> Array:
    """Return probabilities along axis 1, rounding beyond 0 and 1 taken off, or raise."""
    require_floating(xp, **{name: prob})
    if prob.ndim < 2:
        raise ValueError(no_class_axis(name, prob))
    if size(prob) == 0 or not checks_apply(prob):
        return prob
    prob = require_unit_interval(xp, prob, name)
    if prob.shape[1] == 1:
        return prob
    sums = xp.sum(xp.astype(prob, sum_dtype(xp, prob), copy=False), axis=1)
    slack = max(1e-6, 8 * prob.shape[1] * float(finfo(xp, prob.dtype).eps))
    worst = float(xp.max(xp.abs(without_gradient(xp, sums) - 1.0)))
    if worst > slack:
        raise ValueError(
            f"{name} must sum to 1 over its {prob.shape[1]} classes within {slack:.1g}, "
            f"got sums off by up to {worst:.3g}"
        )
    return prob


def no_class_axis(name: str, array: Array) -> str:
    """Return the error of an array that lacks the class axis."""
    remedy = f"; write {name}[:, None] for the foreground alone" if array.ndim == 1 else ""
    return f"{name} must have shape (B, C, *spatial), got {tuple(array.shape)}{remedy}"


def _range_text(low: float, high: float) -> str:
    """Return what came, to so many digits that what is not rounding is seen, and what to do."""
    if math.isnan(low) or math.isnan(high):
        return "NaN"
    return f"values from {low:.8g} to {high:.8g}"


def _values_remedy(xp: Namespace, array: Array, name: str, low: float, high: float) -> str:
    """Return what to write for values that are no probabilities."""
    labels = name in ("target", "label")
    for value in (low, high) if labels else ():
        if value in (-1, 255) and bool(xp.all((array == value) | (array >= 0) & (array <= 1))):
            if value == 255 and not bool(xp.any((array > 0) & (array < 255))):
                return f"; of masks write {name} > 0, of probabilities divide by 255"
            return f"; for pixels that do not count give mask={name} != {value:g}"
    if low < -0.01:
        return "; of logits take the softmax or sigmoid, or give activation= where there is one"
    if high == 255:
        return "; divide by 255"
    return "; of labels take one_hot" if high >= 2 and high.is_integer() else ""
