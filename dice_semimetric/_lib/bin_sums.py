"""The sums over bins of confidence, as any library takes them."""

from collections.abc import Iterator
from dataclasses import replace

from .bin_inputs import confidences
from .checks import require_known_labels, require_unit_interval
from .devices import device
from .namespace import is_floating, is_integer, namespace
from .pairs import both
from .seam import Pixels, accelerated
from .typing import Array, Namespace


@accelerated
def bin_sums(pixels: Pixels, edges: Array, kind: str) -> tuple[Array, Array, Array]:
    """Return count, confidence and correctness of each bin: the reduction an adapter replaces.

    A confidence's bin is found by comparison with the inner edges.
    """
    xp, dtype = namespace(prob=pixels.pred), pixels.dtype
    pairs, kept = binned_pairs(pixels, kind)
    found = [
        _sums_between(xp, confidence, xp.astype(correct, dtype, copy=False), kept, edges, row)
        for row, (confidence, correct) in enumerate(pairs)
    ]
    if kind != "classwise":
        return found[0]
    first, second, third = (xp.stack(list(field)) for field in zip(*found, strict=True))
    return first, second, third


@accelerated
def image_bin_sums(pixels: Pixels, edges: Array) -> tuple[Array, Array, Array]:
    """Return the three sums of each image and class, (B, C, n_bins), each class by itself.

    One class alone is the foreground. Masks of each class are soft labels, and the mask, of the
    images' number, may have an entry for each class.
    """
    xp, (images, classes) = namespace(prob=pixels.pred), pixels.pred.shape[:2]
    if not images:
        none = xp.zeros((0, classes, edges.shape[-1] - 1), dtype=pixels.dtype, device=device(edges))
        return xp.astype(none, xp.int64), none, none
    found = [_sums_of_image(_image(pixels, i), edges) for i in range(images)]
    first, second, third = (xp.stack(list(field)) for field in zip(*found, strict=True))
    return first, second, third


def _image(pixels: Pixels, i: int) -> Pixels:
    return replace(
        pixels,
        pred=pixels.pred[i : i + 1, ...],
        target=pixels.target[i : i + 1, ...],
        mask=None if pixels.mask is None else pixels.mask[i : i + 1, ...],
        axis=(0, *pixels.axis),
    )


def _sums_of_image(pixels: Pixels, edges: Array) -> tuple[Array, Array, Array]:
    """Return the sums (C, n_bins) of one image."""
    mask, classes = pixels.mask, pixels.pred.shape[1]
    if classes > 1 and (mask is None or mask.shape[1] == 1):
        return bin_sums(pixels, edges, "classwise")
    xp = namespace(prob=pixels.pred)
    found = [bin_sums(_one_class(pixels, c), edges, "binary") for c in range(classes)]
    first, second, third = (xp.stack(list(field)) for field in zip(*found, strict=True))
    return first, second, third


def _one_class(pixels: Pixels, c: int) -> Pixels:
    """Return the pixels of a class against the rest, without a class axis."""
    pred, target, mask = pixels.pred, pixels.target, pixels.mask
    if not pixels.labels:
        target = target[:, c, ...]
    elif pred.shape[1] > 1:
        if pixels.checked:
            require_known_labels(pixels)
        kept = None if pixels.ignore_index is None else target != pixels.ignore_index
        mask = both(mask, None if kept is None else namespace(label=kept).expand_dims(kept, axis=1))
        target = target == c
    return replace(
        pixels,
        pred=pred[:, c, ...],
        target=target,
        mask=None if mask is None else mask[:, min(c, mask.shape[1] - 1), ...],
        axis=tuple(range(pred.ndim - 1)),
        ignore_index=pixels.ignore_index if pred.shape[1] == 1 else None,
    )


def binned_pairs(pixels: Pixels, kind: str) -> tuple[Iterator[tuple[Array, Array]], Array | None]:
    """Return confidence and correctness for each row of bins, and which pixels count.

    Soft labels and confidences are in the dtype of the sums, and 0 where a pixel does not count.
    """
    prob, label, mask, dtype = pixels.pred, pixels.target, pixels.mask, pixels.dtype
    xp = namespace(prob=prob)
    if mask is not None and kind != "binary":
        mask = mask[:, 0, ...]
    ignored = pixels.ignore_index
    kept = both(mask, None if ignored is None else label != ignored)
    prob = xp.astype(prob, dtype, copy=False)
    soft = is_floating(xp, label)
    if soft:
        label = xp.astype(label, dtype, copy=False)
    if kept is not None:
        every = kept if kind == "binary" else xp.expand_dims(kept, axis=1)
        prob = xp.where(every, prob, xp.zeros_like(prob))
        label = xp.where(every, label, xp.zeros_like(label)) if soft else label
    if pixels.checked:
        if is_integer(xp, label):
            require_known_labels(pixels, "label")
        prob = require_unit_interval(xp, prob, "prob", dtype=pixels.pred.dtype)
        if soft:
            label = require_unit_interval(xp, label, "label", dtype=pixels.target.dtype)
    return confidences(xp, prob, label, kind), kept


def _sums_between(
    xp: Namespace, confidence: Array, correct: Array, kept: Array | None, edges: Array, row: int
) -> tuple[Array, Array, Array]:
    """Return the three sums of one row of bins."""
    edges = edges if edges.ndim == 1 else edges[row, :]
    n_bins = edges.shape[0] - 1
    zero = xp.zeros_like(confidence)
    above = xp.ones_like(confidence, dtype=xp.bool) if kept is None else kept
    counts, sums, hits = [], [], []
    for k in range(n_bins):
        inside = above
        if k + 1 < n_bins:
            higher = above & (confidence >= edges[k + 1])
            inside, above = above & ~higher, higher
        counts.append(xp.count_nonzero(inside))
        sums.append(xp.sum(xp.where(inside, confidence, zero)))
        hits.append(xp.sum(xp.where(inside, correct, zero)))
    return xp.stack(counts), xp.stack(sums), xp.stack(hits)
