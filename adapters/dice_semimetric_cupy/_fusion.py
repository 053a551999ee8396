"""The launch of the kernels that join raters."""

import numpy as np

from dice_semimetric._lib.layout import Axes, split_axes
from dice_semimetric._lib.typing import Array, DType

from ._device import C_TYPES, DIMS, Device, Kernel
from ._layout import axes_type, structure, vector

_THREADS = 256
_BLOCKS = 32

RATERS = np.dtype(
    [
        ("raters", "u8"),
        ("out", "u8"),
        ("shares", "u8"),
        *((name, "i8") for name in ("pixels", "number", "step", "share_step", "wanted")),
        ("axes", axes_type(3)),
    ]
)


def join_raters(
    device: Device,
    entry: str,
    raters: Array,
    wanted: int,
    dtype: DType,
    shares: Array | None = None,
) -> Array | None:
    """Return what a kernel makes of the raters along axis 0, or None if it is not made for them.

    ``shares`` are of the dtype of the result, along axis 0 one for each rater.
    """
    if raters.size == 0 or raters.dtype.name not in C_TYPES or raters.dtype.kind not in "biu":
        return None
    out = device.empty(raters.shape[1:], dtype)
    one = raters[0, ...]
    own = None if shares is None else shares[0, ...]
    _, pixels = split_axes((one, out, own), tuple(range(one.ndim)), one.shape)
    if len(pixels.shape) > DIMS:
        return None
    step = raters.strides[0] // raters.dtype.itemsize
    addresses = (device.address(raters), device.address(out))
    apart = Axes((raters.shape[0],), ((step,), (0,)))
    alike = not any(pixels.strides[2])  # one share for all pixels
    count = vector((one, out), addresses, apart, pixels) if alike else 0
    arguments = np.zeros((), RATERS)
    arguments[()] = (
        *addresses,
        0 if shares is None else device.address(shares),
        pixels.size,
        raters.shape[0],
        step,
        0 if shares is None else shares.strides[0] // shares.dtype.itemsize,
        wanted,
        structure(pixels),
    )
    macros = (
        ("LABEL", C_TYPES[raters.dtype.name]),
        ("OUT", C_TYPES[np.dtype(dtype).name]),
        ("SHARED", str(int(shares is not None))),
        ("VECTOR", str(count)),
    )
    kernel = Kernel(entry, ("common.cuh", "fusion.cu"), _THREADS, macros)
    blocks = -(-pixels.size // (_THREADS * max(1, count)))
    device.launch(kernel, min(blocks, _BLOCKS * device.processors), arguments)
    return out
