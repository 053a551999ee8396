"""Files that are there as a whole or not at all, also when the run is killed."""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, ClassVar
from weakref import WeakSet

from ..faults import CaseError, UsageError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".part"
#: What this process is writing.
_open: set[Path] = set()


class Written:
    """The files that were written since this object was made."""

    _all: ClassVar[WeakSet["Written"]] = WeakSet()

    def __init__(self) -> None:
        self._paths: set[Path] = set()
        Written._all.add(self)

    def below(self, folder: Path) -> set[Path]:
        """Return those in a folder."""
        return {path for path in self._paths if path.is_relative_to(folder)}

    @classmethod
    def note(cls, path: Path) -> None:
        """Count a file as written, such as one that another process wrote."""
        for one in cls._all:
            one._paths.add(path.absolute())


@contextmanager
def appearing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a file to be written, so that its name never stands for half of it.

    The bytes go to a hidden file in the same folder, reach the disk, and then take the name in one
    step. Of several that write the same file at a time the last one wins. What one that was killed
    left of the same file is removed. A file that is not ``durable`` is spared both: it is for many
    small ones that can be made again, and a power cut may leave it empty. A device or a pipe is
    written as it is.
    """
    if is_stream(path):
        with path.open("wb") as stream:
            yield stream
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if durable:
        remove_parts(path.parent, path.name)
    part, file = _new_part(path)
    try:
        with file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            if fcntl:  # as long as it is open, it is locked
                part.replace(path)
        if not fcntl:
            part.replace(path)
        Written.note(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        _open.discard(part)


def is_stream(path: Path) -> bool:
    """Return whether a name must not be given to another file: that of a device or a pipe."""
    return path.absolute().parts[1:2] in (("dev",), ("proc",)) or (
        path.exists() and not path.is_file()
    )


def _new_part(path: Path) -> tuple[Path, IO[bytes]]:
    """Return a new hidden file beside another one, locked so that everyone sees that it is used."""
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
        _open.add(part)
        file = part.open("xb")
        with suppress(OSError):  # a file system without locks: nobody removes it there
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink or not fcntl:
            return part, file
        file.close()  # it was removed before it was locked
        _open.discard(part)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file as a whole or not at all; see `appearing`."""
    with appearing(path, durable=durable) as file:
        file.write(content)


def remove_parts(folder: Path, name: str | None = None) -> None:
    """Remove what was left of a file, or of all, in a folder by those who were killed."""
    for part in folder.glob(f".{'*' if name is None else glob.escape(name)}.????????{_SUFFIX}"):
        with suppress(OSError):  # it is gone, or somebody writes it
            if not fcntl:
                part.unlink()
                continue
            file = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(file)


def abandon_parts() -> None:
    """Remove what this process is writing, which is about to end."""
    for part in list(_open):
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8 as `write_bytes` does; undecodable file names are escaped."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"), durable=durable)


def link(path: Path, target: Path) -> None:
    """Make a symbolic link to a file in one step, in place of whatever has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        part.symlink_to(target.resolve())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = error.strerror or type(error).__name__
        raise CaseError(f"{target.name} cannot be linked to ({reason}): give --copy") from error
    Written.note(path)


def prepare_folder(folder: Path) -> None:
    """Make the folder and try to write in it, or raise UsageError before any work is done."""
    probe = folder / f".{secrets.token_hex(4)}{_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error


#: No file or folder can have these in its name, on one system or another.
_ILLEGAL = frozenset('/\\:*?"<>|=')


def names_a_file(name: str) -> bool:
    """Return whether a name can be that of a file or folder on any system, and is not hidden."""
    legal = name.isprintable() and name == name.strip() and not _ILLEGAL & set(name)
    return bool(name) and legal and not name.startswith((".", "-"))


def require_apart(out: Path, source: Path) -> None:
    """Raise UsageError if results would appear among what is read, or around it."""
    inner, outer = out.resolve(), source.resolve()
    if inner.is_relative_to(outer):
        raise UsageError(f"the output {out} must not lie in the folder that is read, {source}")
    if outer.is_relative_to(inner):
        raise UsageError(f"the folder that is read, {source}, must not lie in the output {out}")


def require_within(folder: Path, out: Path) -> None:
    """Raise CaseError if a folder of the results is a link to somewhere else."""
    if not folder.resolve().is_relative_to(out.resolve()):
        name = folder.relative_to(out)
        raise CaseError(f"{name} is a link that leads out of the output")
