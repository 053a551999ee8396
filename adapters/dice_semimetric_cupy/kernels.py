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

from dice_semimetric._lib.typing import Activation, Array, DType

from ._bins import pair_bins, threads_for, top_bins, top_eligible
from ._device import device
from ._fusion import join_raters
from ._memory import in_blocks, out_of_memory
from ._pairs import Pairs, pair_sums
from ._regression import regression
from ._softmax import softmax_scale
from ._thresholds import level_counts

Function = TypeVar("Function", bound=Callable[..., Any])


def _where_it_lies(function: Function) -> Function:
    """Let a function run on the GPU of its first argument, which need not be the current one.

    A MemoryError is worded anew: it names the function, its array and the memory that is free.
    """

    @functools.wraps(function)
    def there(array: Array, *arguments: Any, **options: Any) -> Any:
        gpu = device()
        with gpu.of(array):
            try:
                return function(array, *arguments, **options)
            except MemoryError as error:
                raise out_of_memory(gpu, function.__name__, array, error) from error

    return cast(Function, there)


@_where_it_lies
def overlap_sums(
    pred: Array,
    target: Array,
    mask: Array | None,
    *,
    axis: tuple[int, ...],
    dtype: DType,
    checked: bool,
    activation: Activation = None,
    ignore_index: int | None = None,
) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`."""
    pairs = _pairs(pred, target, mask, axis, dtype, checked, activation, ignore_index)
    if pairs is None:
        return NotImplemented

    def sums(some: Pairs) -> Array:
        some = softmax_scale(device(), some)
        return pair_sums(device(), some, "overlap_sums", "overlap.cu", (4,), out="float64")

    return tuple(in_blocks(device(), pairs, sums).astype(dtype, copy=False))


@_where_it_lies
def threshold_sums(
    pred: Array,
    target: Array,
    mask: Array | None,
    *,
    thresholds: tuple[float, ...],
    axis: tuple[int, ...],
    dtype: DType,
    checked: bool,
    activation: Activation = None,
    ignore_index: int | None = None,
) -> Any:
    """Return the counts of `dice_semimetric.thresholds.threshold_sums`."""
    pairs = _pairs(pred, target, mask, axis, dtype, checked, activation, ignore_index)
    if pairs is None:
        return NotImplemented

    def sums(some: Pairs) -> Array:
        return level_counts(device(), softmax_scale(device(), some), thresholds)

    return tuple(in_blocks(device(), pairs, sums))


@_where_it_lies
def bin_sums(
    prob: Array,
    label: Array,
    mask: Array | None,
    *,
    edges: Array,
    kind: str,
    dtype: DType,
    checked: bool,
    ignore_index: int | None,
) -> Any:
    """Return the sums of `dice_semimetric.bins.bin_sums`."""
    threads = threads_for(edges.shape[-1] - 1, dtype)
    binary = kind == "binary"
    if threads is None or (kind == "classwise" and prob.shape[1] == 1):
        return NotImplemented
    if mask is not None and not binary:
        mask = mask[:, None]
    axis = tuple(a for a in range(prob.ndim) if binary or a != 1)
    pairs = _pairs(prob, label, mask, axis, dtype, checked, None, ignore_index)
    if pairs is None:
        return NotImplemented
    edges = device().xp.ascontiguousarray(edges.astype(dtype, copy=False))
    top = kind == "top_label"
    if top and not top_eligible(pairs):
        return NotImplemented

    def taken(some: Pairs) -> Array:
        return (top_bins if top else pair_bins)(device(), some, edges, threads)

    sums = in_blocks(device(), pairs, taken, whole=() if binary else (1,))
    count, confidence, correct = (s.T if kind == "classwise" else s for s in sums)
    return count.astype("int64"), confidence.astype(dtype), correct.astype(dtype)


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


def _pairs(
    pred: Array,
    target: Array,
    mask: Array | None,
    axis: tuple[int, ...],
    dtype: DType,
    checked: bool,
    activation: Activation,
    ignore_index: int | None,
) -> Pairs | None:
    """Return the pairs if the kernels are made for them."""
    pairs = Pairs(pred, target, mask, None, axis, dtype, activation, ignore_index)
    if checked or not pairs.eligible():
        return None
    return pairs
