"""The folder that gets the results of a run: whose files are in it, and which may be replaced.

``files.json`` in it names the command, a digest of the options, and the files of that run. It is
written before the first of them, and again when all are there, so that the files of a run that was
stopped are known too.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..faults import Fault, UsageError, printable
from ..files.atomic import Written, is_stream, prepare_folder
from ..files.json import jsonable, write_json
from ..files.text import digest_of
from .each import is_stop
from .records import FOLDER

MANIFEST, RECORD = "files.json", "run.json"
#: What every run may write into its folder besides its results.
OWN = (MANIFEST, RECORD)
#: What is an image for sure, by the end of its name.
_IMAGES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".mha", ".mhd", ".nrrd", ".dcm")
_STARTED, _STOPPED, _FINISHED, _EMPTY = "started", "stopped", "finished", "no case done"
_RECORD = re.compile(rf"{FOLDER}/(?:.+/)?.*-[0-9a-f]{{16}}\.json")


@dataclass(frozen=True)
class _Known:
    """What ``files.json`` holds."""

    command: str
    options: str
    state: str
    files: tuple[str, ...]

    def is_there(self, out: Path) -> bool:
        """Return whether the result of any case is in the folder."""
        return self.state != _EMPTY and any(os.path.lexists(out / name) for name in self.files)


class Output:
    """A folder that a run writes to, from `claim` to `close`."""

    def __init__(self, out: Path, known: _Known) -> None:
        self._out, self._known = out, known
        self._written = Written()

    def close(self, faults: Iterable[Fault] = (), *, empty: bool = False) -> None:
        """Note what this run made, and remove what another one had made and this one has not.

        If the user stopped the run, all stays as it is, for a run that goes on with it. What is
        ``empty`` holds the result of no case, and any run may take its place.
        """
        if any(is_stop(fault) for fault in faults):
            _write(self._out, replace(self._known, state=_STOPPED), durable=True)
            return
        made = {p.relative_to(self._out).as_posix() for p in self._written.below(self._out)}
        records = (self._name(p) for p in (self._out / FOLDER).rglob("*.json"))
        for name in {*self._known.files, *filter(_RECORD.fullmatch, records)} - made:
            _remove(self._out, name)
        state = _EMPTY if empty else _FINISHED
        known = replace(self._known, state=state, files=tuple(made))
        if made - {MANIFEST}:
            _write(self._out, known, durable=True)
        else:
            _remove(self._out, MANIFEST)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._out).as_posix()


def claim(
    out: Path,
    command: str,
    options: Any,
    files: Iterable[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Output:
    """Take a folder for the results of a run; nothing but ``files.json`` is written.

    A folder that holds the same run is taken too; what that run made stays until the new one is
    whole.

    Parameters
    ----------
    out : Path
        The folder, which is made.
    command : str
        The command.
    options : JSON
        What the results depend on, besides the content of files.
    files : iterable of str
        The names, below the folder, of all that the run may write but its records.
    resume : bool, optional
        Whether to take a folder of the same command with other options.
    overwrite : bool, optional
        Whether to take a folder of any other run, whose files go once the new ones are there.

    Returns
    -------
    Output
        To be closed when all files are written.

    Raises
    ------
    UsageError
        If the folder holds another run, a file that no run wrote and this one would replace, or
        images that no run wrote; or if it cannot be written.
    """
    out, planned = out.absolute(), set(files)
    text = json.dumps(jsonable(options), sort_keys=True, default=str)
    digest = digest_of(text)
    former = _read(out)
    if former is not None and former.is_there(out):
        if former.command != command and not overwrite:
            raise UsageError(
                f"{out} holds the results of {printable(former.command)}: add --overwrite to "
                "replace them, or choose another --out"
            )
        if former.options != digest and not (overwrite or resume):
            raise UsageError(
                f"{out} holds the results of {printable(former.command)} with other options or "
                "files: add --overwrite to replace them, --resume to keep what is the same, or "
                "choose another --out"
            )
    own = set() if former is None else set(former.files)
    _refuse_strangers(out, own, planned | {MANIFEST} if former is None else planned)
    prepare_folder(out)
    known = _Known(command, digest, _STARTED, tuple(own | planned))
    same = former is not None and (former.command, former.options) == (command, digest)
    if not (same and planned <= own):
        _write(out, known, durable=False)  # or nothing can be done where the disk is full
    return Output(out, known)


def was_stopped(out: Path) -> bool:
    """Return whether a folder holds the results of a run that the user stopped."""
    known = _read(out)
    return known is not None and known.state == _STOPPED


def require_replaceable(
    path: Path, flag: str, reads: Iterable[Path | None], ours: Callable[[bytes], bool], out: Path
) -> None:
    """Raise UsageError if a file that an option names must not be written.

    That is a file in a folder that is read, or that has the results of a run other than the one
    to ``out``, or a file that this package did not write.
    """
    if path == Path("-"):
        raise UsageError(f"{flag} must be the name of a file, got '-'")
    if path.is_dir():
        raise UsageError(f"{flag} must be the name of a file, got the folder {path}")
    for folder in reads:
        if folder is not None and path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{flag} {path} must not lie in the folder that is read, {folder}")
    if is_stream(path):
        return
    for folder in path.resolve().parents:
        if not out.resolve().is_relative_to(folder) and _read(folder) is not None:
            raise UsageError(
                f"{flag} {path} must not lie in {folder}, which holds the results of another run"
            )
    if path.exists():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot write {flag} {path}: {error.strerror or error}") from error
        if content and not ours(content):
            raise UsageError(
                f"{flag} {path} is there already, and dice-semimetric did not write it: "
                "choose another name"
            )
    prepare_folder(path.parent)


def is_summary(content: bytes) -> bool:
    """Return whether it is a summary in JSON by this package."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"version", "faults", "bootstrap"} <= found.keys()


