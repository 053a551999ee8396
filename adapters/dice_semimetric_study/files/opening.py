"""Open files that are files, and believe nothing of them.

Only regular files are opened, so that no pipe, device or link can keep a study waiting. Where the
packages deflate and isal are there, whole files are decompressed by libdeflate and streams by
ISA-L, about three and two times as fast as by zlib.
"""

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from ..faults import CaseError
from .names import is_compressed

_open_gzip: Any = gzip.open
_corrupt: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error)
if find_spec("isal"):
    _open_gzip = import_module("isal.igzip").open
    _corrupt += (import_module("isal.isal_zlib").error,)

_deflate: Any = import_module("deflate") if find_spec("deflate") else None

#: Deflate never makes data more than 1032 times smaller.
MOST_COMPRESSION = 1032
#: Where a count of surplus bytes ends.
_MOST_COUNTED = 1 << 24

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ANOTHER_FILE = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"/annex/objects/", "is a git-annex pointer, not the file itself: run `git annex get`"),
    (b"<!doctype html", "is an HTML page, not an image: download the file again"),
    (b"<html", "is an HTML page, not an image: download the file again"),
    (b"<?xml", "is an XML page, not an image: download the file again"),
    (b"{", "is JSON, not an image"),
    (b"\x89png", "is a PNG picture, whatever its name"),
    (b"nrrd0", "is NRRD, whatever its name"),
    (b"objecttype", "is MetaImage, whatever its name"),
    (b"pk\3\4", "is a zip archive, whatever its name: unpack it"),
    (b"\x1f\x8b", "is compressed: its name must end in .nii.gz"),
)
#: With which a NIfTI file starts that is not compressed: the size of its header.
_PLAIN = tuple(n.to_bytes(4, order) for n in (348, 540) for order in ("little", "big"))


def require_regular(path: Path) -> None:
    """Raise CaseError unless a path leads to a file that can be opened without waiting for it."""
    try:
        _require_file(path, path.stat())
    except OSError as error:
        raise _unreadable(path, error) from error


def _require_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "something else")
        raise CaseError(f"{path.name} is {kind}, not a file")


def _unreadable(path: Path, error: OSError) -> CaseError:
    if isinstance(error, FileNotFoundError):
        reason = "a link to a file that is not there" if path.is_symlink() else "not there"
        return CaseError(f"{path.name} is {reason}")
    return CaseError(f"{path.name} cannot be read: {error.strerror or error}")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def open_stored(path: Path) -> Iterator[Any]:
    """Open a regular file that is not empty, as it is stored.

    What goes wrong while it is read is raised as CaseError.
    """
    require_regular(path)
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            _require_file(path, found)  # it may be another one by now
            if found.st_size == 0:
                raise CaseError(f"{path.name} is empty")
            yield file
    except _corrupt as error:  # some are an OSError
        raise CaseError(f"{path.name} is corrupt: {error}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as `open_stored` does, and decompress it if its name ends in .gz."""
    try:
        with open_stored(path) as stored:
            if not is_compressed(path):
                yield stored
                return
            head = stored.peek(64)
            if not head.startswith(b"\x1f\x8b"):
                require_image(path, head)
                if head.startswith(_PLAIN):
                    reason = "it is not compressed: rename it to end in .nii"
                    raise CaseError(f"{path.name} is corrupt: {reason}")
            with _open_gzip(stored, "rb") as file:
                yield file
    except EOFError as error:
        raise CaseError(f"{path.name} is truncated: the compressed data end too early") from error


def require_image(path: Path, head: bytes) -> None:
    """Raise CaseError if a file starts as something that is no image, or not NIfTI."""
    start = head[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, reason in _ANOTHER_FILE:
        if start.startswith(mark):
            raise CaseError(f"{path.name} {reason}")


def inflated_start(content: bytes, count: int) -> bytes:
    """Return the first bytes that compressed data hold, as many as can be had."""
    try:
        return zlib.decompressobj(31).decompress(content, count)
    except zlib.error:
        return b""


def inflates_at_once() -> bool:
    """Return whether libdeflate is there."""
    return _deflate is not None


def inflated(content: bytes, size: int) -> bytearray | None:
    """Return the ``size`` bytes that all of a compressed file holds, else None.

    That is so for a file that is faulty, holds more or less, or is of several parts: only a stream
    shows what is wrong, and where.
    """
    if int.from_bytes(content[-4:], "little") != size % (1 << 32):
        return None
    try:
        found: bytearray = _deflate.gzip_decompress(content, size)
    except (OSError, MemoryError, _deflate.DeflateError):
        return None
    return found if len(found) == size and _is_one_part(content, found) else None


def _is_one_part(content: bytes, found: bytearray) -> bool:
    """Return whether a compressed file is seen to end with its first part, where libdeflate stops.

    Asked is what costs less: no second part begins, or the last checksum is that of all data.
    """
    if 32 * len(content) < len(found):
        return content.find(b"\x1f\x8b\x08", 18) < 0
    half = len(content) // 2
    twice = content[:64] == content[half : half + 64]
    checksum = int.from_bytes(content[-8:-4], "little")
    return not twice and _deflate.crc32(found) == checksum


def require_end(path: Path, file: IO[bytes], claimed: int) -> None:
    """Raise CaseError if a file goes on where it should end; gzip has its checksum there."""
    count = 0
    while count <= _MOST_COUNTED and (more := len(file.read(1 << 16))):
        count += more
    if count:
        known = str(count) if count <= _MOST_COUNTED else f"over {_MOST_COUNTED}"
        raise surplus(path, f"{known} bytes more", claimed)


def surplus(path: Path, what: str, claimed: int) -> CaseError:
    """Return what is wrong with a file that holds more bytes than it should."""
    return CaseError(f"{path.name} holds {what} than the {claimed} that its header claims")


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM by its content."""
    try:
        with open_stored(path) as file:
            return bool(file.read(132)[128:] == b"DICM")
    except CaseError:
        return False
