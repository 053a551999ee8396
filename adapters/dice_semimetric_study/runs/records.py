"""What is kept of finished cases, so that a stopped run goes on where it was.

Every case has one small JSON file, there as a whole or not at all. It holds the result, the options
behind it, and for each file that was read its size, time of last change and SHA-256, with the
SHA-256 of its name, which may be that of a person's folder. A later run believes it as long as
names, sizes, times, options and the version are the same. Nothing but numbers and text is ever
loaded from it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from dice_semimetric import __version__

from ..files.atomic import remove_parts, write_bytes
from .each import Item, Named, Result

_FORMAT = 4
FOLDER = "records"


@dataclass(frozen=True)
class Input:
    """A file that was read, as it was then; without a digest before its bytes are read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""

    @property
    def stamp(self) -> tuple[str, int, int]:
        """What shows, without reading the file, that it is another one."""
        return self.path, self.size, self.mtime_ns


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The result of a case and the files behind it."""

    value: Result
    inputs: tuple[Input, ...]


def stamped(paths: Iterable[Path]) -> tuple[Input, ...]:
    """Return name, size and time of the files; those that are not there are left out."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:  # whoever reads it reports that
            continue
        found.append(Input(str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)


#: The name of a written file below the output, its size and the time of its last change.
Stamp = tuple[str, int, int]


def stamp(path: Path, out: Path) -> Stamp:
    """Return what shows later whether a written file is still the same."""
    status = path.stat()
    return path.relative_to(out).as_posix(), status.st_size, status.st_mtime_ns


def require_unchanged(stamps: Iterable[Stamp], out: Path) -> None:
    """Raise ValueError or OSError if a file was changed since it was written."""
    for name, *known in stamps:
        if stamp(out / name, out) != (name, *known):
            raise ValueError(f"{name} was changed")


def traced(item: Item, *, work: Callable[[Item], Result]) -> Done[Result]:
    """Return the result of an item with the digests of its files.

    The times are those before the work, so that a file which changes under it is read again.
    """
    before = stamped(item.paths)
    value = work(item)
    return Done(value, tuple(Input(*i.stamp, sha256=_digest(i.path)) for i in before))


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
            "inputs": [vars(i) | {"path": _digest_of(i.path)} for i in inputs],
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
            ) and [i.stamp for i in kept] == [(_digest_of(i.path), *i.stamp[1:]) for i in now]
            inputs = tuple(replace(i, sha256=k.sha256) for i, k in zip(now, kept, strict=False))
            return Done(decode(record["result"]), inputs) if same else None
        except (OSError, ValueError, TypeError, KeyError):
            return None  # none, or damaged: the case is done again

    def path(self, item: Named) -> Path:
        """Return the file of a record, legal and unlike others whatever the case is called."""
        name = f"{item.case}\0{item.task}"
        digest = _digest_of(name)
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{item.case} {item.task}").strip("._")[-60:]
        return self.folder / f"{readable}-{digest[:16]}.json"


def _digest_of(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", errors="surrogateescape")).hexdigest()


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
