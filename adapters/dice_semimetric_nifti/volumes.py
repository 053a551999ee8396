"""Read and write single NIfTI files.

Every file is read by nibabel in the order that the file has, so that the two sides of a pair are
never turned against each other unless the user asks for it.
"""

import gzip
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from .atomic import appearing, write_bytes
from .faults import CaseError
from .files import (
    READ_ERRORS,
    check_size,
    claimed_bytes,
    inflated,
    nib,
    open_file,
    read_header,
    reason,
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
        The voxels, scaled as the header says, without trailing axes of length 1.
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
    try:
        with open_file(path) as file:
            header, content = read_header(path, file)
            claimed = claimed_bytes(path, header)
            check_size(path, claimed)
            offset = int(header.get_data_offset())
            whole = inflated(path, claimed)
            if whole is not None:
                content, voxels = bytes(whole[:offset]), np.frombuffer(whole, np.uint8)[offset:]
            else:
                content += file.read(offset - len(content))
                voxels = _streamed(path, file, len(content), claimed)
    except READ_ERRORS as error:
        raise CaseError(f"{path.name} {reason(error)}") from error
    geometry = _geometry(path, header)
    data = scaled(path, voxels.view(header.get_data_dtype()), header)
    return Volume(
        data.reshape(geometry.shape, order="F"), geometry, with_extensions(path, header, content)
    )


def _streamed(path: Path, file: IO[bytes], offset: int, claimed: int) -> NDArray[np.uint8]:
    """Return the rest of a file that claims so many bytes, or raise CaseError if it has fewer."""
    voxels = np.empty(claimed - offset, np.uint8)
    there = 0
    while there < voxels.size:  # into the array, without another copy
        count = cast(Any, file).readinto(cast(Any, voxels)[there:])
        if not count:
            there += offset
            raise CaseError(f"{path.name} is truncated: {there} of {claimed} bytes are there")
        there += count
    while file.read(1 << 20):  # gzip compares its checksum at the end only
        pass
    return voxels


def read_geometry(path: Path) -> Geometry:
    """Read the header of a file only.

    Raises
    ------
    CaseError
        If the file is absent, empty or no NIfTI file.
    """
    try:
        with open_file(path) as file:
            header, _ = read_header(path, file)
    except READ_ERRORS as error:
        raise CaseError(f"{path.name} {reason(error)}") from error
    return _geometry(path, header)


def write_volume(path: Path, data: NDArray[Any], like: Volume) -> None:
    """Write voxels with the header and the affine of a volume that was read.

    Boolean data are written as uint8, floating data as float32, integers in their own dtype, all
    without scaling. The file appears as a whole or not at all.

    Parameters
    ----------
    path : Path
        The file, compressed if its name ends in .gz; its folder is made.
    data : NDArray
        The voxels.
    like : Volume
        A volume of that shape.

    Raises
    ------
    OSError
        If the file cannot be written; a former one stays as it was.
    """
    written = {"b": np.uint8, "f": np.float32}
    dtype: np.dtype[Any] = np.dtype(written.get(data.dtype.kind, data.dtype))
    voxels = data.astype(dtype).reshape(like.header.get_data_shape(), order="F")
    header = like.header.copy()
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    _describe(header, dtype, data.dtype.kind)
    content = kind(voxels, like.geometry.affine, header).to_bytes()
    if path.suffix == ".gz":
        content = gzip.compress(content, compresslevel=1, mtime=0)
    write_bytes(path, content)


@contextmanager
def written_in_blocks(path: Path, like: Path) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Write a map of float32 block after block, with the geometry of a file.

    Parameters
    ----------
    path : Path
        The file, compressed; it appears when all is written, or not at all.
    like : Path
        The file whose voxels the map is about; its extensions are left out.

    Yields
    ------
    callable
        Takes the next voxels as a vector, in the order of the file.

    Raises
    ------
    CaseError
        If ``like`` cannot be read.
    OSError
        If the file cannot be written; a former one stays as it was.
    """
    with open_file(like) as source:
        header = read_header(like, source)[0].copy()
    dtype = np.dtype(np.float32).newbyteorder(header.endianness)
    _describe(header, dtype, "f")
    header.set_data_offset(header.sizeof_hdr + 4)
    # The whole name of the part would be in the file, and differ from run to run.
    with (
        appearing(path) as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file,
    ):
        file.write(header.binaryblock + bytes(4))

        def write(block: NDArray[Any]) -> None:
            file.write(block.astype(dtype).tobytes())

        yield write


def _describe(header: Any, dtype: np.dtype[Any], kind: str) -> None:
    """Make a header say what its voxels are: booleans "b", numbers up to 1 "f", or labels."""
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    if kind in "bf":
        header["cal_min"], header["cal_max"] = 0, 1  # the range that viewers show
    if kind == "f":
        header["intent_code"] = 0  # the source's may say "label"


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
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return Geometry(shape, affine)
