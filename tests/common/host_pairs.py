"""Pixels of many dtypes and layouts, and their statistics by slow and obvious code in float64."""

import ml_dtypes
import numpy as np

from dice_semimetric._lib.seam import Pixels

FLOATS = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
INTEGERS = tuple(np.dtype(f"{kind}{size}").type for kind in "iu" for size in (1, 2, 4, 8))
LAYOUTS = ("plain", "fortran", "channels last", "slice", "backwards", "every second", "read-only")
#: Three classes of two images, of a size that is no multiple of a tile.
SHAPE = 2, 3, 40, 41, 7


def laid_out(array, layout):
    """Return the same values as they may lie in memory."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "channels last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if layout == "slice":
        room = np.zeros([n + 3 for n in array.shape], array.dtype)
        part = room[tuple(slice(2, n + 2) for n in array.shape)]
        part[...] = array
        return part
    if layout == "backwards":
        turned = tuple(slice(None, None, -1) for _ in array.shape)
        return np.ascontiguousarray(array[turned])[turned]
    if layout == "every second":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    return array


def values(rng, shape, dtype):
    """Return numbers from 0 to 1 of a dtype, some exactly 0, 1/2 and 1."""
    exact = rng.choice([0.0, 0.5, 1.0], shape)
    found = np.where(rng.random(shape) < 0.2, exact, rng.random(shape))
    return found.astype(dtype) if dtype in FLOATS else (found > 0.5).astype(dtype)


def beyond(rng, shape, dtype):
    """Return numbers of a dtype of which some lie outside [0, 1] by rounding, and those clipped."""
    eps = float(ml_dtypes.finfo(dtype).eps)
    off = values(rng, shape, np.float64) + rng.choice([-2 * eps, 0, 2 * eps], shape)
    off = off.astype(dtype)
    assert off.min() < 0
    assert off.max() > 1
    return off, np.clip(off.astype(np.float64), 0, 1).astype(dtype)


def pixels_of(pred, target, mask=None, *, axis=(2, 3, 4), dtype=np.float64, **options):
    options = {"checked": True, **options}
    return Pixels(pred, target, mask, axis=axis, dtype=np.dtype(dtype), **options)


def probabilities(pixels):
    """Return prediction and target in float64 of one shape, 0 where they do not count."""
    x, target, kept = pixels.pred.astype(np.float64), pixels.target, pixels.mask
    if pixels.activation == "sigmoid":
        x = 1 / (1 + np.exp(-x))
    elif pixels.activation == "softmax":
        x = np.exp(x - x.max(axis=1, keepdims=True))
        x = x / x.sum(axis=1, keepdims=True)
    kept = np.broadcast_to(True if kept is None else kept, x.shape)
    y = target.astype(np.float64)
    if pixels.labels:
        numbers = [1] if x.shape[1] == 1 else range(x.shape[1])
        y = np.stack([target == c for c in numbers], axis=1).astype(np.float64)
        if pixels.ignore_index is not None:
            kept = kept & (target != pixels.ignore_index)[:, None]
    return np.where(kept, x, 0), np.where(kept, y, 0)
