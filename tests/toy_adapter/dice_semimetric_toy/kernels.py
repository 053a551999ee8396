"""Reductions for array-api-strict, found by the core through the entry point in pyproject.toml."""

import numpy as np

CALLS = []


def overlap_sums(pixels):
    """Return the sums of x, y, |x - y| and x y, or decline what is not worth a fast path."""
    if pixels.mask is not None or pixels.activation is not None or pixels.labels:
        return NotImplemented
    CALLS.append(pixels.pred.shape)
    xp, axis, dtype = pixels.pred.__array_namespace__(), pixels.axis, pixels.dtype._np_dtype
    x, y = (np.asarray(a._array, dtype) for a in (pixels.pred, pixels.target))
    sums = (x.sum(axis), y.sum(axis), abs(x - y).sum(axis), (x * y).sum(axis))
    return tuple(xp.asarray(s, device=pixels.pred.device) for s in sums)
