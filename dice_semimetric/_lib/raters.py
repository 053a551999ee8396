"""Several raters: what they must be, where they mark a class, and how many do.

Within the core they lie along axis 0; callers may have them along another.
"""

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Literal

import array_api_compat as compat

from .blocks import BLOCK
from .checks import checks_apply, require_label_map, value_range
from .namespace import (
    default_index,
    is_boolean,
    is_integer,
    namespace,
    position,
    result_dtype,
    size,
)
from .options import require_choice, require_integer, shown
from .remedies import as_integers, floating_remedy, missing_remedy
from .seam import accelerated
from .special import widen
from .typing import Array, DType, Namespace

Per = Literal["batch", "image"]


def require_raters(
    raters: Array, num_classes: int | None, rater_axis: int = 0
) -> tuple[Namespace, Array]:
    """Return the namespace and the raters along axis 0, or raise unless they are hard labels.

    These are masks of 0 and 1, or label maps if there are classes.
    """
    xp, raters = require_hard(raters, rater_axis, num_classes)
    if type(num_classes) is int and num_classes == 1 and is_boolean(xp, raters):
        return xp, raters
    if num_classes is not None:
        if is_boolean(xp, raters):
            raise TypeError(
                f"raters must be of an integer dtype, got {raters.dtype}; write "
                + as_integers(xp, "raters")
            )
        require_label_map(xp, raters, num_classes, name="raters")
    elif is_integer(xp, raters) and size(raters) > 0 and checks_apply(raters):
        low, high = (int(end) for end in value_range(widen(xp, raters)))
        if low < 0 or high > 1:
            raise ValueError(
                "raters must hold 0 and 1, or labels below a given num_classes, "
                f"got values from {low} to {high}"
                + missing_remedy(xp, raters, low if low < 0 else high, rater_axis)
            )
    return xp, raters


def require_hard(
    raters: Array, rater_axis: int = 0, num_classes: int | None = None
) -> tuple[Namespace, Array]:
    """Return the namespace and a view with the raters along axis 0, or raise."""
    _require_one_array(raters)
    xp = namespace(raters=raters)
    if not (is_boolean(xp, raters) or is_integer(xp, raters)):
        raise TypeError(
            f"raters must be of a boolean or integer dtype, got {raters.dtype}"
            + floating_remedy(xp, raters, rater_axis, num_classes)
        )
    view = in_front(xp, raters, rater_axis)
    if view.ndim == 0 or view.shape[0] == 0:
        raise ValueError(
            f"raters must hold at least one rater along axis {rater_axis}, "
            f"got shape {tuple(raters.shape)}"
        )
    return xp, view


def _require_one_array(raters: object) -> None:
    """Raise for the raters' arrays in a list, which are to be one array."""
    if not isinstance(raters, list | tuple) or not all(map(compat.is_array_api_obj, raters)):
        return
    shapes = list(dict.fromkeys(tuple(rater.shape) for rater in raters))
    got = f"got a {type(raters).__name__} of {len(raters)} arrays of"
    if len(shapes) > 1:
        raise TypeError(
            f"raters must be one array with the raters along an axis, {got} shapes "
            f"{', '.join(map(str, shapes[:3]))}; bring them to one shape and stack them"
        )
    raise TypeError(
        f"raters must be one array with the raters along an axis, {got} one shape; "
        "stack them along axis 0, as np.stack(raters) does"
    )


def in_front(xp: Namespace, raters: Array, rater_axis: int) -> Array:
    """Return a view with the axis of the raters in front."""
    ndim = raters.ndim
    if ndim == 0 or (type(rater_axis) is int and rater_axis == 0):
        return raters
    axis = require_integer("rater_axis", rater_axis, least=-ndim, most=ndim - 1) % ndim
    return xp.permute_dims(raters, (axis, *(a for a in range(ndim) if a != axis)))


def by_rater(
    score: Callable[[Array], Array], prob: Array, label: Array, rater_axis: int | None
) -> Array:
    """Return a score of one label, or of each rater's label along a first axis of its own."""
    xp = namespace(prob=prob, label=label)
    if rater_axis is None:
        require_one_label(prob, label)
        return score(label)
    raters = label_raters(xp, label, rater_axis)
    return xp.stack([score(raters[r, ...]) for r in range(raters.shape[0])])


def require_one_label(prob: Array, label: Array) -> None:
    """Raise ValueError for labels with one axis too many, which is that of raters."""
    shape, whole = tuple(label.shape), tuple(prob.shape)
    ones = {whole, whole[:1] + whole[2:]}
    if shape in ones:
        return
    fits = [
        f"rater_axis={axis}"
        for axis, number in enumerate(shape)
        if number > 1 and shape[:axis] + shape[axis + 1 :] in ones
    ]
    if fits:
        raise ValueError(
            f"label must be that of one rater, got shape {shape} for predictions of {whole}; for "
            f"the labels of raters along an axis write {' or '.join(fits)}"
        )


def label_raters(xp: Namespace, label: Array, rater_axis: int) -> Array:
    """Return a view of labels with the raters along axis 0, or raise ValueError without any."""
    raters = in_front(xp, label, rater_axis)
    if raters.ndim == 0 or raters.shape[0] == 0:
        raise ValueError(
            f"label must hold at least one rater along axis {rater_axis}, "
            f"got shape {tuple(label.shape)}"
        )
    return raters


def class_axis(axis: int | None, num_classes: int | None) -> int:
    """Return where the class axis of a result is to be, or raise if there is to be none."""
    if axis is not None and num_classes is None:
        raise ValueError(
            f"axis={shown(axis)} is where the classes of the result are to lie, and there are none "
            f"without num_classes; for raters along that axis write rater_axis={shown(axis)}"
        )
    return 1 if axis is None else axis


