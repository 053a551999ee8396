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

from dice_semimetric._lib import raters as of_chunk
from dice_semimetric._lib.bin_sums import bin_sums as bins_of_chunk
from dice_semimetric._lib.levels import threshold_sums as counts_of_chunk
from dice_semimetric._lib.namespace import namespace
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.typing import Array
from dice_semimetric.boundary import window_differs as differs_in_chunk
from dice_semimetric.fusion import most_frequent as most_frequent_of_chunk
from dice_semimetric.overlap import overlap_sums as sums_of_chunk

Chunked = Any
Reduction = Callable[..., tuple[Array, ...]]


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, lazily."""
    return _add(sums_of_chunk, (4,), pixels, "float64")


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`, lazily."""
    counts = functools.partial(counts_of_chunk, thresholds=thresholds)
    return _add(counts, (3, len(thresholds)), pixels, "int64")


def bin_sums(pixels: Pixels, edges: Array, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`, lazily."""
    if kind != "binary" and pixels.pred.numblocks[1] > 1:
        return NotImplemented
    rows = max(pixels.pred.shape[1], 2) if kind == "classwise" else 1
    lead = (3, rows, edges.shape[-1] - 1)
    every = replace(pixels, axis=tuple(range(pixels.pred.ndim)))
    total = _total(functools.partial(_bins, kind=kind), lead, every, "float64", edges)
    count, confidence, correct = total if kind == "classwise" else total[:, 0]
    return count.astype("int64"), confidence, correct


def _bins(pixels: Pixels, edges: Array, *, kind: str) -> tuple[Array, ...]:
    """Return the sums over one chunk, always with a row of bins for each class."""
    axis = tuple(a for a in pixels.axis if kind == "binary" or a != 1)
    found = bins_of_chunk(replace(pixels, axis=axis), edges, kind)
    return found if kind == "classwise" else tuple(field[None] for field in found)


def _add(sums: Reduction, lead: tuple[int, ...], pixels: Pixels, dtype: Any) -> Any:
    """Return the sums over all chunks, which have the axes ``lead`` in front."""
    if pixels.regional and pixels.pred.numblocks[1] > 1:  # a chunk then needs all classes
        return NotImplemented
    total = _total(sums, lead, pixels, dtype)
    return tuple(total[k] for k in range(lead[0]))


def _total(
    sums: Reduction, lead: tuple[int, ...], pixels: Pixels, dtype: Any, *more: Chunked
) -> Chunked:
    """Return the sums of each chunk added up; ``more`` are whole arrays for each of them."""
    pred, target, mask, ndim = pixels.pred, pixels.target, pixels.mask, pixels.pred.ndim
    images = tuple(range(ndim))
    arrays = [pred, images, target, (0, *range(2, ndim)) if pixels.labels else images]
    if mask is not None:
        arrays += [mask, images[ndim - mask.ndim :]]
    front = tuple(range(ndim, ndim + len(lead)))
    for k, array in enumerate(more):
        arrays += [array, tuple(range(100 * (k + 1), 100 * (k + 1) + array.ndim))]
    how = replace(pixels, pred=None, target=None, mask=None, checked=False)
    parts = da.blockwise(  # type: ignore[no-untyped-call]
        functools.partial(_chunk, sums, lead, how, mask is not None),
        (*front, *images),
        *arrays,
        new_axes=dict(zip(front, lead, strict=True)),
        adjust_chunks=dict.fromkeys(pixels.axis, 1),
        concatenate=True,
        meta=meta_from_array(pred, len(front) + ndim, dtype),  # type: ignore[no-untyped-call]
    )
    return da.sum(parts, axis=tuple(a + len(lead) for a in pixels.axis), dtype=dtype)


def _chunk(
    sums: Reduction, lead: tuple[int, ...], how: Pixels, masked: bool, *arrays: Array
) -> Array:
    """Return the sums over one chunk, the axes summed over kept as axes of one."""
    pred, target, *others = arrays
    xp = namespace(pred=pred)
    mask = others.pop(0) if masked else None
    found = xp.stack(sums(replace(how, pred=pred, target=target, mask=mask), *others), axis=0)
    kept = tuple(1 if a in how.axis else n for a, n in enumerate(pred.shape))
    return xp.reshape(found, (*lead, *kept))


def rater_counts(raters: Chunked, c: int | None = None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.rater_counts`, lazily."""
    dtype = "uint8" if raters.shape[0] < 256 else "int32"
    return _joined(functools.partial(of_chunk.rater_counts, c=c), dtype, raters)


def weighted_marks(raters: Chunked, shares: Chunked, c: int | None = None) -> Any:
    """Return the sums of `dice_semimetric._lib.raters.weighted_marks`, lazily."""
    return _joined(functools.partial(of_chunk.weighted_marks, c=c), shares.dtype, raters, shares)


def most_frequent(raters: Chunked, num_classes: int) -> Any:
    """Return the labels of `dice_semimetric.fusion.most_frequent`, lazily."""
    function = functools.partial(most_frequent_of_chunk, num_classes=num_classes)
    return _joined(function, raters.dtype, raters)


def _joined(function: Callable[..., Array], dtype: Any, raters: Chunked, *more: Chunked) -> Any:
    """Return what a function makes of all raters of a chunk, which hold one chunk of raters."""
    if any(a.numblocks[0] > 1 or a.ndim != raters.ndim for a in (raters, *more)):
        return NotImplemented
    axes = tuple(range(raters.ndim))
    arrays = [part for array in (raters, *more) for part in (array, axes)]
    return da.blockwise(  # type: ignore[no-untyped-call]
        function,
        axes[1:],
        *arrays,
        concatenate=True,
        meta=meta_from_array(raters, raters.ndim - 1, dtype),  # type: ignore[no-untyped-call]
    )


def look_up(index: Chunked, table: Chunked) -> Chunked:
    """Return the entries of a table at the indices, chunk by chunk: flattening would merge them."""
    axes = tuple(range(index.ndim))
    return da.blockwise(  # type: ignore[no-untyped-call]
        of_chunk.look_up,
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
