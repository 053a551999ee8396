"""From a table of images and classes to one number."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from .checks import checks_apply, value_range
from .namespace import constant, namespace, size
from .options import require_choice, require_indices, require_numbers
from .special import divide
from .typing import Array, Namespace

Per = Literal["batch", "image", "class"]
Classes = Literal["all", "present"] | Sequence[int]
Reduction = Literal["mean", "sum", "none"]


def class_indices(classes: Classes, num_classes: int) -> tuple[int, ...] | None:
    """Return the chosen classes as numbers from 0 on, or None for all of them."""
    if isinstance(classes, str):
        require_choice("classes", classes, ("all", "present"))
        return None
    return require_indices("classes", classes, num_classes)


def class_weights(
    xp: Namespace, weight: Sequence[float] | Array, values: Array, num_classes: int
) -> Array:
    """Return one weight per class, in the dtype and on the device of ``values``.

    Raises ValueError for another number of weights or one that is negative or not finite (of an
    array where values are checked), TypeError for what is neither numbers nor an array.
    """
    given: Array = weight
    if isinstance(weight, list | tuple | float | int):
        given = constant(xp, require_numbers("weight", weight, least=0.0), values.dtype, values)
    namespace(weight=given, pred=values)
    if tuple(given.shape) != (num_classes,):
        raise ValueError(
            f"weight must hold one value for each of the {num_classes} classes, "
            f"got shape {tuple(given.shape)}"
        )
    factor = xp.astype(given, values.dtype, copy=False)
    if given is weight and checks_apply(factor):
        low, high = (float(end) for end in value_range(factor))
        if not 0 <= low <= high < math.inf:
            raise ValueError(
                f"weight must hold finite numbers of at least 0, got {low:g} to {high:g}"
            )
    return factor


def weighted(
    xp: Namespace,
    values: Array,
    weight: Sequence[float] | Array | None,
    indices: tuple[int, ...] | None,
    num_classes: int,
) -> Array:
    """Return values, of some of the classes on the last axis or of all, times their weights."""
    if weight is None:
        return values
    factor = class_weights(xp, weight, values, num_classes)
    if indices is not None:
        factor = xp.stack([factor[i] for i in indices])
    return values * xp.reshape(factor, (1,) * (values.ndim - 1) + (-1,))


def aggregate(
    xp: Namespace,
    values: Array,
    kept: Array | None,
    *,
    per: Per,
    reduction: Reduction,
    empty: float,
) -> Array:
    """Reduce values of (C,) for "batch", else (B, C), leaving out what is not kept; None keeps all.

    "image" takes the mean over the classes kept in each image, then over the images that kept
    any; "class" the other way round. ``empty`` is the mean of nothing.
    """
    if reduction == "none":
        return values
    if kept is None and size(values) > 0:  # where all count, the mean of means is the mean
        return xp.sum(values) if reduction == "sum" else xp.mean(values)
    if kept is None:
        kept = xp.ones_like(values, dtype=xp.bool)
    values = xp.where(kept, values, xp.zeros_like(values))
    if reduction == "sum":
        return xp.sum(values)
    count = xp.astype(kept, values.dtype)
    for axis in {"batch": (0,), "image": (1, 0), "class": (0, 0)}[per]:
        total = xp.sum(count, axis=axis)
        values = divide(xp, xp.sum(values * count, axis=axis), total, empty=empty)
        count = xp.astype(total > 0, values.dtype)
        values = xp.where(total > 0, values, xp.zeros_like(values)) if values.ndim else values
    return values


def shares(
    xp: Namespace, values: Array, kept: Array | None, *, per: Per, reduction: Reduction
) -> Any:
    """Return the factors by which `aggregate` adds up values, an array or a number."""
    if reduction == "sum":
        return 1.0
    if kept is None:
        return 1 / size(values)
    count = xp.astype(kept, values.dtype)
    if per == "batch":
        return count / xp.clip(xp.sum(count), 1.0, None)
    total = xp.sum(count, axis=1 if per == "image" else 0, keepdims=True)
    some = xp.astype(total > 0, values.dtype)
    return count / (xp.clip(total, 1.0, None) * xp.clip(xp.sum(some), 1.0, None))
