# mypy: ignore-errors
"""The cross-entropy in the GPU kernels of `triton_kernels`, of tiles of classes and pixels."""

import triton
import triton.language as tl


@triton.jit
def class_weights(weight, c, CLASSES: tl.constexpr, WEIGHTED: tl.constexpr, DTYPE: tl.constexpr):
    """Return the weight of each class, 1 where there are none."""
    if WEIGHTED:
        return tl.load(weight + c, mask=c < CLASSES, other=0.0).to(DTYPE)
    return (c < CLASSES).to(DTYPE)


@triton.jit
def costs(z, y, w, ACTIVATION: tl.constexpr):
    """Return the terms of a tile, of logits z or, for a softmax, of logarithms of probabilities."""
    if ACTIVATION == "softmax":
        return tl.where(y != 0, -w * y * z, 0.0)
    weight = tl.exp(-tl.abs(z))
    total = 1.0 + weight  # ln(1 + weight) to the last digit
    rounded = tl.where(total == 1.0, 1.0, total - 1.0)
    most = tl.where(total == 1.0, weight, tl.log(total) * (weight / rounded))
    marked = tl.where(y != 0, w * y * (most + tl.where(z < 0, -z, 0.0)), 0.0)
    return marked + tl.where(y != 1, (1.0 - y) * (most + tl.where(z > 0, z, 0.0)), 0.0)


@triton.jit
def counted(y, w, keep, c, ACTIVATION: tl.constexpr, LABELS: tl.constexpr):
    """Return what the mean divides by, for each place in a tile."""
    if ACTIVATION == "sigmoid":
        return keep.to(y.dtype)
    if LABELS:
        return w * y
    some = tl.max(keep.to(tl.int32), axis=0) > 0  # a pixel counts once
    return ((c == 0)[:, None] & some[None, :]).to(y.dtype)
