"""Files that keep a calibrator: a header and arrays, in NumPy's or safetensors' format.

Neither can run code: what is in a file is numbers and text, and a pickle is refused.
"""

import io
import json
import os
import secrets
import struct
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]

#: What a header says of the file; a later version has another number.
FORMAT, VERSION = "dice_semimetric calibrator", 1
_HEADER = "header"
#: What NumPy and zipfile raise for bytes that are no archive, or are damaged; of a size that is
#: wrong it may be that there is not so much memory.
_DAMAGED = (
    *(ValueError, EOFError, BadZipFile, zlib.error, struct.error),
    *(NotImplementedError, RuntimeError, LookupError, MemoryError),
)


def write(path: Path, header: Header, arrays: Arrays) -> None:
    """Write a file as a whole, or leave what there was."""
    if _is_npz(path):
        content = packed(header, arrays)
    else:
        content = _safetensors().numpy.save(
            {name: np.asarray(array, order="C") for name, array in arrays.items()},
            metadata={_HEADER: _text(header)},
        )
    _appear(path, content)


def packed(header: Header, arrays: Arrays) -> bytes:
    """Return the content of a file in NumPy's format."""
    named: dict[str, Any] = {_HEADER: np.asarray(_text(header))} | arrays
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def _text(header: Header) -> str:
    return json.dumps({"format": FORMAT, "version": VERSION} | header)


def read(path: Path) -> tuple[Header, Arrays]:
    """Return the header and the arrays of a file, or raise ValueError for another one."""
    find = _read_npz if _is_npz(path) else _read_safetensors
    text, arrays = find(path)
    try:
        header: Header = json.loads(text)
        known = header["format"] == FORMAT
        version = header["version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        known = False
    if not known:
        raise ValueError(f"{path} holds no calibrator of dice_semimetric")
    if version != VERSION:
        raise ValueError(
            f"{path} is of format version {version}, and this version of dice_semimetric reads "
            f"version {VERSION}; update it"
        )
    return header, arrays


def _is_npz(path: Path) -> bool:
    if path.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"path must end with .npz or .safetensors, got {str(path)!r}")
    return path.suffix == ".npz"


def _read_npz(path: Path) -> tuple[str, Arrays]:
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)
            arrays = {name: file[name] for name in getattr(file, "files", ())}
    except _DAMAGED as error:
        pickled = "pickle" in str(error)  # NumPy's advice would be to trust it
        reason = "it has a pickle; pickles are never loaded" if pickled else error
        raise ValueError(f"{path} holds no calibrator of dice_semimetric ({reason})") from error
    return str(arrays.pop(_HEADER, "")), arrays


def _read_safetensors(path: Path) -> tuple[str, Arrays]:
    library = _safetensors()
    with path.open("rb"):  # raises what Python does for a file that is not there
        pass
    try:
        with library.safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            names = file.keys()
            return metadata.get(_HEADER, ""), {name: file.get_tensor(name) for name in names}
    except library.SafetensorError as error:
        raise ValueError(f"{path} holds no calibrator of dice_semimetric ({error})") from error


def _safetensors() -> Any:
    try:
        import_module("safetensors.numpy")
        return import_module("safetensors")
    except ImportError:
        raise ImportError(
            "a file .safetensors needs the package safetensors: write pip install safetensors, or "
            "save as .npz"
        ) from None


def _appear(path: Path, content: bytes) -> None:
    """Write a file beside its place, and give it the name once it is whole."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:  # names the folder or the file, not what stands beside it
        place = path if path.parent.is_dir() else path.parent
        raise type(error)(error.errno, error.strerror, str(place)) from None
    finally:
        part.unlink(missing_ok=True)
