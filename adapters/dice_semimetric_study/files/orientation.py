"""Permute and flip the axes of a volume as those of another one lie."""

from typing import Any

import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from .volumes import Geometry, without_ones

nibabel_orientations: Any = orientations  # only partly typed


def reoriented(
    data: NDArray[Any], geometry: Geometry, like: Geometry
) -> tuple[NDArray[Any], Geometry]:
    """Return data and geometry with axes permuted and flipped towards those of another volume.

    No voxel changes its value or its place in space. Whether the two then agree, in shape and
    within the tolerance, is for the caller to check.
    """
    to = nibabel_orientations
    try:
        transform = to.ornt_transform(
            to.io_orientation(geometry.affine), to.io_orientation(like.affine)
        )
    except (ValueError, np.linalg.LinAlgError):  # an axis without a direction
        return data, geometry
    if np.isnan(transform).any() or np.array_equal(transform, [[0, 1], [1, 1], [2, 1]]):
        return data, geometry
    shape = geometry.shape + (1,) * (3 - len(geometry.shape))
    moved = to.apply_orientation(data.reshape(shape, order="F"), transform)
    affine = geometry.affine @ to.inv_ornt_aff(transform, shape[:3])
    new_shape = without_ones(moved.shape, max(1, len(like.shape)))
    return moved.reshape(new_shape, order="F"), Geometry(new_shape, affine)