def float_dtypes(xp: Namespace, raters: Array, dtype: DType | None) -> tuple[DType, DType]:
    """Return the floating dtype of a result, and that of the sums: at least float32."""
    out = result_dtype(xp, raters, dtype)
    return out, xp.float32 if xp.finfo(out).bits < 32 else out


def case_axes(per: Per, raters: Array) -> tuple[int, ...] | None:
    """Return the axes of one rater that make up a case, None for all."""
    require_choice("per", per, ("batch", "image"))
    if per == "batch":
        return None
    if raters.ndim < 2:
        raise ValueError(
            "raters must have an axis of images beside their own for per='image', "
            f"got shape {tuple(raters.shape)}"
        )
    return tuple(range(1, raters.ndim - 1))


def marks_of(xp: Namespace, labels: Array, c: int | None = None) -> Array:
    """Return where masks are not 0, or where label maps hold a class."""
    if is_boolean(xp, labels):
        return labels
    return labels != 0 if c is None else widen(xp, labels, c) == c


def class_numbers(num_classes: int | None) -> tuple[int | None, ...]:
    """Return the classes of label maps; None for masks, the foreground for one class alone."""
    if num_classes is None:
        return (None,)
    return (1,) if num_classes == 1 else tuple(range(num_classes))


def join_classes(xp: Namespace, parts: list[Array], num_classes: int | None, axis: int) -> Array:
    if num_classes is None:
        return parts[0]
    return xp.stack(parts, axis=position(axis, parts[0].ndim + 1))


@accelerated
def rater_counts(raters: Array, c: int | None = None) -> Array:
    """Return how many raters marked a pixel: the reduction that an adapter replaces."""
    xp = namespace(raters=raters)
    number = raters.shape[0]
    if number > 255:
        return xp.sum(xp.astype(marks_of(xp, raters, c), xp.uint8), axis=0, dtype=xp.int32)
    return fold(xp.astype(marks_of(xp, raters[r, ...], c), xp.uint8) for r in range(number))


@accelerated
def vote_counts(raters: Array, mask: Array | None) -> tuple[Array, Array, Array]:
    """Return the fields of `dice_semimetric.Agreement`: the reduction that an adapter replaces."""
    xp = namespace(raters=raters, mask=mask)
    shape, pixels = raters.shape[1:], size(raters) // raters.shape[0]
    if not compat.is_numpy_namespace(xp) or pixels <= BLOCK:
        return _counted(xp, raters, mask)
    marks = raters.reshape(raters.shape[0], pixels)
    kept = None if mask is None else xp.broadcast_to(mask, shape).reshape(pixels)
    starts = range(0, pixels, BLOCK)  # a block of all raters is in the cache for every pair
    cuts = (slice(i, i + BLOCK) for i in starts)
    parts = [_counted(xp, marks[:, c], None if kept is None else kept[c]) for c in cuts]
    first, second, third = (fold(fields) for fields in zip(*parts, strict=True))
    return first, second, third


def _counted(xp: Namespace, raters: Array, mask: Array | None) -> tuple[Array, Array, Array]:
    """Return the counts of masks (R, ...)."""
    index = default_index(xp, raters)
    number = raters.shape[0]
    marks = [marks_of(xp, raters[r, ...]) for r in range(number)]
    votes = xp.astype(rater_counts(raters), xp.int32)
    if mask is not None:
        marks = [m & mask for m in marks]
        votes = xp.where(mask, votes, xp.full_like(votes, -1))

    def count(flags: Array) -> Array:
        return xp.astype(xp.count_nonzero(flags), index)

    pairs = {(i, j): count(marks[i] & marks[j]) for j in range(number) for i in range(j + 1)}
    square = [pairs[min(i, j), max(i, j)] for i in range(number) for j in range(number)]
    most = votes > number // 2
    return (
        xp.reshape(xp.stack(square), (number, number)),
        xp.stack([count(m & most) for m in marks]),
        xp.stack([count(votes == k) for k in range(number + 1)]),
    )


@accelerated
def weighted_marks(raters: Array, shares: Array, c: int | None = None) -> Array:
    """Return the sum of the shares of the raters that marked a pixel.

    ``shares`` (R, ...) broadcast to the raters. It is a reduction that an adapter replaces.
    """
    xp = namespace(raters=raters, shares=shares)
    return fold(
        xp.astype(marks_of(xp, raters[r, ...], c), shares.dtype) * shares[r, ...]
        for r in range(raters.shape[0])
    )


def fold(terms: Iterable[Array]) -> Array:
    """Sum from the first on: part of non-negative terms then never exceeds all of them."""
    return functools.reduce(operator.add, terms)


@accelerated
def look_up(index: Array, table: Array) -> Array:
    """Return the entries of a 1-D table at the indices, in the shape of these."""
    xp = namespace(index=index)
    if size(index) == 0:
        return xp.astype(index, table.dtype)
    flat = xp.reshape(index, (size(index),))
    if compat.is_numpy_namespace(xp):  # in blocks, since it widens all indices that it is given
        found = xp.empty(flat.shape, dtype=table.dtype)
        for i in range(0, flat.shape[0], BLOCK):
            place = slice(i, i + BLOCK)
            xp.take(table, flat[place], out=found[place], mode="clip")
    else:
        found = xp.take(table, xp.astype(flat, xp.int32, copy=False), axis=0)
    return xp.reshape(found, tuple(index.shape))
