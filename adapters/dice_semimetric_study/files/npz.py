"""The probabilities that nnU-Net saves beside a segmentation: NAME.npz and NAME.nii.gz.

An archive holds the array ``probabilities`` with axes (channel, z, y, x), and not where it lies:
the segmentation tells that. An array that is pickled could run a program, and is not read.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..faults import CaseError
from .names import STILLS, VOLUMES
from .opening import MOST_COMPRESSION, open_stored

_MEMBER = "probabilities.npy"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Stored:
    """The array of an archive, opened where its values begin.

    Attributes
    ----------
    shape : tuple of int
        Channels, z, y and x.
    dtype : numpy.dtype
        As it is stored.
    fortran : bool
        Whether channels run fastest, and not x.
    file : file
        With the values alone.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    fortran: bool
    file: IO[bytes]

    def read(self) -> NDArray[Any]:
        """Return all values with axes (x, y, z, channel), the first fastest where it is so."""
        count = math.prod(self.shape)
        content = self.file.read(count * self.dtype.itemsize + 1)  # past the end is the checksum
        values = np.frombuffer(content, self.dtype, count)
        return values.reshape(self.shape, order="F" if self.fortran else "C").transpose(3, 2, 1, 0)


@contextmanager
def open_probabilities(path: Path) -> Iterator[Stored]:
    """Open the probabilities of an archive, or raise CaseError if it holds none that fit."""
    with open_stored(path) as stored:
        try:
            with ZipFile(cast(IO[bytes], stored)) as archive:
                if _MEMBER not in archive.namelist():
                    there = ", ".join(archive.namelist()[:3]) or "nothing"
                    raise CaseError(
                        f"{path.name} must hold {_MEMBER}, as nnU-Net saves it with "
                        f"--save_probabilities or --npz, and holds {there}"
                    )
                size = archive.getinfo(_MEMBER).file_size
                with archive.open(_MEMBER) as file:
                    yield _header(path, file, size, path.stat().st_size)
        except (BadZipFile, EOFError) as error:
            raise CaseError(f"{path.name} is corrupt: {error}") from error
        except (NotImplementedError, RuntimeError) as error:  # of another compression, or encrypted
            raise CaseError(f"{path.name} cannot be read: {error}") from error


def _header(path: Path, file: IO[bytes], size: int, packed: int) -> Stored:
    """Read what stands before the values, and compare it with the size of the file."""
    try:
        version = npy.read_magic(file)
        reads = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reads(file)
    except ValueError as error:
        raise CaseError(f"{path.name} is corrupt: {error}") from error
    if dtype.hasobject:
        raise CaseError(
            f"{path.name} holds pickled objects, which could run a program: it is not read"
        )
    if dtype.kind != "f" or len(shape) != 4 or not all(n > 0 for n in shape):
        raise CaseError(
            f"{path.name} must hold numbers with a point in the axes (channel, z, y, x), got "
            f"{dtype} of shape {shape}"
        )
    claimed = math.prod(shape) * dtype.itemsize
    if file.tell() + claimed != size or size > packed * MOST_COMPRESSION:
        raise CaseError(
            f"{path.name} is truncated or corrupt: it claims {claimed} bytes of probabilities, and "
            f"has {packed} bytes, in which {size} are compressed"
        )
    return Stored((shape[0], shape[1], shape[2], shape[3]), dtype, fortran, file)


def segmentation_of(path: Path) -> Path:
    """Return the segmentation that lies beside an archive."""
    ends = (".nii.gz", ".nii", *VOLUMES, *STILLS)
    found = [path.with_suffix(end) for end in ends if path.with_suffix(end).exists()]
    if not found:
        name = path.with_suffix(".nii.gz").name
        raise CaseError(
            f"{path.name} does not tell where its voxels lie: the segmentation {name}, which "
            "nnU-Net saves with it, must lie beside it"
        )
    return found[0]


def shape_of(path: Path, segmentation: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (x, y, z, channel), once it fits that of the segmentation."""
    with open_probabilities(path) as stored:
        shape = stored.shape[::-1]
    if shape[:3] != (*segmentation, 1, 1)[:3]:
        raise CaseError(
            f"{path.name} and {segmentation_of(path).name} have different shapes: {shape[:3]} and "
            f"{segmentation}"
        )
    return shape


def read_planes(path: Path, plane: int, planes: int, channel: int) -> Iterator[NDArray[Any]]:
    """Yield the values of one channel as vectors of a few planes of so many voxels, in order."""
    with open_probabilities(path) as stored:
        if stored.fortran and stored.shape[0] > 1:
            voxels = math.prod(stored.shape[1:])
            raise CaseError(f"{path.name} has its channels fastest: give --slab {voxels}")
        volume = math.prod(stored.shape[1:])
        _skip(stored.file, channel * volume * stored.dtype.itemsize)
        for start in range(0, volume, plane * planes):
            count = min(plane * planes, volume - start)
            yield np.frombuffer(stored.file.read(count * stored.dtype.itemsize), stored.dtype)
        _skip(stored.file, (stored.shape[0] - channel) * volume * stored.dtype.itemsize)


def _skip(file: IO[bytes], count: int) -> None:
    """Read on, to the checksum if there are no more bytes."""
    while count > 0 and (found := len(file.read(min(count, _CHUNK)))):
        count -= found
