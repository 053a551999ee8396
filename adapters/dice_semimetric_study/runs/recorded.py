"""A whole study: what earlier runs left is taken over, the rest is done, and all of it is kept."""

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dice_semimetric import __version__

from ..faults import Fault, reason_of
from ..files.atomic import Written
from ..files.json import write_json
from .cluster import Workers
from .each import HERE, Item, Named, Result, each_case, report, stopped
from .encoding import from_json, to_json
from .logs import log
from .output import RECORD, Output, claim
from .records import Done, Records, require_unchanged, traced

_PACKAGES = ("numpy", "scipy", "nibabel", "array-api-compat", "isal", "deflate", "distributed")


@dataclass(frozen=True)
class Run:
    """Who does the work, and what is kept.

    Attributes
    ----------
    out : Path
        The folder for the results; former results stay until the new ones are whole.
    workers : Workers
        Who does the work; the results are the same.
    resume : bool
        Whether what an earlier run made of the same files with the same options stays.
    overwrite : bool
        Whether the files of another run in that folder may be replaced; others never are.
    """

    out: Path
    workers: Workers = HERE
    resume: bool = False
    overwrite: bool = False

    def claim(self, command: str, options: Any, files: Iterable[str]) -> Output:
        """Take the folder for the results of a run; see `claim`."""
        how = {"resume": self.resume, "overwrite": self.overwrite}
        return claim(self.out, command, options, {RECORD, *files}, **how)


def each_recorded(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    kinds: Sequence[type],
    run: Run,
    settings: dict[str, Any],
    faults: list[Fault],
    action: str,
    part: str = "",
) -> list[tuple[Item, Done[Result]]]:
    """Return the results of the good cases in the order of the items; the faults get the others.

    With ``run.resume``, cases whose files and settings are those of an earlier run are not done
    again. What is done stays when the user stops the run, which is a fault of the run. ``part``
    sets the records of a second kind of work apart. ``kinds`` are the dataclasses of a result, as
    `from_json` takes them; files in ``run.out`` that its ``maps`` names are as it left them.
    """

    def decode(value: Any) -> Result:
        found: Result = from_json(value, kinds)
        require_unchanged(getattr(found, "maps", ()), run.out)
        return found

    def note(item: Item, done: Done[Result]) -> None:
        """Count the maps of a case, and its record, as files of this run."""
        for name, *_ in getattr(done.value, "maps", ()):
            Written.note(run.out / name)
        Written.note(kept.path(item))

    kept = Records(run.out, settings, part)
    finished: dict[int, Done[Result]] = {}
    if run.resume:
        for i, item in enumerate(items):
            known = kept.load(item, decode)
            if known is not None:
                finished[i] = known
                note(item, known)
        log.info("%d of %d cases are done already (%s)", len(finished), len(items), action)
    todo = [item for i, item in enumerate(items) if i not in finished]
    places = {id(item): i for i, item in enumerate(items)}  # two may have the same names
    trouble: list[Fault] = []

    def keep(item: Item, done: Done[Result]) -> None:
        finished[places[id(item)]] = done
        note(item, done)
        try:
            kept.save(item, done.inputs, to_json(done.value))
        except OSError as error:
            if not trouble:
                trouble.append(
                    Fault("run", "", f"the records cannot be written: {reason_of(error)}")
                )
                report(trouble)

    try:
        each_case(
            partial(traced, work=work),
            todo,
            results=[],
            faults=faults,
            action=action,
            workers=run.workers,
            keep=keep,
        )
    except KeyboardInterrupt:
        faults.append(stopped(len(finished), len(items)))
    faults += trouble
    return [(items[i], finished[i]) for i in sorted(finished)]


def write_run(
    out: Path,
    command: str,
    settings: dict[str, Any],
    done: Sequence[tuple[Named, Done[Any]]],
    *,
    name_of: Callable[[str], str],
    faults: Sequence[Fault] = (),
    stopped: str = "",
) -> dict[str, Any]:
    """Return all that is needed to get the same results again, and to check that.

    It is written to ``run.json`` if anything is done, with the names that ``name_of`` gives files.
    The faults are for commands that write no summary. ``stopped`` is that the user stopped the run.
    """
    versions = {"python": platform.python_version(), "dice-semimetric": __version__}
    versions |= {name: found for name in _PACKAGES if (found := _version(name))}
    inputs = [
        {
            "case": i.case,
            "task": i.task,
            "files": [asdict(f) | {"path": _shown_path(i, f.path, name_of)} for f in d.inputs],
        }
        for i, d in done
    ]
    record: dict[str, Any] = {
        "command": command,
        "versions": versions,
        "platform": platform.platform(),
        "settings": settings,
        "inputs": inputs,
    }
    if any(getattr(i, "hidden", "") for i, _ in done):
        record["anonymous"] = True
    if faults:
        record["faults"] = [asdict(fault) for fault in faults]
    if stopped:
        record["stopped"] = stopped
    if done:
        write_json(out / RECORD, record)
    return record


def _shown_path(item: Named, path: str, name_of: Callable[[str], str]) -> str:
    shown = getattr(item, "shown_path", None)
    return name_of(path) if shown is None else str(shown(path, name_of(path)))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
