"""CuPy's own reductions, found by the core through its entry point.

Each reads its arrays once and launches on the current stream, without waiting for the GPU. Sums
are taken in double precision over blocks and always in the same order, so that the same input gives
the same bits. Strided arrays are read where they lie. What a kernel is not made for is left to the
core: values to be checked (which waits for the GPU anyway), arrays without elements, many short
sums, and dtypes that the sources do not know.
"""

from typing import Any

from dice_semimetric._typing import Activation, Array, DType

from ._device import device
from ._pairs import Pairs, pair_sums
from ._softmax import with_scale
from ._thresholds import level_counts


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
        return pair_sums(device(), some, "overlap_sums", "overlap.cu", (4,), out="float64")

    return tuple(with_scale(device(), pairs, sums).astype(dtype, copy=False))


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
        return level_counts(device(), some, thresholds)

    return tuple(with_scale(device(), pairs, sums))


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
