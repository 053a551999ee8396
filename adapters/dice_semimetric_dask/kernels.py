"""Dask's own reductions, found by the core through its entry point.

The core runs on each chunk, with whatever is fast for the chunk's library, and the chunks' sums are
added in a tree. Nothing is computed here, chunks are never merged, and the graph has a few tasks a
chunk.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dask.array as da
from dask.array.utils import meta_from_array

from dice_semimetric._lib.levels import threshold_sums as counts_of_chunk
from dice_semimetric._lib.namespace import namespace
from dice_semimetric._lib.raters import look_up as look_up_of_chunk
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.typing import Array
from dice_semimetric.boundary import window_differs as differs_in_chunk
from dice_semimetric.overlap import overlap_sums as sums_of_chunk

Chunked = Any
Reduction = Callable[[Pixels], tuple[Array, ...]]


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, lazily."""
    return _add(sums_of_chunk, (4,), pixels, pixels.dtype)


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`, lazily."""
    counts = functools.partial(counts_of_chunk, thresholds=thresholds)
    return _add(counts, (3, len(thresholds)), pixels, "int64")


def _fits(pixels: Pixels) -> bool:
    """Return whether each chunk can be summed for itself: it may need all classes of its pixels."""
    whole = pixels.labels or pixels.activation == "softmax"
    return not (whole and pixels.pred.numblocks[1] > 1)


def _add(sums: Reduction, lead: tuple[int, ...], pixels: Pixels, dtype: Any) -> Any:
    """Return the sums over all chunks, which have the axes ``lead`` in front."""
    if not _fits(pixels):
        return NotImplemented
    pred, target, mask, ndim = pixels.pred, pixels.target, pixels.mask, pixels.pred.ndim
    images = tuple(range(ndim))
    arrays = [pred, images, target, (0, *range(2, ndim)) if pixels.labels else images]
    if mask is not None:
        arrays += [mask, images[ndim - mask.ndim :]]
    front = tuple(range(ndim, ndim + len(lead)))
    how = replace(pixels, pred=None, target=None, mask=None, checked=False)
    parts = da.blockwise(  # type: ignore[no-untyped-call]
        functools.partial(_chunk, sums, lead, how),
        (*front, *images),
        *arrays,
        new_axes=dict(zip(front, lead, strict=True)),
        adjust_chunks=dict.fromkeys(pixels.axis, 1),
        meta=meta_from_array(pred, len(front) + ndim, dtype),  # type: ignore[no-untyped-call]
    )
    total = da.sum(parts, axis=tuple(a + len(lead) for a in pixels.axis), dtype=dtype)
    return tuple(total[k] for k in range(lead[0]))


def _chunk(
    sums: Reduction,
    lead: tuple[int, ...],
    how: Pixels,
    pred: Array,
    target: Array,
    mask: Array | None = None,
) -> Array:
    """Return the sums over one chunk, the axes summed over kept as axes of one."""
    xp = namespace(pred=pred)
    found = xp.stack(sums(replace(how, pred=pred, target=target, mask=mask)), axis=0)
    kept = tuple(1 if a in how.axis else n for a, n in enumerate(pred.shape))
    return xp.reshape(found, (*lead, *kept))


def look_up(index: Chunked, table: Chunked) -> Chunked:
    """Return the entries of a table at the indices, chunk by chunk: flattening would merge them."""
    axes = tuple(range(index.ndim))
    return da.blockwise(  # type: ignore[no-untyped-call]
        look_up_of_chunk,
        axes,
        index,
        axes,
        table,
        (index.ndim,),
        concatenate=True,
        meta=meta_from_array(index, index.ndim, table.dtype),  # type: ignore[no-untyped-call]
    )


def window_differs(
    label: Chunked, *, reach: int, ignore_index: int | None, batch_axes: int
) -> Chunked:
    """Return where a window holds another label, from chunks with a halo of their neighbours."""
    if reach == 0 or label.size == 0:
        return NotImplemented
    # A halo may not be wider than the array; no window needs more than all of it.
    depth = {a: min(reach, n - 1) if a >= batch_axes else 0 for a, n in enumerate(label.shape)}
    return da.map_overlap(  # type: ignore[no-untyped-call]
        functools.partial(
            differs_in_chunk, reach=reach, ignore_index=ignore_index, batch_axes=batch_axes
        ),
        label,
        depth=depth,
        boundary="none",
        meta=meta_from_array(label, label.ndim, "bool"),  # type: ignore[no-untyped-call]
    )
