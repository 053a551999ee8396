"""What a softmax needs beside the logits: one number for each pixel."""

from dataclasses import replace

import numpy as np

from dice_semimetric._lib.layout import split_axes

from ._device import C_TYPES, Device, Kernel
from ._layout import axes_type, structure
from ._pairs import Pairs

_THREADS = 256
_BLOCKS = 32

SOFTMAX = np.dtype(
    [
        ("pred", "u8"),
        ("out", "u8"),
        ("pixels", "i8"),
        ("classes", "i8"),
        ("stride", "i8"),
        ("axes", axes_type(2)),
    ]
)


def softmax_scale(device: Device, pairs: Pairs) -> Pairs:
    """Return the pairs, of a softmax with the logarithm of the sum of exponentials over axis 1."""
    if pairs.activation != "softmax":
        return pairs
    pred = pairs.pred
    scale = device.empty((pred.shape[0], 1, *pred.shape[2:]), "float64")
    shape = (pred.shape[0], 1, *pred.shape[2:])
    _, pixels = split_axes([pred[:, :1], scale], (0, *range(2, pred.ndim)), shape)
    arguments = np.zeros((), SOFTMAX)
    arguments[()] = (
        device.address(pred),
        device.address(scale),
        pixels.size,
        pred.shape[1],
        pred.strides[1] // pred.dtype.itemsize,
        structure(pixels),
    )
    macros = (
        ("PRED", C_TYPES[pred.dtype.name]),
        ("ACC", C_TYPES[np.dtype(pairs.dtype).name]),
    )
    kernel = Kernel("softmax_scale", ("common.cuh", "softmax.cu"), _THREADS, macros)
    blocks = min(-(-pixels.size // _THREADS), _BLOCKS * device.processors)
    device.launch(kernel, blocks, arguments)
    return replace(pairs, scale=scale)
