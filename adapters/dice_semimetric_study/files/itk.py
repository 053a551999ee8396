"""NRRD and MetaImage, read by SimpleITK."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .geometry import Geometry, without_ones
from .names import NRRD, other_format
from .opening import MOST_COMPRESSION, open_stored, require_image, require_regular

INSTALL = "pip install 'dice-semimetric[formats]'"
#: ITK's axes lead to the left, back and head, NIfTI's to the right, front and head.
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Bytes in which a header must name the file of its voxels.
_MOST_HEADER = 1 << 20
_STARTS = {True: b"NRRD", False: b"ObjectType"}
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)[ \t]*([^\r\n]*)", re.MULTILINE)
_RAW = re.compile(rb"^encoding: *raw\s*$", re.MULTILINE)
_PACKED = re.compile(rb"^CompressedData *= *true", re.MULTILINE | re.IGNORECASE)


def geometry_of(path: Path) -> Geometry:
    """Return where the voxels lie; components of one voxel are the last axis."""
    with _described(path) as reader:
        return _geometry(path, reader)


def voxels_of(path: Path) -> NDArray[Any]:
    """Return the voxels with axes (x, y, z, ...), the first fastest, components behind space."""
    with _described(path) as reader:
        shape = _shape(reader)
        data = _simpleitk(path).GetArrayFromImage(reader.Execute())
    data = np.moveaxis(data, -1, 0) if reader.GetNumberOfComponents() > 1 else data
    return np.asarray(data.T.reshape(without_ones(shape), order="F"))


def data_file(path: Path) -> Path | None:
    """Return the file that holds the voxels of a header, None where they are in one file."""
    return _data_file(path, _head(path))


def _simpleitk(path: Path) -> Any:
    try:
        return import_module("SimpleITK")
    except ImportError as error:
        raise CaseError(f"{path.name} is read by SimpleITK, which is missing: {INSTALL}") from error


@contextmanager
def _described(path: Path) -> Iterator[Any]:
    """Yield SimpleITK's reader of a file, once its header is read and its size is likely."""
    head = _head(path)
    itk = _simpleitk(path)
    beside = _data_file(path, head)
    reader = itk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if _is_nrrd(path) else "MetaImageIO")
    reader.SetFileName(str(path))
    shown = itk.ProcessObject.GetGlobalWarningDisplay()
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        reader.ReadImageInformation()
        _require_size(path, beside or path, head, reader, itk)
        yield reader
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = re.sub(r"^.*?\): ", "", lines[-1]) if lines else "SimpleITK says no more"
        raise CaseError(f"{path.name} cannot be read: {reason}") from error
    finally:
        itk.ProcessObject.SetGlobalWarningDisplay(shown)


def _head(path: Path) -> bytes:
    """Return the text that a file starts with, or raise CaseError if it is of another format."""
    with open_stored(path) as file:
        head: bytes = file.read(_MOST_HEADER)
    if not head.startswith(_STARTS[_is_nrrd(path)]) and (_is_nrrd(path) or b"\nNDims" not in head):
        require_image(path, head)
        raise CaseError(f"{path.name} is not {'NRRD' if _is_nrrd(path) else 'MetaImage'}")
    end = re.search(rb"\r?\n\r?\n", head) if _is_nrrd(path) else _DATA_FILE.search(head)
    return head[: end.end()] if end else head


def _is_nrrd(path: Path) -> bool:
    return other_format(path.name) in NRRD


def _data_file(path: Path, head: bytes) -> Path | None:
    found = _DATA_FILE.search(head)
    name = found.group(1).decode("utf-8", "surrogateescape").strip() if found else "LOCAL"
    if name.upper() == "LOCAL":
        return None
    if not name or str(Path(name)) != Path(name).name or name.startswith("LIST") or "%" in name:
        raise CaseError(
            f"{path.name} must name one file beside it for its voxels, got {name!r:.80}"
        )
    beside = path.parent / name
    require_regular(beside)
    return beside


def _require_size(path: Path, stored: Path, head: bytes, reader: Any, itk: Any) -> None:
    """Raise CaseError unless a file may hold the voxels that its header claims."""
    kind = itk.GetPixelIDValueAsString(reader.GetPixelID())
    bits = re.search(r"(\d+)-bit", kind)
    if bits is None or "complex" in kind:
        raise CaseError(f"{path.name} must hold real numbers, one for each voxel, got {kind}")
    shape = _shape(reader)
    claimed = int(np.prod(shape, dtype=object)) * int(bits.group(1)) // 8
    raw = _RAW.search(head) if _is_nrrd(path) else not _PACKED.search(head)
    size = stored.stat().st_size
    if not claimed or claimed > size * (1 if raw else MOST_COMPRESSION):
        raise CaseError(
            f"{path.name} is truncated or has a broken header: it claims {claimed} bytes of data, "
            f"and a file of {size} bytes cannot hold them"
        )


def _shape(reader: Any) -> tuple[int, ...]:
    components = reader.GetNumberOfComponents()
    return (*(int(n) for n in reader.GetSize()), *([components] if components > 1 else []))


def _geometry(path: Path, reader: Any) -> Geometry:
    axes = len(reader.GetSize())
    direction = np.reshape(reader.GetDirection(), (axes, axes))
    space = min(axes, 3)
    affine = np.eye(4)
    affine[:space, :space] = (direction * reader.GetSpacing())[:space, :space]
    affine[:space, 3] = reader.GetOrigin()[:space]
    if not np.isfinite(affine).all():
        raise CaseError(f"{path.name} has a broken header: its affine is not finite")
    return Geometry(without_ones(_shape(reader)), _LPS_TO_RAS @ affine)
