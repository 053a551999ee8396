"""The headers of NIfTI files, believed only as far as a file's size allows.

What a header claims is compared with what the bytes can hold before any memory is taken, and no
more is inflated than it claims.
"""

import math
import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import nibabel
import numpy as np
from nibabel import volumeutils
from numpy.typing import NDArray

from ..faults import CaseError
from .names import is_compressed
from .opening import (
    MOST_COMPRESSION,
    inflated,
    inflated_start,
    inflates_at_once,
    open_stored,
    require_image,
    surplus,
)

#: Bytes of the longest header, that of NIfTI-2.
_MOST_HEADER = 540
#: Bytes that extensions may take between the header and the voxels.
_MOST_EXTENSIONS = 1 << 26
#: nibabel is only partly typed.
nib: Any = nibabel


def read_at_once(
    path: Path, accept: Callable[[Any], None] = lambda header: None
) -> tuple[Any, bytearray] | None:
    """Return the header and all bytes of a compressed file, or None if it must be streamed.

    ``accept`` gets the header, and may raise, before memory is taken.
    """
    if not inflates_at_once() or not is_compressed(path):
        return None
    with open_stored(path) as file:
        start = inflated_start(file.peek(_MOST_HEADER), _MOST_HEADER)
        try:
            header, _ = read_header(path, BytesIO(start))
            claimed = claimed_bytes(path, header)
        except CaseError:  # or the header lies behind the first bytes
            return None
        accept(header)
        size = os.fstat(file.fileno()).st_size
        if size > most_packed(claimed) or claimed > size * MOST_COMPRESSION:
            return None
        file.raw.seek(0)  # past the buffer, which would be a copy
        content = inflated(file.raw.readall(), claimed)
    return None if content is None else (header, content)


def read_header(path: Path, file: IO[bytes]) -> tuple[Any, bytes]:
    """Return the header that a file starts with, not to be changed, and its bytes."""
    head = b""
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        head += file.read(kind.sizeof_hdr - len(head))
        if len(head) == kind.sizeof_hdr and kind.may_contain_header(head):
            try:
                return _parsed(kind, head), head
            except Exception as error:
                raise _broken(path, error) from error
    require_image(path, head)
    raise CaseError(f"{path.name} is not a NIfTI file, or its header is truncated")


@lru_cache(maxsize=64)  # the files of a case, and often of a study, have one and the same
def _parsed(kind: Any, content: bytes) -> Any:
    raw = kind.from_fileobj(BytesIO(content), check=False)  # a check would mend the spacing
    used = np.flatnonzero(raw["dim"][1:4] > 1)
    spacing = raw["pixdim"][1:4][used]
    if raw["sform_code"] <= 0 and not np.all(spacing > 0):
        raise ValueError(
            f"its spacing is {', '.join(f'{s:g}' for s in spacing)} mm, and each must be above 0"
        )
    return kind.from_fileobj(BytesIO(content))


def _broken(path: Path, reason: object) -> CaseError:
    return CaseError(f"{path.name} has a broken header: {reason}")


def with_extensions(path: Path, header: Any, content: bytes) -> Any:
    """Return a copy of a header, with what lies between it and the voxels."""
    if len(content) <= header.sizeof_hdr + 4:  # nothing but the flag that there is nothing
        return header.copy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an odd length, without the name of the file
            return type(header).from_fileobj(BytesIO(content))
    except Exception as error:
        raise _broken(path, error) from error


def scaled(path: Path, raw: NDArray[Any], header: Any) -> NDArray[Any]:
    """Return the values that stored numbers stand for, in the machine's byte order."""
    if raw.dtype.kind not in "biuf":
        kind = "colours" if raw.dtype.names else raw.dtype
        raise CaseError(f"{path.name} must hold real numbers, one for each voxel, got {kind}")
    try:
        slope, inter = (None if v is None else np.asanyarray(v) for v in header.get_slope_inter())
    except Exception as error:
        raise _broken(path, error) from error
    with np.errstate(all="ignore"):
        values: Any = raw if slope is None else volumeutils.apply_read_scaling(raw, slope, inter)
        dtype = values.dtype.newbyteorder("=")
        wide = dtype.kind == "f" and dtype.itemsize > 8
        return np.asarray(values, np.float64 if wide else dtype)


@lru_cache(maxsize=64)
def _best_affine(kind: Any, content: bytes) -> NDArray[Any]:
    return np.asarray(kind(content, check=False).get_best_affine(), np.float64)


def affine_of(path: Path, header: Any) -> NDArray[Any]:
    """Return where the voxels of a file lie, from their indices to millimetres."""
    try:
        with np.errstate(all="ignore"):
            kind: Any = type(header)
            affine = _best_affine(kind, header.binaryblock).copy()
    except Exception as error:
        raise _broken(path, f"its affine cannot be found: {error}") from error
    if not np.all(np.isfinite(affine)):
        raise _broken(path, "its affine is not finite")
    return affine


def claimed_bytes(path: Path, header: Any) -> int:
    """Return how long the file is by its header, decompressed."""
    try:
        shape = tuple(int(n) for n in header.get_data_shape())
        offset = int(header.get_data_offset())
        itemsize = int(header.get_data_dtype().itemsize)
    except Exception as error:
        raise _broken(path, error) from error
    if not shape or any(n < 1 for n in shape):
        raise CaseError(f"{path.name} has no voxels: its header claims shape {shape}")
    if offset < header.sizeof_hdr:
        raise _broken(path, "its voxels begin inside it")
    if offset > header.sizeof_hdr + _MOST_EXTENSIONS:
        raise _broken(path, f"its voxels begin at byte {offset}")
    return offset + math.prod(shape) * itemsize


def check_size(path: Path, claimed: int) -> None:
    """Raise CaseError if the file cannot hold what its header claims, or holds more for sure."""
    size, packed = path.stat().st_size, is_compressed(path)
    if claimed > (size * MOST_COMPRESSION if packed else size):
        raise CaseError(
            f"{path.name} is truncated or has a broken header: it claims {claimed} bytes of data, "
            f"and a file of {size} bytes cannot hold them"
        )
    if not packed and size > claimed:
        raise surplus(path, f"{size - claimed} bytes more", claimed)
    if packed and size > most_packed(claimed):
        raise surplus(path, f"more, in {size} bytes compressed,", claimed)


def most_packed(claimed: int) -> int:
    """Return how long a file may be at most that holds so many bytes compressed."""
    return claimed + claimed // 8 + (1 << 20)
