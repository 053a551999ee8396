"""Reductions for array-api-strict, found by the core through the entry point in pyproject.toml."""

import numpy as np

CALLS = []


def overlap_sums(pred, target, mask, *, axis, dtype, checked, activation=None, ignore_index=None):
    """Return the sums of x, y, |x - y| and x y, or decline what is not worth a fast path."""
    if mask is not None or activation is not None or target.ndim < pred.ndim:
        return NotImplemented
    CALLS.append(pred.shape)
    xp = pred.__array_namespace__()
    x, y = (np.asarray(a._array, dtype._np_dtype) for a in (pred, target))
    sums = (x.sum(axis), y.sum(axis), abs(x - y).sum(axis), (x * y).sum(axis))
    return tuple(xp.asarray(s, device=pred.device) for s in sums)
