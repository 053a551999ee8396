"""What is kept of finished cases, so that a stopped run goes on where it was.

Every case has one small JSON file, there as a whole or not at all. It holds the result, the options
behind it, and for each file that was read its size, time of last change and SHA-256, with the
SHA-256 of its name, which may be that of a person's folder. A later run believes it as long as
names, sizes, times, options and the version are the same. Nothing but numbers and text is ever
loaded from it.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from dice_semimetric import __version__

from ..faults import CaseError
from ..files.atomic import remove_parts, write_bytes
from ..files.foreign import files_of
from ..files.opening import open_stored
from ..files.text import digest_of
from .each import Item, Named, Result

_FORMAT = 5
FOLDER = "records"


@dataclass(frozen=True)
class Input:
    """A file that was read, as it was then; without a digest before its bytes are read."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0
    sha256: str = ""

    @property
    def stamp(self) -> tuple[str, int, int, int, int]:
        """What shows, without reading the file, that it is another one."""
        return self.path, self.size, self.mtime_ns, self.ctime_ns, self.inode


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The result of a case and the files behind it."""

    value: Result
    inputs: tuple[Input, ...]


def stamped(paths: Iterable[Path]) -> tuple[Input, ...]:
    """Return name, size and time of the files, with those beside them that they need.

    Those that are not there are left out.
    """
    found = []
    for path in dict.fromkeys(file for one in paths for file in files_of(one)):
        try:
            status = path.stat()
        except OSError:  # whoever reads it reports that
            continue
        found.append(Input(str(path), *_marks(status)))
    return tuple(found)


def _marks(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return the size of a file and what changes when it is written or replaced.

    A file that takes another's name, with its size and time, has the time of that at least.
    """
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


#: The name of a written file below the output, its size and the times of its last change.
Stamp = tuple[str, int, int, int, int]


def stamp(path: Path, out: Path) -> Stamp:
    """Return what shows later whether a written file is still the same."""
    return path.relative_to(out).as_posix(), *_marks(path.stat())


def require_unchanged(stamps: Iterable[Stamp], out: Path) -> None:
    """Raise ValueError or OSError if a file was changed since it was written."""
    for name, *known in stamps:
        if stamp(out / name, out) != (name, *known):
            raise ValueError(f"{name} was changed")


def traced(item: Item, *, work: Callable[[Item], Result]) -> Done[Result]:
    """Return the result of an item with the digests of its files.

    A file that changes under the work makes it a fault: nobody knows what was read.
    """
    before = stamped(item.paths)
    value = work(item)
    found = tuple(Input(*i.stamp, sha256=_digest(i.path)) for i in before)
    after = {i.stamp for i in stamped(item.paths)}
    for one in before:
        if one.stamp not in after:
            raise CaseError(f"{Path(one.path).name} was changed while it was read")
    return Done(value, found)


class Records:
    """The records of an output, or of a ``part`` of its work, for runs with the same settings."""

    def __init__(self, out: Path, settings: dict[str, Any], part: str = "") -> None:
        self.folder = out / FOLDER / part
        # As it comes back from a file: tuples are lists then.
        self.settings = json.loads(json.dumps({"version": __version__, **settings}))
        remove_parts(self.folder)

    def save(self, item: Named, inputs: Sequence[Input], value: Any) -> None:
        """Keep a result that JSON can hold."""
        record = {
            "format": _FORMAT,
            "case": item.case,
            "task": item.task,
            "settings": self.settings,
            "inputs": [vars(i) | {"path": digest_of(i.path)} for i in inputs],
            "result": value,
        }
        text = json.dumps(record, allow_nan=False, separators=(",", ":"))
        # Thousands of small files: a power cut may lose the last ones, which are then done again.
        write_bytes(self.path(item), text.encode(), durable=False)

    def load(self, item: Named, decode: Callable[[Any], Result]) -> Done[Result] | None:
        """Return the result of an item and its inputs, or None unless nothing has changed."""
        try:
            record = json.loads(self.path(item).read_bytes())
            now = stamped(item.paths)
            kept = [Input(**i) for i in record["inputs"]]
            same = (
                (record["format"], record["case"], record["task"], record["settings"])
                == (_FORMAT, item.case, item.task, self.settings)
            ) and [i.stamp for i in kept] == [(digest_of(i.path), *i.stamp[1:]) for i in now]
            inputs = tuple(replace(i, sha256=k.sha256) for i, k in zip(now, kept, strict=False))
            return Done(decode(record["result"]), inputs) if same else None
        except (OSError, ValueError, TypeError, KeyError):
            return None  # none, or damaged: the case is done again

    def path(self, item: Named) -> Path:
        """Return the file of a record, legal and unlike others whatever the case is called."""
        digest = digest_of(f"{item.case}\0{item.task}")
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{item.case} {item.task}").strip("._")[-60:]
        return self.folder / f"{readable}-{digest[:16]}.json"


def _digest(path: str) -> str:
    with open_stored(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
