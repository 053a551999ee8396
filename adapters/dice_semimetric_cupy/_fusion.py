"""The launch of the kernels that join raters."""

import numpy as np

from dice_semimetric._typing import Array, DType

from ._device import C_TYPES, DIMS, Device, Kernel
from ._layout import Axes, axes_type, split_axes, vector

_THREADS = 256
_BLOCKS = 32

RATERS = np.dtype(
    [
        ("raters", "u8"),
        ("out", "u8"),
        *((name, "i8") for name in ("pixels", "number", "step", "wanted")),
        ("axes", axes_type(2)),
    ]
)


def join_raters(
    device: Device, entry: str, raters: Array, wanted: int, dtype: DType
) -> Array | None:
    """Return what a kernel makes of the raters along axis 0, or None if it is not made for them."""
    if raters.size == 0 or raters.dtype.name not in C_TYPES or raters.dtype.kind not in "biu":
        return None
    out = device.empty(raters.shape[1:], dtype)
    one = raters[0, ...]
    _, pixels = split_axes((one, out), tuple(range(one.ndim)), one.shape)
    if len(pixels.shape) > DIMS:
        return None
    step = raters.strides[0] // raters.dtype.itemsize
    addresses = (device.address(raters), device.address(out))
    apart = Axes((raters.shape[0],), ((step,), (0,)))
    count = vector((one, out), addresses, apart, pixels)
    arguments = np.zeros((), RATERS)
    arguments[()] = (
        *addresses,
        pixels.size,
        raters.shape[0],
        step,
        wanted,
        pixels.structure(),
    )
    macros = (
        ("LABEL", C_TYPES[raters.dtype.name]),
        ("OUT", C_TYPES[np.dtype(dtype).name]),
        ("VECTOR", str(count)),
    )
    kernel = Kernel(entry, ("common.cuh", "fusion.cu"), _THREADS, macros)
    blocks = -(-pixels.size // (_THREADS * max(1, count)))
    device.launch(kernel, min(blocks, _BLOCKS * device.processors), arguments)
    return out
