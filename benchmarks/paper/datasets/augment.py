"""Change the size of images and labels, and augment both alike as the paper does.

Both sample at pixel centres, so they stay aligned. Values in between are bilinear, by
`torch.nn.functional.interpolate` without antialiasing (what OpenCV calls INTER_LINEAR); hard labels
take the pixel under the new centre.
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


def augment(
    image: np.ndarray,
    label: np.ndarray,
    rng: np.random.Generator,
    *,
    crop: tuple[int, int] | None = None,
    scale: tuple[float, float] = (0.5, 2.0),
    mirror: float = 0.5,
    label_fill: float = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and its label at a random scale, mirrored at random, in a random crop.

    Three draws decide all; with ``np.random.default_rng([seed, epoch, index])`` a sample looks the
    same whatever was loaded before it and by how many processes.

    The image is (C, H, W), floating; the label (..., H, W) holds masks or class numbers (nearest
    neighbour) or is floating and soft (linear). ``crop`` is the sides of the result, by default the
    image's; the authors take 256 x 256 for QUBIQ and 384 x 384 for LiTS and KiTS. ``scale`` is the
    range of the factor, ``mirror`` the probability of mirroring the last axis. Around an image
    that is smaller than the crop lie its darkest value by channel, and the label ``label_fill``.
    """
    shape = image.shape[-2:]
    if label.shape[-2:] != shape:
        raise ValueError(f"image and label must have one size, got {shape} and {label.shape[-2:]}")
    if not 0 < scale[0] <= scale[1]:
        raise ValueError(f"scale must be a range above 0, got {scale}")
    factor, mirrored, place = rng.uniform(*scale), rng.random() < mirror, rng.random(2)
    size = (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))
    darkest = image.min(axis=(-2, -1), keepdims=True)
    image, label = resize(image, size), resize(label, size)
    if mirrored:
        image, label = np.flip(image, -1), np.flip(label, -1)
    sides = crop or shape
    return fit(image, sides, place, darkest), fit(label, sides, place, label_fill)


def fit(
    array: np.ndarray,
    sides: tuple[int, ...],
    place: tuple[float, ...] | np.ndarray = (0.5, 0.5),
    fill: float | np.ndarray = 0,
) -> np.ndarray:
    """Return (..., *sides): a side that is too long is cut, one that is too short is padded evenly.

    ``place`` in [0, 1) is where to cut, along both axes; 0.5 is the centre. ``fill`` stands
    around the array and may differ along its first axes.
    """
    kept, put = [], []
    for old, new, where in zip(array.shape[-2:], sides, place, strict=True):
        start = int(where * (old - new + 1)) if old > new else 0
        kept.append(slice(start, start + min(old, new)))
        margin = (max(new - old, 0) + 1) // 2  # what cutting at the centre undoes
        put.append(slice(margin, margin + min(old, new)))
    result = np.empty((*array.shape[:-2], *sides), array.dtype)
    result[...] = fill
    result[..., put[0], put[1]] = array[..., kept[0], kept[1]]
    return result
