"""The paper's augmentation: random scale, mirror and crop, of an image and its labels alike."""

import numpy as np

from .resize import resize


def augment(
    image: np.ndarray,
    label: np.ndarray,
    rng: np.random.Generator,
    *,
    crop: tuple[int, int] | None = None,
    scale: tuple[float, float] = (0.5, 2.0),
    mirror: float = 0.5,
    axis: int = -1,
    label_fill: float = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and its label at a random scale, mirrored at random, in a random crop.

    Three draws decide all; with ``np.random.default_rng([seed, epoch, index])`` a sample looks the
    same whatever was loaded before it and by how many processes.

    The image is (C, H, W), floating; the label (..., H, W) holds masks or class numbers (nearest
    neighbour) or is floating and soft (linear). ``crop`` is the sides of the result, by default the
    image's; the authors take 256 x 256 for QUBIQ and 384 x 384 for LiTS and KiTS. ``scale`` is the
    range of the factor, ``mirror`` the probability of mirroring ``axis``. Around an image that is
    smaller than the crop lie its darkest value, channel by channel, and the label ``label_fill``.
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
        image, label = np.flip(image, axis), np.flip(label, axis)
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
