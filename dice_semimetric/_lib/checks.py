"""Checks of values: free on a host, a synchronisation on a GPU, impossible while tracing."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Literal

from .namespace import (
    finfo,
    is_boolean,
    is_eager,
    is_floating,
    is_integer,
    namespace,
    on_host,
    require_choice,
    require_floating,
    size,
    sum_dtype,
)
from .native import without_gradient
from .seam import accelerated
from .special import widen
from .typing import Array, Namespace

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


def require_unit_interval(xp: Namespace, array: Array, name: str) -> None:
    """Raise ValueError if a value is NaN or outside [0, 1] by more than rounding."""
    if size(array) == 0 or is_boolean(xp, array):
        return
    low, high = (float(end) for end in value_range(array))
    slack = 4 * float(finfo(xp, array.dtype).eps) if is_floating(xp, array) else 0.0
    if not (low >= -slack and high <= 1 + slack):
        raise ValueError(f"{name} must lie in [0, 1], got {_range_text(low, high)}")


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
        f"got values from {low} to {high}"
    )


def require_label_map(
    xp: Namespace,
    label: Array,
    num_classes: int,
    ignore_index: int | None = None,
    name: str = "label",
) -> None:
    """Raise unless ``label`` holds integer labels of that many classes."""
    if not is_integer(xp, label):
        raise TypeError(f"{name} must be of an integer dtype, got {label.dtype}")
    if not isinstance(num_classes, Integral):
        raise TypeError(f"num_classes must be an integer, got {num_classes!r}")
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    if checks_apply(label):
        label = widen(xp, label, ignore_index)
        require_labels(xp, label, max(num_classes, 2), ignore_index, name)


def require_probabilities(xp: Namespace, prob: Array, name: str) -> None:
    """Raise for a wrong dtype or shape, and for values that are no probabilities along axis 1."""
    require_floating(xp, **{name: prob})
    if prob.ndim < 2:
        raise ValueError(f"{name} must have shape (B, C, *spatial), got {tuple(prob.shape)}")
    if size(prob) == 0 or not checks_apply(prob):
        return
    require_unit_interval(xp, prob, name)
    if prob.shape[1] == 1:
        return
    sums = xp.sum(xp.astype(prob, sum_dtype(xp, prob), copy=False), axis=1)
    slack = max(1e-6, 8 * prob.shape[1] * float(finfo(xp, prob.dtype).eps))
    worst = float(xp.max(xp.abs(without_gradient(xp, sums) - 1.0)))
    if worst > slack:
        raise ValueError(
            f"{name} must sum to 1 over its {prob.shape[1]} classes within {slack:.1g}, "
            f"got sums off by up to {worst:.3g}"
        )


def _range_text(low: float, high: float) -> str:
    return "NaN" if math.isnan(low) or math.isnan(high) else f"values from {low:g} to {high:g}"
