"""Permute and flip the axes of a volume as those of another one lie."""

from typing import Any

from numpy.typing import NDArray

from .geometry import Geometry, nibabel_orientations, towards


def reoriented(
    data: NDArray[Any], geometry: Geometry, like: Geometry
) -> tuple[NDArray[Any], Geometry]:
    """Return data and geometry with axes permuted and flipped towards those of another volume.

    No voxel changes its value or its place in space. Whether the two then agree, in shape and
    within the tolerance, is for the caller to check.
    """
    transform, moved = towards(geometry, like)
    if transform is None:
        return data, geometry
    shape = geometry.shape + (1,) * (3 - len(geometry.shape))
    turned = nibabel_orientations.apply_orientation(data.reshape(shape, order="F"), transform)
    return turned.reshape(moved.shape, order="F"), moved
