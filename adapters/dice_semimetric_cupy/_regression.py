"""The launch of the kernel regression."""

from typing import Any

import numpy as np

from dice_semimetric._lib.typing import Array

from ._device import C_TYPES, Device, Kernel

_THREADS = 128
#: Of a pixel, in registers.
_MOST = 32

REGRESSION = np.dtype(
    [
        *((name, "u8") for name in ("query", "key", "bias", "value", "mean", "log_total")),
        ("pixels", "i8"),
        ("keys", "i8"),
    ]
)


def regression(
    device: Device, query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool
) -> Any:
    """Return the sums of `dice_semimetric.kernel.density.kernel_sums`, without pairs in memory."""
    size, pixels = query.shape
    values, keys = value.shape
    inputs = [device.xp.ascontiguousarray(a) for a in (query, key, bias, value)]
    doubles = all(a.dtype == np.float64 for a in inputs[:3])
    if not (doubles and value.dtype.name in ("float32", "float64") and pixels and keys):
        return NotImplemented
    if max(size, values) > _MOST:
        return NotImplemented
    mean = device.empty((values, pixels), value.dtype)
    log_total = device.empty((pixels,), "float64")
    arguments = np.zeros((), REGRESSION)
    arguments[()] = (*(device.address(a) for a in (*inputs, mean, log_total)), pixels, keys)
    macros = (
        ("ACC", C_TYPES[value.dtype.name]),
        ("SIZE", str(size)),
        ("VALUES", str(values)),
        ("SKIP_SELF", str(int(skip_self))),
    )
    kernel = Kernel("kernel_sums", ("common.cuh", "regression.cu"), _THREADS, macros)
    device.launch(kernel, -(-pixels // _THREADS), arguments)
    return mean, log_total
