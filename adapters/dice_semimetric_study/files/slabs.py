"""Volumes that do not fit: a few planes of the last axis at a time, in one pass over the file."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .names import is_foreign, is_npz
from .nifti import check_size, claimed_bytes, read_header, scaled
from .npz import read_planes
from .opening import open_file, require_end
from .pictures import Colours
from .volumes import read_geometry, read_voxels

_CHUNK = 1 << 20


def read_slabs(
    path: Path,
    axes: int,
    planes: int,
    *,
    channel: int = 0,
    last: bool = True,
    colours: Colours = "refuse",
) -> Iterator[NDArray[Any]]:
    """Yield the voxels of one file as vectors of a few planes of its last axis, in order.

    ``channel`` counts the volumes that follow one another in the file. ``last`` reads on to the
    end, where gzip has its checksum, and where nothing more may follow. Formats other than NIfTI
    and .npz are read as a whole first.
    """
    if is_foreign(path.name):
        data, geometry = read_voxels(path, colours=colours)
        shape = [*geometry.shape, 1, 1][:axes]
        size = math.prod(shape[:-1]) * planes
        voxels = data.reshape((math.prod(shape), -1), order="F")[:, channel]
        yield from (voxels[start : start + size] for start in range(0, voxels.size, size))
        return
    if is_npz(path.name):
        shape = [*read_geometry(path).shape, 1, 1][:axes]
        yield from read_planes(path, math.prod(shape[:-1]), planes, channel)
        return
    with open_file(path) as file:
        header, head = read_header(path, file)
        claimed = claimed_bytes(path, header)
        check_size(path, claimed)
        shape = [int(n) for n in header.get_data_shape()]
        shape += [1] * (axes - len(shape))
        dtype = header.get_data_dtype()
        plane = math.prod(shape[: axes - 1])
        volume = plane * shape[axes - 1] * dtype.itemsize
        offset = int(header.get_data_offset()) + channel * volume
        _skip(file, path, offset - len(head), claimed)
        for start in range(0, shape[axes - 1], planes):
            count = plane * min(planes, shape[axes - 1] - start)
            raw = _read(file, path, count * dtype.itemsize, claimed)
            yield scaled(path, np.frombuffer(raw, dtype), header)
        if last:
            _skip(file, path, claimed - offset - volume, claimed)
            require_end(path, file, claimed)


def _skip(file: IO[bytes], path: Path, count: int, claimed: int) -> None:
    while count > 0:
        count -= len(_read(file, path, min(count, _CHUNK), claimed))


def _read(file: IO[bytes], path: Path, count: int, claimed: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise CaseError(f"{path.name} is truncated: it claims {claimed} bytes")
    return content
