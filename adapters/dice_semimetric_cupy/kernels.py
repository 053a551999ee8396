"""CuPy's own reductions, found by the core through its entry point.

Each reads its arrays once and launches on the current stream, without waiting for the GPU. Sums
are taken in double precision over blocks and always in the same order, so that the same input gives
the same bits. Strided arrays are read where they lie, float16 and bfloat16 as they are. Where the
GPU's memory is short, sums are taken of smaller blocks. What a kernel is not made for is left to
the core: values to be checked (which waits for the GPU anyway), arrays without elements, many short
sums, and dtypes that the sources do not know.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.typing import Array

from ._bins import pair_bins, threads_for, top_bins, top_eligible
from ._device import device
from ._fusion import join_raters
from ._memory import in_blocks, out_of_memory
from ._pairs import Pairs, eligible_pairs, pair_sums
from ._regression import regression
from ._softmax import softmax_scale
from ._thresholds import level_counts

Function = TypeVar("Function", bound=Callable[..., Any])


def _where_it_lies(function: Function) -> Function:
    """Let a function run on the GPU of the array it is given, which need not be the current one.

    A MemoryError is worded anew: it names the function, its array and the memory that is free.
    """

    @functools.wraps(function)
    def there(given: Array | Pixels, *arguments: Any, **options: Any) -> Any:
        gpu, array = device(), given.pred if isinstance(given, Pixels) else given
        with gpu.of(array):
            try:
                return function(given, *arguments, **options)
            except MemoryError as error:
                raise out_of_memory(gpu, function.__name__, array, error) from error

    return cast(Function, there)


@_where_it_lies
def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`."""
    pairs = eligible_pairs(pixels)
    if pairs is None:
        return NotImplemented

    def sums(some: Pairs) -> Array:
        some = softmax_scale(device(), some)
        return pair_sums(device(), some, "overlap_sums", "overlap.cu", (4,), out="float64")

    return tuple(in_blocks(device(), pairs, sums))


@_where_it_lies
def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    pairs = eligible_pairs(pixels)
    if pairs is None:
        return NotImplemented

    def sums(some: Pairs) -> Array:
        return level_counts(device(), softmax_scale(device(), some), thresholds)

    return tuple(in_blocks(device(), pairs, sums))


@_where_it_lies
def bin_sums(pixels: Pixels, edges: Array, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`."""
    dtype = pixels.dtype
    threads = threads_for(edges.shape[-1] - 1, dtype)
    if threads is None or (kind == "classwise" and pixels.pred.shape[1] == 1):
        return NotImplemented
    pairs = eligible_pairs(pixels)
    top = kind == "top_label"
    if pairs is None or (top and not top_eligible(pairs)):
        return NotImplemented
    edges = device().xp.ascontiguousarray(edges.astype(dtype, copy=False))

    def taken(some: Pairs) -> Array:
        return (top_bins if top else pair_bins)(device(), some, edges, threads)

    sums = in_blocks(device(), pairs, taken, whole=() if kind == "binary" else (1,))
    count, confidence, correct = (s.T if kind == "classwise" else s for s in sums)
    return count.astype("int64"), confidence, correct


@_where_it_lies
def kernel_sums(query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool) -> Any:
    """Return the sums of `dice_semimetric.kernel.density.kernel_sums`."""
    return regression(device(), query, key, bias, value, skip_self=skip_self)


@_where_it_lies
def rater_counts(raters: Array, c: int | None = None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.rater_counts`."""
    small = raters.shape[0] < 256
    wanted = -1 if c is None else c
    counts = join_raters(device(), "marked", raters, wanted, "uint8" if small else "int32")
    return NotImplemented if counts is None else counts


@_where_it_lies
def weighted_marks(raters: Array, shares: Array, c: int | None = None) -> Any:
    """Return the sums of `dice_semimetric._lib.raters.weighted_marks`."""
    wanted = -1 if c is None else c
    if shares.dtype.name not in ("float32", "float64"):
        return NotImplemented
    sums = join_raters(device(), "marked", raters, wanted, shares.dtype, shares)
    return NotImplemented if sums is None else sums


@_where_it_lies
def most_frequent(raters: Array, num_classes: int) -> Any:
    """Return the labels of `dice_semimetric.fusion.most_frequent`."""
    wanted = max(num_classes, 2)
    label = join_raters(device(), "most_frequent", raters, wanted, raters.dtype)
    return NotImplemented if label is None else label


@_where_it_lies
def look_up(index: Array, table: Array) -> Any:
    """Return the entries of `dice_semimetric._lib.raters.look_up`."""
    if table.dtype.name not in ("float32", "float64"):
        return NotImplemented
    found = join_raters(device(), "look_up", index[None, ...], -1, table.dtype, table)
    return NotImplemented if found is None else found
