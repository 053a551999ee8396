"""What calibration takes: labels hard or soft, masks, edges, and confidences from them."""

from collections.abc import Iterator
from typing import Any

import array_api_compat as compat

from .checks import checks_apply
from .namespace import (
    constant,
    is_boolean,
    is_floating,
    is_integer,
    namespace,
    require_floating,
    require_mask,
    sum_dtype,
)
from .options import require_label, require_numbers
from .pairs import both, is_label_map, labels_or_soft
from .quantiles import quantiles
from .seam import Pixels
from .special import widen
from .typing import Array, DType, Namespace


def labelled_pixels(
    prob: Array, label: Array, *, kind: str, mask: Array | None, ignore_index: int | None
) -> Pixels:
    """Return probabilities and hard or soft labels as pixels, or raise TypeError or ValueError.

    Labels come in a dtype that holds the classes and ``ignore_index``, the mask of the shape of
    the pixels, for all kinds but "binary" with a class axis.
    """
    ignore_index = require_label("ignore_index", ignore_index)
    xp = namespace(prob=prob, label=label, mask=mask)
    require_floating(xp, prob=prob)
    _require_class_axis(prob, kind)
    mask = _pixel_mask(xp, prob, mask, kind)
    if kind != "binary":
        _require_one_hot(xp, prob, label, mask)
        label = labels_or_soft(xp, prob, label)
    hard = _is_hard(xp, prob, label, kind, ignore_index)
    if hard and not is_boolean(xp, label):
        num_classes = 2 if kind == "binary" else max(prob.shape[1], 2)
        label = widen(xp, label, num_classes - 1, ignore_index)
    binary = kind == "binary"
    return Pixels(
        prob,
        label,
        mask if binary or mask is None else xp.expand_dims(mask, axis=1),
        axis=tuple(a for a in range(prob.ndim) if binary or a != 1),
        dtype=sum_dtype(xp, prob, label),
        checked=checks_apply(prob, label, mask),
        ignore_index=ignore_index,
    )


def _require_class_axis(prob: Array, kind: str) -> None:
    """Raise ValueError unless the prediction has an axis of classes, or needs none."""
    if kind != "binary" and prob.ndim < 2:
        raise ValueError(
            f"prob must have shape (B, C, *spatial), got {tuple(prob.shape)}; "
            "arrays of any shape are for kind='binary'"
        )


def _is_hard(xp: Namespace, prob: Array, label: Array, kind: str, ignore_index: int | None) -> bool:
    """Return True for hard labels and False for soft ones, by dtype and shape; else raise."""
    same = tuple(label.shape) == tuple(prob.shape)
    hard = is_integer(xp, label) or is_boolean(xp, label)
    if kind != "binary":
        hard = is_label_map(xp, prob, label, ignore_index, ("prob", "label"))
        if prob.shape[1] == 0:
            raise ValueError(f"prob must have a class at least, got shape {tuple(prob.shape)}")
        return hard
    if not same:
        raise ValueError(
            "label must have the shape of prob for kind='binary', "
            f"got {tuple(label.shape)} and {tuple(prob.shape)}"
        )
    if not (hard or is_floating(xp, label)):
        raise TypeError(f"label must be of a real dtype, got {label.dtype}")
    if ignore_index is not None and not is_integer(xp, label):
        raise ValueError("ignore_index is for integer labels; use mask with soft ones")
    return hard


def _require_one_hot(xp: Namespace, prob: Array, label: Array, mask: Array | None) -> None:
    """Raise ValueError for masks of each class that do not give each pixel one class."""
    same = tuple(label.shape) == tuple(prob.shape)
    if not same or prob.shape[1] < 2 or is_floating(xp, label) or not checks_apply(label, mask):
        return
    marked = label if is_boolean(xp, label) else label != 0
    fits = xp.sum(xp.astype(marked, xp.int32), axis=1) == 1
    if not bool(xp.all(fits if mask is None else fits | ~mask)):
        raise ValueError(
            f"label of the shape {tuple(label.shape)} of prob and dtype {label.dtype} must be "
            "one-hot; take masks that overlap one by one, with kind='binary'"
        )


