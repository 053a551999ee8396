"""Where voxels lie, and in what two images differ there."""

import math
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from ..faults import CaseError

nib: Any = nibabel  # only partly typed
nibabel_orientations: Any = orientations

#: What to do where the axes of two images of one space have another order or direction.
REORIENT = "--allow-reorient makes them equal"
#: The part of a voxel by which places may differ for it to be a matter of rounding.
_ROUNDING = 0.05


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an image lie.

    Attributes
    ----------
    shape : tuple of int
        Without trailing axes of length 1.
    affine : NDArray
        (4, 4), from voxel indices to millimetres.
    """

    shape: tuple[int, ...]
    affine: NDArray[Any]


def without_ones(shape: tuple[int, ...], least: int = 1) -> tuple[int, ...]:
    """Return a shape without trailing axes of length 1, as far as it keeps some axes."""
    while len(shape) > least and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def voxel_volume(geometry: Geometry, name: str) -> float:
    """Return the volume of a voxel in cubic millimetres, or raise CaseError if it has none.

    A plane is as thick as its header says, and 1 mm where that says nothing.
    """
    axes = min(len(geometry.shape), 3)
    spacing = _spacing(geometry)
    spacing[axes:][spacing[axes:] == 0] = 1
    columns = geometry.affine[:3, :axes]
    volume = math.sqrt(max(0.0, np.linalg.det(columns.T @ columns))) * spacing[axes:].prod()
    if not volume > 0:
        raise CaseError(
            f"{name} has a spacing of {_vector(spacing)}: no volume can be told from it; "
            "each must be above 0, and the axes must have different directions"
        )
    return float(volume)


def voxel_spacing(geometry: Geometry, name: str) -> list[float]:
    """Return the spacing along each axis in millimetres, or raise CaseError as `voxel_volume`."""
    voxel_volume(geometry, name)
    return [float(s) for s in _spacing(geometry)[: len(geometry.shape)]]


@np.errstate(all="ignore")  # a broken header may claim places beyond float64
def towards(geometry: Geometry, like: Geometry) -> tuple[NDArray[Any] | None, Geometry]:
    """Return nibabel's transform of axes towards those of another image, and where they lie then.

    The transform is None where nothing is to be done, or an axis has no direction.
    """
    to = nibabel_orientations
    try:
        transform = to.ornt_transform(
            to.io_orientation(geometry.affine), to.io_orientation(like.affine)
        )
    except (ValueError, np.linalg.LinAlgError):
        return None, geometry
    if np.isnan(transform).any() or np.array_equal(transform, [[0, 1], [1, 1], [2, 1]]):
        return None, geometry
    shape = geometry.shape + (1,) * (3 - len(geometry.shape))
    order = np.argsort(transform[:, 0])
    moved = without_ones(
        (*(shape[int(axis)] for axis in order), *shape[3:]), max(1, len(like.shape))
    )
    return transform, Geometry(moved, geometry.affine @ to.inv_ornt_aff(transform, shape[:3]))


def require_same_geometry(
    one: Geometry, other: Geometry, names: str, tolerance: float, *, remedy: str = REORIENT
) -> None:
    """Raise CaseError unless two images have one shape and, within millimetres, one affine.

    ``remedy`` is added to the reason where permuting and flipping axes makes them equal.
    """
    if one.shape != other.shape:
        reason = f"{names} have different shapes: {one.shape} and {other.shape}"
        raise CaseError(reason + _reoriented(one, other, tolerance, remedy))
    require_same_affine(one, other, names, tolerance, remedy=remedy)


@np.errstate(all="ignore")
def require_same_affine(
    one: Geometry, other: Geometry, names: str, tolerance: float, *, remedy: str = ""
) -> None:
    """Raise CaseError unless two affines agree within millimetres; inf accepts any."""
    if _agree(one, other, tolerance):
        return
    reason = (
        f"{names} have different affines: they differ by {_distance(one, other):.3g} mm, more than "
        f"the tolerance of {tolerance:g} mm, since the second {_differences(one, other, tolerance)}"
    )
    raise CaseError(reason + (_reoriented(one, other, tolerance, remedy) or _rounded(one, other)))


def _agree(one: Geometry, other: Geometry, tolerance: float) -> bool:
    return math.isinf(tolerance) or _distance(one, other) <= tolerance


def _distance(one: Geometry, other: Geometry) -> float:
    return float(np.max(np.abs(one.affine - other.affine)))


def _reoriented(one: Geometry, other: Geometry, tolerance: float, remedy: str) -> str:
    transform, moved = towards(other, one)
    helps = transform is not None and moved.shape == one.shape and _agree(one, moved, tolerance)
    return f"; {remedy}" if helps and remedy else ""


def _rounded(one: Geometry, other: Geometry) -> str:
    """Return what accepts two affines that place no voxel noticeably elsewhere."""
    ends = [(0, max(n - 1, 0)) for n in (*one.shape, 1, 1)[:3]]
    corners = np.stack([*np.meshgrid(*ends), np.ones((2, 2, 2))]).reshape(4, -1)
    moved = np.linalg.norm(((one.affine - other.affine) @ corners)[:3], axis=0).max()
    if not moved <= _ROUNDING * _spacing(one).min():
        return ""
    distance = _distance(one, other)
    digit = 10.0 ** math.floor(math.log10(distance))
    enough = math.ceil(distance / digit * (1 + 1e-9)) * digit
    return f" (voxels lie at most {moved:.2g} mm apart: --affine-tolerance {enough:.1g} accepts it)"


def _differences(one: Geometry, other: Geometry, tolerance: float) -> str:
    """Return in which parts an affine differs, each in its unit."""
    parts = []
    transform, moved = towards(other, one)
    if transform is not None:
        codes = ["".join(nib.aff2axcodes(g.affine)) for g in (other, one)]
        changes = ["permuted"] if list(transform[:, 0]) != [0, 1, 2] else []
        changes += ["flipped"] if (transform[:, 1] < 0).any() else []
        parts.append(f"has {' and '.join(changes)} axes ({codes[0]}, not {codes[1]})")
        if moved.shape != one.shape:
            return parts[0]
    spacings = _spacing(one), _spacing(moved)
    if np.abs(spacings[0] - spacings[1]).max() > tolerance:
        parts.append(f"has a spacing of {_vector(spacings[1])}, not {_vector(spacings[0])}")
    if degrees := _angle(one, moved, tolerance):
        parts.append(f"is rotated by {degrees:.2g} degrees")
    shift = (moved.affine - one.affine)[:3, 3]
    if np.abs(shift).max() > tolerance:
        parts.append(f"is shifted by {_vector(shift)}")
    return " and ".join(parts) or "lies a little aside"


def _spacing(geometry: Geometry) -> NDArray[Any]:
    return np.asarray(np.linalg.norm(geometry.affine[:3, :3], axis=0))


def _angle(one: Geometry, other: Geometry, tolerance: float) -> float:
    """Return the largest angle between an axis of both, in degrees; 0 within the tolerance."""
    lengths = _spacing(one), _spacing(other)
    if not (lengths[0].min() > 0 and lengths[1].min() > 0):
        return 0.0
    first, second = one.affine[:3, :3] / lengths[0], other.affine[:3, :3] / lengths[1]
    chord = np.linalg.norm(first - second, axis=0)
    if (chord * lengths[0]).max() <= tolerance:
        return 0.0
    return float(np.degrees(2 * np.arcsin(np.minimum(chord.max() / 2, 1))))


def _vector(values: NDArray[Any]) -> str:
    return f"({', '.join(f'{v + 0.0:.4g}' for v in np.round(values, 6))}) mm"
