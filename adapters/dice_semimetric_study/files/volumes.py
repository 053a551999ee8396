"""Read single NIfTI files.

Every file is read by nibabel in the order that the file has, so that the two sides of a pair are
never rotated or flipped against each other unless the user asks for it.
"""

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .nifti import (
    MOST_HEADER,
    check_size,
    claimed_bytes,
    inflated,
    open_file,
    read_header,
    scaled,
    with_extensions,
)


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


@dataclass(frozen=True)
class Volume:
    """The voxels of one file, with all that is needed to write others like it.

    Attributes
    ----------
    data : NDArray
        The voxels, scaled by the header, without trailing axes of length 1.
    geometry : Geometry
        Where they lie.
    header : nibabel header
        As the file has it, with its extensions.
    """

    data: NDArray[Any]
    geometry: Geometry
    header: Any


def read_volume(path: Path) -> Volume:
    """Read one .nii or .nii.gz file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Volume
        Voxels in the dtype of the file, or as the header scales them; geometry and header.

    Raises
    ------
    CaseError
        If the file is absent, empty, truncated, corrupt or no NIfTI file, or does not hold
        real numbers.
    """
    header, content, voxels = _from_memory(path) or _from_stream(path)
    geometry = _geometry(path, header)
    data = scaled(path, voxels.view(header.get_data_dtype()), header)
    return Volume(
        data.reshape(geometry.shape, order="F"), geometry, with_extensions(path, header, content)
    )


_Parts = tuple[Any, bytes, NDArray[np.uint8]]


def _from_memory(path: Path) -> _Parts | None:
    """Return header, all before the voxels, and the voxels; None where they must be streamed."""
    whole = inflated(path)
    if whole is None:
        return None
    header, _ = read_header(path, BytesIO(whole[:MOST_HEADER]))
    claimed = claimed_bytes(path, header)
    if len(whole) < claimed:
        return None
    offset = int(header.get_data_offset())
    return header, bytes(whole[:offset]), np.frombuffer(whole, np.uint8)[offset:claimed]


def _from_stream(path: Path) -> _Parts:
    """Return header, all before the voxels, and the voxels, or raise CaseError."""
    with open_file(path) as file:
        header, content = read_header(path, file)
        claimed = claimed_bytes(path, header)
        check_size(path, claimed)
        content += file.read(int(header.get_data_offset()) - len(content))
        voxels = np.empty(claimed - len(content), np.uint8)
        there = 0
        while there < voxels.size:  # into the array, without another copy
            count = cast(Any, file).readinto(cast(Any, voxels)[there:])
            if not count:
                there += len(content)
                raise CaseError(f"{path.name} is truncated: {there} of {claimed} bytes are there")
            there += count
        while file.read(1 << 20):  # gzip compares its checksum at the end only
            pass
    return header, content, voxels


def read_header_of(path: Path) -> Any:
    """Return a copy of the header of a file, with its extensions; the voxels are not read."""
    with open_file(path) as file:
        header, content = read_header(path, file)
        claimed_bytes(path, header)
        content += file.read(int(header.get_data_offset()) - len(content))
    return with_extensions(path, header, content)


def read_geometry(path: Path) -> Geometry:
    """Return where the voxels of a file lie; no more than its header is read."""
    with open_file(path) as file:
        header, _ = read_header(path, file)
    return _geometry(path, header)


def require_same_geometry(one: Geometry, other: Geometry, names: str, tolerance: float) -> None:
    """Raise CaseError unless two images have one shape and, within millimetres, one affine."""
    if one.shape != other.shape:
        raise CaseError(f"{names} have different shapes: {one.shape} and {other.shape}")
    require_same_affine(one, other, names, tolerance)


def require_same_affine(one: Geometry, other: Geometry, names: str, tolerance: float) -> None:
    """Raise CaseError unless two affines agree within millimetres; inf accepts any."""
    if math.isinf(tolerance):
        return
    difference = float(np.max(np.abs(one.affine - other.affine)))
    if not difference <= tolerance:
        raise CaseError(
            f"{names} have different affines: they differ by {difference:.3g}, "
            f"more than the tolerance of {tolerance:g}"
        )


def _geometry(path: Path, header: Any) -> Geometry:
    shape = tuple(int(n) for n in header.get_data_shape())
    affine = np.asarray(header.get_best_affine())
    if not np.all(np.isfinite(affine)):
        raise CaseError(f"{path.name} has a broken header: its affine is not finite")
    return Geometry(without_ones(shape), affine)


def without_ones(shape: tuple[int, ...], least: int = 1) -> tuple[int, ...]:
    """Return a shape without trailing axes of length 1, as far as it keeps some axes."""
    while len(shape) > least and shape[-1] == 1:
        shape = shape[:-1]
    return shape