def _pixel_mask(xp: Namespace, prob: Array, mask: Array | None, kind: str) -> Array | None:
    """Return the mask of the pixels, broadcast to their shape."""
    if mask is None:
        return None
    shape = tuple(prob.shape)
    if kind != "binary":
        shape = (shape[0], *shape[2:])
        if mask.ndim == prob.ndim and mask.shape[1] == 1:
            mask = mask[:, 0, ...]
    require_mask(xp, mask, shape)
    return xp.broadcast_to(mask, shape)


def given_edges(xp: Namespace, edges: Any, prob: Array, kind: str, dtype: DType) -> Array:
    """Return edges as an array, or raise ValueError for a wrong shape or order."""
    if isinstance(edges, list | tuple):
        edges = constant(xp, _numbers(edges), dtype, prob)
    namespace(prob=prob, edges=edges)
    shape = tuple(edges.shape)
    num_classes = 1 if kind == "binary" else max(prob.shape[1], 2)
    leads = ((), (num_classes,)) if kind == "classwise" else ((),)
    if not shape or shape[:-1] not in leads or shape[-1] < 2:
        expected = " or ".join(str((*lead, "n_bins + 1")).replace("'", "") for lead in leads)
        raise ValueError(f"edges must have shape {expected}, got {shape}")
    if checks_apply(edges) and not bool(xp.all(edges[..., 1:] >= edges[..., :-1])):
        raise ValueError("edges must be in ascending order")
    return xp.astype(edges, dtype, copy=False)


def _numbers(edges: Any) -> list[Any]:
    """Return edges as numbers, or as one list of them for each class."""
    if edges and all(isinstance(row, list | tuple) for row in edges):
        return [list(require_numbers("edges", row, finite=False)) for row in edges]
    return list(require_numbers("edges", edges, finite=False))


def quantile_edges(xp: Namespace, pixels: Pixels, n_bins: int, kind: str) -> Array:
    """Return edges between which equally many of the pixels lie, for each class if classwise."""
    prob, label, mask, ignored = pixels.pred, pixels.target, pixels.mask, pixels.ignore_index
    if compat.is_dask_array(prob):
        raise ValueError(
            "strategy='quantile' sorts, which Dask arrays cannot; "
            "take the edges from a NumPy sample and give them as edges="
        )
    if mask is not None and kind != "binary":
        mask = mask[:, 0, ...]
    kept = both(mask, None if ignored is None else label != ignored)
    prob = xp.astype(prob, pixels.dtype, copy=False)
    found = [
        quantiles(xp, confidence, kept, n_bins)
        for confidence, _ in confidences(xp, prob, label, kind)
    ]
    return xp.stack(found) if kind == "classwise" else found[0]


def confidences(
    xp: Namespace, prob: Array, label: Array, kind: str
) -> Iterator[tuple[Array, Array]]:
    """Yield confidence and correctness of all pixels, as often as there are rows of bins.

    Correctness is boolean for hard labels. Nothing of the size of one-hot labels is made.
    """
    if kind == "binary":
        yield prob, label == 1 if is_integer(xp, label) else label
        return
    pairs = _class_pairs(prob, label)
    if kind == "classwise":
        yield from pairs
        return
    confidence, correct = next(pairs)
    for p, y in pairs:
        higher = p > confidence
        confidence = xp.where(higher, p, confidence)
        correct = xp.where(higher, y, correct)
    yield confidence, correct


def _class_pairs(prob: Array, label: Array) -> Iterator[tuple[Array, Array]]:
    """Yield each class's probability and truth, the implied background first."""
    hard = label.ndim < prob.ndim
    if prob.shape[1] == 1:
        yield 1 - prob[:, 0, ...], label == 0 if hard else 1 - label[:, 0, ...]
        yield prob[:, 0, ...], label == 1 if hard else label[:, 0, ...]
        return
    for c in range(prob.shape[1]):
        yield prob[:, c, ...], label == c if hard else label[:, c, ...]