def _refuse_strangers(out: Path, own: set[str], planned: set[str]) -> None:
    """Raise UsageError if there is a file that no run wrote, and that is an image or in the way."""
    for name, inner in _files(out):
        if name in own or name in inner:
            continue
        if name in planned:
            raise UsageError(
                f"{out} holds {printable(name)}, which no run of dice-semimetric wrote there and "
                "this one would replace: choose another --out"
            )
        if name.lower().endswith(_IMAGES):
            raise UsageError(
                f"{out} holds images that no run of dice-semimetric wrote there, such as "
                f"{printable(name)}: choose another --out"
            )


def _files(out: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield the names of all files but hidden ones, each with those of runs in folders within."""
    inner: set[str] = set()
    for folder, folders, files in os.walk(out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        where = Path(folder).relative_to(out)
        if MANIFEST in files and where.parts:
            known = _read(Path(folder))
            if known is not None:
                inner |= {(where / name).as_posix() for name in (*known.files, MANIFEST)}
        for name in files:
            if not name.startswith("."):
                yield (where / name).as_posix(), inner


def _read(out: Path) -> _Known | None:
    """Return what a run left in a folder, None if there is no such file or it is not ours."""
    try:
        if not (out / MANIFEST).is_file():
            return None
        found = json.loads((out / MANIFEST).read_bytes())
        known = _Known(**{**found, "files": tuple(found["files"])})
        texts = (known.command, known.options, known.state, *known.files)
        good = all(isinstance(one, str) for one in texts) and all(map(_is_below, known.files))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return known if good else None


def _write(out: Path, known: _Known, *, durable: bool) -> None:
    record = asdict(known) | {"files": sorted({*known.files} - {MANIFEST})}
    write_json(out / MANIFEST, record, durable=durable)


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _remove(out: Path, name: str) -> None:
    """Remove a file of a run, and the folders that are empty then; nothing behind a link."""
    path = out / name
    if not path.parent.resolve().is_relative_to(out.resolve()) or path.is_dir():
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == out or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()
