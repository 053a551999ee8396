"""Read single files: NIfTI, the probabilities that nnU-Net saves beside one, and other formats.

Every file is read in the order that the file has, so that the two sides of a pair are
never rotated or flipped against each other unless the user asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .foreign import geometry_of, header_like, read_foreign
from .geometry import Geometry, without_ones
from .names import is_foreign, is_npz
from .nifti import (
    affine_of,
    check_size,
    claimed_bytes,
    read_at_once,
    read_header,
    scaled,
    with_extensions,
)
from .npz import open_probabilities, segmentation_of, shape_of
from .opening import open_file, require_end
from .pictures import Colours


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


def read_volume(
    path: Path, *, accept: Callable[[Geometry], None] = lambda geometry: None
) -> Volume:
    """Read one file: NIfTI, NRRD, MetaImage, Analyze, a grey PNG or TIFF, or an .npz of nnU-Net's.

    Parameters
    ----------
    path : Path
        The file.
    accept : callable, optional
        Gets the geometry before the voxels are read, and raises CaseError to have them unread.

    Returns
    -------
    Volume
        Voxels in the dtype of the file, or as the header scales them; geometry and header.

    Raises
    ------
    CaseError
        If the file is absent, no regular file, empty, truncated, corrupt, longer than its header
        claims or of another format than its name, or does not hold real numbers.
    """
    if is_npz(path.name) or is_foreign(path.name):
        return Volume(*read_voxels(path, accept=accept), read_header_of(path))
    data, geometry, header, content = _read(path, accept)
    return Volume(data, geometry, with_extensions(path, header, content))


def read_voxels(
    path: Path,
    *,
    accept: Callable[[Geometry], None] = lambda geometry: None,
    colours: Colours = "refuse",
) -> tuple[NDArray[Any], Geometry]:
    """Return the voxels of one file and where they lie, as `read_volume` does."""
    if is_foreign(path.name):
        return read_foreign(path, accept, colours)
    if is_npz(path.name):
        geometry = read_geometry(path)
        accept(geometry)
        with open_probabilities(path) as stored:
            return stored.read().reshape(geometry.shape, order="F"), geometry
    return _read(path, accept)[:2]


def _read(
    path: Path, accept: Callable[[Geometry], None]
) -> tuple[NDArray[Any], Geometry, Any, bytes]:
    """Return voxels, geometry, the header, and all before the voxels."""
    found: list[Geometry] = []

    def look(header: Any) -> None:
        found.append(_geometry(path, header))
        accept(found[-1])

    header, content, voxels = _from_memory(path, look) or _from_stream(path, look)
    geometry = found[-1]
    data = scaled(path, voxels.view(header.get_data_dtype()), header)
    return data.reshape(geometry.shape, order="F"), geometry, header, content


_Parts = tuple[Any, bytes, NDArray[np.uint8]]
_Look = Callable[[Any], None]


def _from_memory(path: Path, look: _Look) -> _Parts | None:
    """Return header, all before the voxels, and the voxels; None where they must be streamed."""
    found = read_at_once(path, look)
    if found is None:
        return None
    header, whole = found
    offset = int(header.get_data_offset())
    return header, bytes(whole[:offset]), np.frombuffer(whole, np.uint8)[offset:]


def _from_stream(path: Path, look: _Look) -> _Parts:
    """Return header, all before the voxels, and the voxels, or raise CaseError."""
    with open_file(path) as file:
        header, content = read_header(path, file)
        claimed = claimed_bytes(path, header)
        check_size(path, claimed)
        look(header)
        content += file.read(int(header.get_data_offset()) - len(content))
        try:
            voxels = np.empty(claimed - len(content), np.uint8)
        except MemoryError as error:
            reason = f"{path.name} does not fit into memory: it claims {claimed} bytes (see --slab)"
            raise CaseError(reason) from error
        there = 0
        while there < voxels.size:  # into the array, without another copy
            count = cast(Any, file).readinto(cast(Any, voxels)[there:])
            if not count:
                there += len(content)
                raise CaseError(f"{path.name} is truncated: {there} of {claimed} bytes are there")
            there += count
        require_end(path, file, claimed)
    return header, content, voxels


def read_header_of(path: Path) -> Any:
    """Return a copy of the header of a file, with its extensions; the voxels are not read."""
    path = segmentation_of(path) if is_npz(path.name) else path
    if is_foreign(path.name):
        return header_like(geometry_of(path))
    with open_file(path) as file:
        header, content = read_header(path, file)
        check_size(path, claimed_bytes(path, header))
        content += file.read(int(header.get_data_offset()) - len(content))
    return with_extensions(path, header, content)


def read_geometry(path: Path) -> Geometry:
    """Return where the voxels of a file lie; no more than its header is read."""
    if is_foreign(path.name):
        return geometry_of(path)
    if is_npz(path.name):
        like = read_geometry(segmentation_of(path))
        return Geometry(without_ones(shape_of(path, like.shape)), like.affine)
    with open_file(path) as file:
        header, _ = read_header(path, file)
    return _geometry(path, header)


def _geometry(path: Path, header: Any) -> Geometry:
    shape = tuple(int(n) for n in header.get_data_shape())
    return Geometry(without_ones(shape), affine_of(path, header))
