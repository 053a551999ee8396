"""The launch of the kernels that sum over bins of confidence."""

from typing import Any

import numpy as np

from dice_semimetric._lib.layout import Axes, split_axes
from dice_semimetric._lib.typing import Array, DType

from ._device import C_TYPES, DIMS, FLOATING, Device, Kernel
from ._layout import axes_type, parts_of, structure
from ._pairs import Pairs, pair_sums

_CELLS = 64
#: Sums of so many numbers in float32 lose no digit that is shown.
_MOST = 1024
_SHARED = 40 << 10
_BLOCKS = 32

TOP_BINS = np.dtype(
    [
        *((name, "u8") for name in ("pred", "target", "mask", "edges", "out")),
        *((name, "i8") for name in ("pixels", "parts", "chunk", "classes")),
        *((name, "i8") for name in ("pred_step", "target_step", "ignored")),
        ("axes", axes_type(3)),
    ]
)


def threads_for(n_bins: int, dtype: DType) -> int | None:
    """Return the threads of a block whose bins fit the shared memory, or None."""
    each = n_bins * (4 + 2 * np.dtype(dtype).itemsize)
    return next((t for t in (128, 64, 32) if t * each <= _SHARED), None)


def pair_bins(device: Device, pairs: Pairs, edges: Array, threads: int) -> Array:
    """Return the sums, (3, n_bins, *kept axes), of pairs of confidence and correctness."""
    more = np.asarray(device.address(edges), "u8")
    step = np.asarray(edges.shape[-1] if edges.ndim > 1 else 0, "i8")
    hard = pairs.target.dtype.name not in FLOATING and not pairs.labels
    return pair_sums(
        device,
        pairs,
        "bin_sums",
        ("bin_counts.cuh", "bins.cu"),
        (3, edges.shape[-1] - 1),
        out="float64",
        threads=threads,
        most=_MOST,
        macros=[*_macros(edges), ("HARD", str(int(hard)))],
        more=[("edges", more), ("step", step)],
    )


def top_eligible(pairs: Pairs) -> bool:
    """Return whether `top_bins` is made for the strides of these arrays."""
    return len(_pixels(pairs).shape) <= DIMS


def _pixels(pairs: Pairs) -> Axes:
    """Return all axes but that of the classes."""
    pred, target = pairs.pred, pairs.target
    shape = (pred.shape[0], 1, *pred.shape[2:])
    one = target[:, None] if pairs.labels else target[:, :1]
    return split_axes((pred[:, :1], one, pairs.mask), (0, *range(2, pred.ndim)), shape)[1]


def top_bins(device: Device, pairs: Pairs, edges: Array, threads: int) -> Array:
    """Return the sums, (3, n_bins), of the largest probability along axis 1."""
    pred, target, mask = pairs.pred, pairs.target, pairs.mask
    pixels = _pixels(pairs)
    blocks = _BLOCKS * device.processors
    parts, chunk = parts_of(1, pixels.size, threads, blocks, _MOST * threads)
    partial = device.empty((3, edges.shape[-1] - 1, parts), "float64")
    arguments = np.zeros((), TOP_BINS)
    arguments[()] = (
        device.address(pred),
        device.address(target),
        0 if mask is None else device.address(mask),
        device.address(edges),
        device.address(partial),
        pixels.size,
        parts,
        chunk,
        pred.shape[1],
        _step(pred),
        0 if pairs.labels else _step(target),
        pairs.ignore_index or 0,
        structure(pixels),
    )
    macros: tuple[tuple[str, Any], ...] = (
        ("PRED", C_TYPES[pred.dtype.name]),
        ("TARGET", C_TYPES[target.dtype.name]),
        ("ACC", C_TYPES[np.dtype(pairs.dtype).name]),
        ("MASKED", str(int(mask is not None))),
        ("LABELS", str(int(pairs.labels))),
        ("IGNORED", str(int(pairs.ignore_index is not None))),
        *_macros(edges),
    )
    sources = ("common.cuh", "bin_counts.cuh", "top_bins.cu")
    device.launch(Kernel("top_bin_sums", sources, threads, macros), parts, arguments)
    return partial.sum(axis=-1)


def _macros(edges: Array) -> tuple[tuple[str, str], ...]:
    return (("BINS", str(edges.shape[-1] - 1)), ("CELLS", str(_CELLS)))


def _step(array: Array) -> int:
    return int(array.strides[1] // array.dtype.itemsize)
