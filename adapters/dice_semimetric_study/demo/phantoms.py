"""Studies made by a known model: the true probability of every pixel is known.

**Lesion.** A smooth random field over the image, u(v), measures how far inside the lesion a pixel
lies: the signed distance to a wobbly ellipsoid, divided by the width of its margin, which itself
varies along the outline. A lesion has sharp and blurred stretches.

**Raters.** Rater r has a bias z_r ~ N(0, 1), the same in all cases, a share a_r ~ U(0.3, 0.8) of
it, and marks in each case the pixels where

    u(v) + a_r z_r + sqrt(1 - a_r^2) g(v) > 0,

with g a new smooth Gaussian field of mean 0 and variance 1. A positive bias over-segments; a small
share makes a sloppy rater whose outline wanders. For every share the two terms together are
N(0, 1), so the probability that a new rater marks the pixel is exactly Phi(u(v)), the
standard normal distribution function: the Bayes label. The mean of R raters tends to it as R
grows.

**Image.** Hounsfield units: air around a body with a rim of fat, textured tissue inside, a darker
lesion that fades with Phi(u), and correlated noise.

**Prediction.** Phi(1.4 (u + s) + e): overconfident by the factor, shifted by s, with a smooth
error e.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..files.geometry import Geometry
from ..files.nifti import nib
from ..files.volumes import Volume
from ..files.writing import write_volume
from ..runs.output import claim

Field = NDArray[np.float64]


@dataclass(frozen=True)
class Phantom:
    """One case.

    Attributes
    ----------
    image : NDArray
        int16, in Hounsfield units.
    masks : NDArray
        bool, raters on axis 0.
    truth : NDArray
        float32: the probability that a new rater marks the pixel.
    prediction : NDArray
        float32: what a fair but overconfident model might predict.
    """

    image: NDArray[np.int16]
    masks: NDArray[np.bool_]
    truth: NDArray[np.float32]
    prediction: NDArray[np.float32]


def phantom(
    case: int, *, shape: Sequence[int] = (128, 128), raters: int = 5, seed: int = 0
) -> Phantom:
    """Return one case of a study; the same arguments give the same case.

    Parameters
    ----------
    case : int
        The number of the case, which does not depend on how many others there are.
    shape : sequence of int, optional
        Two or three axes of at least 16 pixels, the third of at least 4.
    raters : int, optional
        How many, at least 1; the first ones are the same whatever the number.
    seed : int, optional
        Of the study: its raters and its lesions.

    Returns
    -------
    Phantom
        Image, masks, truth and prediction of that shape.

    Raises
    ------
    ValueError
        If the shape or the number of raters is out of range.

    Examples
    --------
    >>> from dice_semimetric_study import phantom
    >>> p = phantom(1, shape=(64, 64), raters=3)
    >>> p.masks.shape, p.image.dtype.name
    ((3, 64, 64), 'int16')
    """
    shape = tuple(shape)
    _require_range(case, shape, raters, seed)
    rng = np.random.default_rng([seed, 1, case])
    depth = _depth(shape, rng)
    image = _image(depth, rng)
    wander = _smooth(shape, rng, scale=0.03)
    prediction = _normal_cdf(1.4 * (depth + rng.normal(0, 0.2)) + 0.5 * wander)
    masks = [_mark(depth, rater, case, seed) for rater in range(raters)]
    return Phantom(
        image, np.stack(masks), _normal_cdf(depth).astype(np.float32), prediction.astype(np.float32)
    )


def write_phantoms(
    folder: Path,
    *,
    cases: int = 8,
    shape: Sequence[int] = (128, 128),
    raters: int = 5,
    seed: int = 0,
    spacing: Sequence[float] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a study in QUBIQ's layout, with truth and prediction beside it.

    Parameters
    ----------
    folder : Path
        Gets ``raters/caseNN/image.nii.gz`` and ``task01_segRR.nii.gz`` for every rater,
        ``truth/caseNN/task01.nii.gz`` and ``prediction/caseNN/task01.nii.gz``.
    cases : int, optional
        How many.
    shape, raters, seed
        See `phantom`.
    spacing : sequence of float, optional
        Millimetres a pixel; by default 1, and 3 along the third axis.
    overwrite : bool, optional
        Whether the files of another run in that folder may be replaced; others never are.

    Raises
    ------
    ValueError
        If an argument is out of range.
    UsageError
        If the folder cannot be written, or holds other files.
    """
    shape = tuple(shape)
    spacing = tuple(spacing or (1.0, 1.0, 3.0)[: len(shape)])
    if cases < 1 or len(spacing) != len(shape) or min(spacing) <= 0:
        raise ValueError(
            f"cases must be at least 1 and spacing one positive length for each of the "
            f"{len(shape)} axes, got {cases} and {spacing}"
        )
    _require_range(cases, shape, raters, seed)
    like = _like(shape, spacing)
    digits = max(2, len(str(cases)))
    names = [f"case{number:0{digits}d}" for number in range(1, cases + 1)]
    options = {"cases": cases, "shape": shape, "raters": raters, "seed": seed, "spacing": spacing}
    files = {name for case in names for name in _files(case, raters)}
    output = claim(folder, "phantoms", options, files, overwrite=overwrite)
    for number, case in enumerate(names, start=1):
        made = phantom(number, shape=shape, raters=raters, seed=seed)
        home = folder / "raters" / case
        write_volume(home / "image.nii.gz", made.image, like)
        for r, mask in enumerate(made.masks, start=1):
            write_volume(home / f"task01_seg{r:02d}.nii.gz", mask, like)
        write_volume(folder / "truth" / case / "task01.nii.gz", made.truth, like)
        write_volume(folder / "prediction" / case / "task01.nii.gz", made.prediction, like)
    output.close()


