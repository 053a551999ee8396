"""Write single NIfTI files, whole or not at all."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .atomic import appearing, require_within, write_bytes
from .names import is_compressed
from .nifti import nib
from .volumes import Volume, read_header_of

Write = Callable[[NDArray[Any]], None]

#: Free texts of a header; NIfTI-2 has fewer.
_TEXTS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


def write_volume(path: Path, data: NDArray[Any], like: Volume) -> None:
    """Write voxels with the geometry and the header of a volume that was read.

    Boolean data are written as uint8, floating data as float32, integers in their own dtype, all
    without scaling. The free texts of the header and its extensions are left out, since they may
    name a patient. The file appears as a whole or not at all.

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
    _write(path, data, _without_texts(like.header), like.geometry.affine)


def write_image(path: Path, data: NDArray[Any], like: Volume) -> None:
    """Write one channel of an image, of any range of values, as `write_volume` does a map."""
    header = _without_texts(like.header)
    header.set_data_shape(data.shape)
    _write(path, data, header, like.geometry.affine, kind="i")


def _write(
    path: Path, data: NDArray[Any], header: Any, affine: NDArray[Any], *, kind: str = ""
) -> None:
    dtype = _stored(data.dtype)
    voxels = data.astype(dtype, copy=False).reshape(header.get_data_shape(), order="F")
    image = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    _describe(header, dtype, kind or data.dtype.kind)
    content = image(voxels, affine, header).to_bytes()
    if is_compressed(path):
        content = gzip.compress(content, compresslevel=1, mtime=0)
    write_bytes(path, content)


@contextmanager
def _in_blocks(
    path: Path, like: Path, dtype: DTypeLike, shape: tuple[int, ...] | None
) -> Iterator[Write]:
    """Yield what writes a map block after block, as vectors, with the geometry of a file.

    ``shape`` is that of the map, where the file has channels; the rest is as in `write_volume`.
    """
    header = _header(like, shape)
    stored = _stored(np.dtype(dtype)).newbyteorder(header.endianness)
    _describe(header, stored, np.dtype(dtype).kind)
    # The whole name of the part would be in the file, and differ from run to run.
    with (
        appearing(path) as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as file,
    ):
        file.write(header.binaryblock + bytes(4))

        def write(block: NDArray[Any]) -> None:
            file.write(block.astype(stored).tobytes())

        yield write


@contextmanager
def _at_once(
    path: Path, like: Path, dtype: DTypeLike, shape: tuple[int, ...] | None
) -> Iterator[Write]:
    """Write a map as `_in_blocks` does, when all is there."""
    header = _header(like, shape)
    voxels = np.empty(header.get_data_shape(), np.dtype(dtype), order="F").reshape(-1, order="F")
    there = 0

    def write(block: NDArray[Any]) -> None:
        nonlocal there
        voxels[there : there + block.size] = block
        there += block.size

    yield write
    _write(path, voxels, header, header.get_best_affine())


@contextmanager
def written_maps(
    out: Path,
    maps: Mapping[str, DTypeLike],
    like: Path,
    *,
    at_once: bool = False,
    shape: tuple[int, ...] | None = None,
) -> Iterator[list[Write]]:
    """Yield what writes each of several maps, by their names below a folder, in their dtypes."""
    for name in maps:
        require_within((out / name).parent, out)
    written = _at_once if at_once else _in_blocks
    with ExitStack() as stack:
        yield [
            stack.enter_context(written(out / name, like, dtype, shape))
            for name, dtype in maps.items()
        ]


def _header(like: Path, shape: tuple[int, ...] | None) -> Any:
    header = _without_texts(read_header_of(like))
    if shape is not None:
        header.set_data_shape(shape)
    return header


def _without_texts(header: Any) -> Any:
    """Return a copy without what a person may be named in: free texts and extensions."""
    header = header.copy()
    for name in _TEXTS:
        if name in header:
            header[name] = b""
    header.extensions.clear()
    header.set_data_offset(header.sizeof_hdr + 4)
    return header


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    stored: dict[str, Any] = {"b": np.uint8, "f": np.float32}
    found: np.dtype[Any] = np.dtype(stored.get(dtype.kind, dtype))
    return found


def _describe(header: Any, dtype: np.dtype[Any], kind: str) -> None:
    """Describe the voxels in a header: booleans "b", numbers up to 1 "f", or any numbers "i"."""
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    if kind in "bf":
        header["cal_min"], header["cal_max"] = 0, 1  # the range that viewers show
    if kind == "f":
        header["intent_code"] = 0  # the source's may be "label"
