"""Change the size of images and labels; both sample at pixel centres, so they stay aligned.

Values in between are bilinear, by `torch.nn.functional.interpolate` without antialiasing (what
OpenCV calls INTER_LINEAR); hard labels take the pixel under the new centre.
"""

import numpy as np
import torch
from torch.nn.functional import interpolate


def resize(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an array (..., H, W) with sides ``size``, in its own dtype.

    Floating arrays (images, soft labels) are interpolated linearly and constant beyond the outer
    pixels' centres; integers and booleans (hard labels) take their nearest neighbour.
    """
    if min(size) < 1:
        raise ValueError(f"size must be at least 1 x 1, got {size}")
    if array.shape[-2:] == tuple(size):
        return array
    if array.dtype.kind == "f":
        return _linear(array, size)
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, array.shape[-2:], strict=True)
    )
    return np.ascontiguousarray(array[..., rows[:, None], columns])


def _linear(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if not array.size:  # torch refuses it
        return np.empty((*array.shape[:-2], *size), array.dtype)
    planes = np.ascontiguousarray(array, np.float32).reshape(1, -1, *array.shape[-2:])
    resized = interpolate(torch.from_numpy(planes), size=size, mode="bilinear", align_corners=False)
    return resized.numpy().reshape(*array.shape[:-2], *size).astype(array.dtype, copy=False)
