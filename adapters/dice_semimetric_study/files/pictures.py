"""PNG and TIFF, read by pillow: x runs along a row, y down, and the pages of a TIFF are z.

A picture does not tell where it lies. Pixels are taken as squares of 1 mm, whatever resolution a
header claims, and lie as SimpleITK places them, so that what it converts agrees.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError
from .geometry import Geometry, without_ones
from .opening import open_stored, require_image

#: What becomes of pictures in colour; "show" is any as grey, for people to look at.
Colours = Literal["refuse", "index", "grey", "show"]

_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
_GREY, _COLOUR = ("1", "L", "I", "F"), ("RGB", "RGBA", "LA")
#: By how much pillow multiplies grey values of two and four bits, which may be labels.
_STEPS = {"L;2": 85, "L;4": 17}


def geometry_of(path: Path) -> Geometry:
    """Return the shape of a picture, and where it lies by convention."""
    with _opened(path) as image:
        return Geometry(without_ones(_shape(image)), _AFFINE.copy())


def pixels_of(path: Path, colours: Colours = "refuse") -> NDArray[Any]:
    """Return the values of a picture as they are stored, with axes (x, y), or (x, y, page).

    Parameters
    ----------
    path : Path
        The file.
    colours : {"refuse", "index", "grey", "show"}, optional
        "index" takes the numbers of a palette's colours, "grey" colours that are grey.

    Raises
    ------
    CaseError
        If the picture has colours that are not to be taken so.
    """
    with _opened(path) as image:
        shape = _shape(image)
        data: NDArray[Any] | None = None
        for page in range(shape[2]):
            image.seek(page)
            found = _values(path, image, colours)
            if data is None:
                data = np.empty(shape, found.dtype, order="F")
            if found.T.shape != shape[:2] or found.dtype != data.dtype:
                raise CaseError(f"{path.name} has pages of different sizes or kinds")
            data[..., page] = found.T
    assert data is not None
    return data.reshape(without_ones(shape), order="F")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    with open_stored(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a size that may be right, and of odd metadata
        try:
            with Image.open(file, formats=("PNG", "TIFF")) as image:
                yield image
        except UnidentifiedImageError as error:
            file.seek(0)
            require_image(path, file.read(64))
            reason = "is neither PNG nor TIFF, or its header is broken"
            raise CaseError(f"{path.name} {reason}") from error
        except (Image.DecompressionBombError, EOFError, SyntaxError, ValueError, OSError) as error:
            raise CaseError(f"{path.name} cannot be read: {error}") from error


def _shape(image: Any) -> tuple[int, int, int]:
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    return image.width, image.height, pages


def _values(path: Path, image: Any, colours: Colours) -> NDArray[Any]:
    """Return the values of one page, rows first."""
    packing = _packing(image)
    if image.mode in _GREY or image.mode.startswith("I;16"):
        found = np.asarray(image)
        native = np.uint8 if found.dtype == bool else found.dtype.newbyteorder("=")
        found = found.astype(native, copy=False)
        return found // np.uint8(_STEPS[packing]) if packing in _STEPS else found
    if colours == "show":
        return np.asarray(image.convert("L"))
    if image.mode == "P":
        if colours == "index":
            return np.asarray(image)
        raise CaseError(
            f"{path.name} has a palette: give --colours index if the numbers of its colours are "
            "the values"
        )
    if image.mode not in _COLOUR or colours != "grey":
        remedy = ": give --colours grey if all are grey" if image.mode in _COLOUR else ""
        raise CaseError(f"{path.name} holds colours ({image.mode}), not one value{remedy}")
    if ";16" in packing:
        raise CaseError(f"{path.name} holds colours of 16 bits: save it as one grey channel")
    return _grey(path, np.asarray(image), alpha=image.mode in ("RGBA", "LA"))


def _packing(image: Any) -> str:
    """Return how pillow names the bits of a pixel as they are stored."""
    how = image.tile[0][3] if image.tile else ""
    return str(how if isinstance(how, str) else how[0])


def _grey(path: Path, found: NDArray[Any], *, alpha: bool) -> NDArray[Any]:
    """Return the one value that all channels have, or raise CaseError."""
    if alpha and found[..., -1].min() < 255:
        raise CaseError(f"{path.name} is partly transparent: --colours grey takes opaque pictures")
    values = found[..., :-1] if alpha else found
    differs = (values != values[..., :1]).any(axis=-1)
    if differs.any():
        at = tuple(int(n) for n in np.argwhere(differs)[0])
        got = tuple(int(n) for n in values[at])
        raise CaseError(f"{path.name} holds colours that are not grey, such as {got}")
    return np.asarray(values[..., 0])
