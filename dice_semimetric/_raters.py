"""Raters along axis 0: what they must be, where they mark a class, and how many do."""

from collections.abc import Iterator

from ._checks import checks_apply
from ._namespace import default_float, is_boolean, is_integer, namespace, normalize_axis, size
from ._special import widen
from ._typing import Array, DType, Namespace
from .labels import require_label_map


def require_raters(raters: Array, num_classes: int | None) -> Namespace:
    """Return the namespace, or raise unless these are hard masks or label maps of some raters."""
    xp = require_hard(raters)
    if num_classes is not None:
        require_label_map(xp, raters, num_classes, name="raters")
    elif is_integer(xp, raters) and size(raters) > 0 and checks_apply(raters):
        values = widen(xp, raters)
        low, high = int(xp.min(values)), int(xp.max(values))
        if low < 0 or high > 1:
            raise ValueError(
                "raters must hold 0 and 1, or labels below a given num_classes, "
                f"got values from {low} to {high}"
            )
    return xp


def require_hard(raters: Array) -> Namespace:
    xp = namespace(raters=raters)
    if not (is_boolean(xp, raters) or is_integer(xp, raters)):
        raise TypeError(
            f"raters must be of a boolean or integer dtype, got {raters.dtype}; write raters >= 0.5"
        )
    if raters.ndim == 0 or raters.shape[0] == 0:
        raise ValueError(
            f"raters must hold at least one rater along axis 0, got shape {tuple(raters.shape)}"
        )
    return xp


def float_dtypes(xp: Namespace, raters: Array, dtype: DType | None) -> tuple[DType, DType]:
    """Return the floating dtype of a result, and that of the sums: at least float32."""
    out = default_float(xp, raters) if dtype is None else dtype
    if not xp.isdtype(out, "real floating"):
        raise TypeError(f"dtype must be a floating one, got {out}")
    return out, xp.float32 if xp.finfo(out).bits < 32 else out


def marks_of(xp: Namespace, labels: Array, c: int | None = None) -> Array:
    """Return where masks are not 0, or where label maps hold a class."""
    if is_boolean(xp, labels):
        return labels
    return labels != 0 if c is None else widen(xp, labels, c) == c


def classwise(xp: Namespace, raters: Array, num_classes: int | None) -> Iterator[Array]:
    """Yield the raters' marks of each class; of masks, or of one class alone, the foreground."""
    if num_classes is None:
        yield marks_of(xp, raters)
    else:
        for c in (1,) if num_classes == 1 else range(num_classes):
            yield marks_of(xp, raters, c)


def join_classes(xp: Namespace, parts: list[Array], num_classes: int | None, axis: int) -> Array:
    if num_classes is None:
        return parts[0]
    (axis,) = normalize_axis(axis, parts[0].ndim + 1)
    return xp.stack(parts, axis=axis)


def count_raters(xp: Namespace, marks: Array) -> Array:
    """Return how many raters marked a pixel, in a dtype that holds any number of them."""
    return xp.sum(xp.astype(marks, xp.uint8), axis=0, dtype=xp.int32)


def look_up(xp: Namespace, table: Array, index: Array) -> Array:
    """Return the entries of a 1-D table at the indices, in the shape of these."""
    if size(index) == 0:
        return xp.astype(index, table.dtype)
    flat = xp.reshape(index, (size(index),))
    return xp.reshape(xp.take(table, flat, axis=0), tuple(index.shape))
