"""Open NIfTI files and believe them only as far as their size allows.

What a header claims is compared with what the bytes can hold before any memory is taken. Where the
packages deflate and isal are there, whole files are decompressed by libdeflate and streams by
ISA-L, about three and two times as fast as by zlib.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from nibabel import volumeutils
from numpy.typing import NDArray

from ..faults import CaseError

_open_gzip: Any = gzip.open
_corrupt: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error)
if find_spec("isal"):
    _open_gzip = import_module("isal.igzip").open
    _corrupt += (import_module("isal.isal_zlib").error,)

_inflate: Any = None
_not_inflated: tuple[type[Exception], ...] = (OSError,)
if find_spec("deflate"):
    _inflate = import_module("deflate").gzip_decompress
    _not_inflated += (import_module("deflate").DeflateError,)

#: Bytes of the longest header, that of NIfTI-2.
MOST_HEADER = 540
#: Deflate never makes data more than 1032 times smaller.
_MOST_COMPRESSION = 1032
#: nibabel is only partly typed.
nib: Any = nibabel


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is not empty, and decompress it if its name ends in .gz.

    What goes wrong while it is read is raised as CaseError.
    """
    try:
        if not path.is_file():
            raise CaseError(f"{path.name} is not there")
        if path.stat().st_size == 0:
            raise CaseError(f"{path.name} is empty")
        with _open_gzip(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except EOFError as error:
        raise CaseError(f"{path.name} is truncated: the compressed data end too early") from error
    except _corrupt as error:
        raise CaseError(f"{path.name} is corrupt: {error}") from error
    except OSError as error:
        raise CaseError(f"{path.name} cannot be read: {error.strerror or error}") from error


def inflated(path: Path) -> bytearray | None:
    """Return all that a compressed file holds, or None if it must be read as a stream.

    That is so without libdeflate, and for a file that is faulty or of several parts: only a
    stream shows what is wrong, and where.
    """
    if _inflate is None or path.suffix != ".gz":
        return None
    try:
        content = path.read_bytes()
        size = int.from_bytes(content[-4:], "little")  # as gzip notes it, modulo 2^32
        if not 0 < size <= len(content) * _MOST_COMPRESSION:
            return None
        found: bytearray = _inflate(content, size)
    except _not_inflated:
        return None
    return found if len(found) == size else None


def read_header(path: Path, file: IO[bytes]) -> tuple[Any, bytes]:
    """Return the header that a file starts with, not to be changed, and its bytes."""
    head = b""
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        head += file.read(kind.sizeof_hdr - len(head))
        if len(head) == kind.sizeof_hdr and kind.may_contain_header(head):
            try:
                return _parsed(kind, head), head
            except Exception as error:
                raise CaseError(f"{path.name} has a broken header: {error}") from error
    raise CaseError(f"{path.name} is not a NIfTI file, or its header is truncated")


@lru_cache(maxsize=64)  # the files of a case, and often of a study, have one and the same
def _parsed(kind: Any, content: bytes) -> Any:
    return kind.from_fileobj(BytesIO(content))


def with_extensions(path: Path, header: Any, content: bytes) -> Any:
    """Return a copy of a header, with what lies between it and the voxels."""
    if len(content) <= header.sizeof_hdr + 4:  # nothing but the flag that there is nothing
        return header.copy()
    try:
        return type(header).from_fileobj(BytesIO(content))
    except Exception as error:
        raise CaseError(f"{path.name} has a broken header: {error}") from error


def scaled(path: Path, raw: NDArray[Any], header: Any) -> NDArray[Any]:
    """Return the values that stored numbers stand for, in the machine's byte order."""
    slope, inter = (None if v is None else np.asanyarray(v) for v in header.get_slope_inter())
    values: Any = raw
    if slope is not None:
        values = volumeutils.apply_read_scaling(raw, slope, inter)
    if values.dtype.kind not in "biuf":
        raise CaseError(f"{path.name} must hold real numbers, got {values.dtype}")
    return np.asarray(values, values.dtype.newbyteorder("="))


def claimed_bytes(path: Path, header: Any) -> int:
    """Return how long the file is by its header, decompressed."""
    shape = header.get_data_shape()
    if not shape or any(n < 1 for n in shape):
        raise CaseError(f"{path.name} has no voxels: its header claims shape {shape}")
    try:
        offset = int(header.get_data_offset())
    except (ValueError, OverflowError) as error:
        raise CaseError(f"{path.name} has a broken header: {error}") from error
    if offset < header.sizeof_hdr:
        raise CaseError(f"{path.name} has a broken header: its voxels begin inside it")
    return offset + math.prod(int(n) for n in shape) * int(header.get_data_dtype().itemsize)


def check_size(path: Path, claimed: int) -> None:
    """Raise CaseError if the file cannot hold what its header claims."""
    size = path.stat().st_size
    most = size * _MOST_COMPRESSION if path.suffix == ".gz" else size
    if claimed > most:
        raise CaseError(
            f"{path.name} is truncated or has a broken header: it claims {claimed} bytes of data, "
            f"and a file of {size} bytes cannot hold them"
        )