def _require_range(case: int, shape: tuple[int, ...], raters: int, seed: int) -> None:
    if len(shape) not in (2, 3) or min(shape[:2]) < 16 or min(shape) < 4:
        raise ValueError(
            f"shape must be two or three axes of at least 16, the third of at least 4, got {shape}"
        )
    if raters < 1 or case < 0 or seed < 0:
        raise ValueError(
            f"raters must be at least 1, case and seed at least 0, got {raters}, {case}, {seed}"
        )


def _files(case: str, raters: int) -> set[str]:
    masks = {f"raters/{case}/task01_seg{r:02d}.nii.gz" for r in range(1, raters + 1)}
    maps = {f"{part}/{case}/task01.nii.gz" for part in ("truth", "prediction")}
    return {f"raters/{case}/image.nii.gz", *masks, *maps}


def _depth(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Return how deep inside the lesion each pixel lies, in widths of the margin."""
    size = min(shape[:2])
    # The third axis has thicker slices: there the lesion spans fewer pixels.
    extent = np.array([size, size, 2.0 * shape[-1]][: len(shape)])
    radius = rng.uniform(0.10, 0.18) * extent * rng.uniform(0.8, 1.25, len(shape))
    centre = np.array(shape) / 2 + rng.uniform(-0.12, 0.12, len(shape)) * extent
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    square = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radius, strict=True))
    wobble = 0.22 * _smooth(shape, rng, scale=0.07)
    inside = (1 + wobble - np.sqrt(square)) * float(np.mean(radius[:2]))
    margin = 0.014 * size * np.exp(0.5 * _smooth(shape, rng, scale=0.1))
    return np.asarray(inside / margin)


def _mark(depth: Field, rater: int, case: int, seed: int) -> NDArray[np.bool_]:
    """Return what one rater marks in one case."""
    habits = np.random.default_rng([seed, 2, rater])
    bias, share = habits.normal(), habits.uniform(0.3, 0.8)
    noise = _smooth(depth.shape, np.random.default_rng([seed, 3, case, rater]), scale=0.03)
    return np.asarray(depth + share * bias + np.sqrt(1 - share**2) * noise > 0)


def _image(depth: Field, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return Hounsfield units: air -1000, fat -100, tissue 55, the lesion 60 below."""
    shape = depth.shape
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[:2]), indexing="ij")
    body = 0.92 - np.sqrt((axes[0] / 0.95) ** 2 + axes[1] ** 2)
    body = body.reshape(shape[:2] + (1,) * (len(shape) - 2)) + np.zeros(shape)
    texture = 9 * _smooth(shape, rng, scale=0.02) + 7 * _smooth(shape, rng, scale=0.006)
    tissue = 55 + texture - 60 * _normal_cdf(depth)
    level = np.where(body < 0, -1000.0, np.where(body < 0.07, -100.0 + texture, tissue))
    blurred = _blurred(level, [0.7] * 2 + [0.0] * (len(shape) - 2))
    noise = 14 * _smooth(shape, rng, scale=0.005)
    return np.rint(blurred + noise).astype(np.int16)


def _normal_cdf(values: Field) -> Field:
    from scipy.special import ndtr  # as slow to import

    return np.asarray(ndtr(values))


def _blurred(
    values: Field, sigma: Sequence[float], mode: Literal["reflect", "wrap"] = "reflect"
) -> Field:
    from scipy.ndimage import gaussian_filter  # slow to import for all other commands

    return np.asarray(gaussian_filter(values, sigma, mode=mode))


def _smooth(shape: tuple[int, ...], rng: np.random.Generator, *, scale: float) -> Field:
    """Return a smooth Gaussian field of mean 0 and variance 1 at every pixel.

    White noise is filtered periodically, so that the variance is the same everywhere: the sum of
    the squared weights of the filter, which its answer to a single pixel shows.
    """
    width = scale * min(shape[:2])
    sigma = [width, width, width / 2][: len(shape)]
    pulse = np.zeros(shape)
    pulse[tuple(n // 2 for n in shape)] = 1
    weights = _blurred(pulse, sigma, mode="wrap")
    field = _blurred(rng.standard_normal(shape), sigma, mode="wrap")
    return np.asarray(field / np.sqrt(np.sum(weights**2)))


def _like(shape: tuple[int, ...], spacing: tuple[float, ...]) -> Volume:
    """Return an empty volume whose header the files get."""
    affine: NDArray[Any] = np.diag([*spacing, *(1.0,) * (4 - len(spacing))])
    image = nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
    image.header.set_xyzt_units("mm")
    return Volume(np.zeros(shape, np.uint8), Geometry(shape, affine), image.header)
