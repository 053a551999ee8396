"""Analyze 7.5, and NIfTI in two files: a header .hdr with its voxels in .img, read by nibabel."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .geometry import Geometry, without_ones
from .nifti import nib, scaled
from .opening import open_stored, require_regular


def data_file(path: Path) -> Path:
    """Return the file that holds the voxels of a header."""
    image = path.with_suffix(".IMG" if path.suffix.isupper() else ".img")
    require_regular(image)
    return image


def geometry_of(path: Path) -> Geometry:
    """Return where the voxels lie; Analyze does not tell which side is left: nibabel assumes it."""
    with _loaded(path) as image:
        return _geometry(path, image)


def voxels_of(path: Path) -> NDArray[Any]:
    """Return the voxels, scaled by the header."""
    with _loaded(path) as image:
        raw = np.asarray(image.dataobj.get_unscaled())
        shape = _geometry(path, image).shape
        return scaled(path, raw.reshape(-1, order="F"), image.header).reshape(shape, order="F")


@contextmanager
def _loaded(path: Path) -> Iterator[Any]:
    with open_stored(path):  # regular, and not empty
        image = data_file(path)
    try:
        found = nib.load(path)
        shape, header = found.shape, found.header
        claimed = math.prod(shape) * header.get_data_dtype().itemsize
        size = image.stat().st_size
        if not 0 < claimed <= size:
            raise CaseError(
                f"{path.name} is truncated or has a broken header: it claims {claimed} bytes of "
                f"data, and {image.name} has {size}"
            )
        yield found
    except CaseError:
        raise
    except Exception as error:  # of a header that is broken in whatever way
        raise CaseError(f"{path.name} cannot be read: {error}") from error


def _geometry(path: Path, image: Any) -> Geometry:
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all():
        raise CaseError(f"{path.name} has a broken header: its affine is not finite")
    return Geometry(without_ones(tuple(int(n) for n in image.shape)), affine)
