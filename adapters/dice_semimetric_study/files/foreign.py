"""Images in other formats than NIfTI, as if they were NIfTI: one place knows who reads which."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..faults import CaseError
from . import analyze, itk, pictures
from .geometry import Geometry
from .names import ANALYZE, STILLS, is_foreign, is_npz, other_format
from .nifti import nib
from .npz import segmentation_of
from .pictures import Colours

#: The longest axis of a NIfTI-1 header.
_MOST = 32767


def geometry_of(path: Path) -> Geometry:
    """Return where the voxels of a file lie, in NIfTI's space, to the right, front and head."""
    end = other_format(path.name)
    found: Geometry = (
        pictures if end in STILLS else analyze if end in ANALYZE else itk
    ).geometry_of(path)
    return found


def read_foreign(
    path: Path, accept: Callable[[Geometry], None], colours: Colours
) -> tuple[NDArray[Any], Geometry]:
    """Return the voxels of a file and where they lie, as `volumes.read_voxels` does."""
    geometry = geometry_of(path)
    accept(geometry)
    end = other_format(path.name)
    try:
        if end in STILLS:
            return pictures.pixels_of(path, colours), geometry
        return (analyze if end in ANALYZE else itk).voxels_of(path), geometry
    except MemoryError as error:
        raise CaseError(f"{path.name} does not fit into memory") from error


def header_like(geometry: Geometry) -> Any:
    """Return a NIfTI header for maps that lie as a file of another format does."""
    kind = nib.Nifti1Header if max(geometry.shape) <= _MOST else nib.Nifti2Header
    header = kind()
    header.set_data_shape(geometry.shape)
    header.set_qform(geometry.affine, code="scanner")
    header.set_sform(geometry.affine, code="scanner")
    header.set_xyzt_units("mm")
    return header


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files that an image is read from: itself, and one beside it that it needs."""
    try:
        if is_npz(path.name):
            return path, segmentation_of(path)
        if not is_foreign(path.name) or (end := other_format(path.name)) in STILLS:
            return (path,)
        beside = (analyze if end in ANALYZE else itk).data_file(path)
    except CaseError:  # whoever reads it reports that
        return (path,)
    return (path,) if beside is None else (path, beside)
