"""The sums over bins of confidence, as any library takes them."""

from collections.abc import Iterator

from .bin_inputs import confidences
from .checks import require_known_labels, require_unit_interval
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
