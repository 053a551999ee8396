"""The data sets in a folder, and what the paper calls them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dice_semimetric_study import UsageError

from .cases import Incomplete
from .datasets import Prepared, open_prepared
from .datasets.prepared import INDEX, read_json, split_folders

QUBIQ = (
    "Prostate T1",
    "Prostate T2",
    "Brain growth",
    "Brain tumor T1",
    "Brain tumor T2",
    "Brain tumor T3",
    "Kidney",
)
SCANS = ("LiTS", "KiTS")


@dataclass(frozen=True)
class Source:
    """A data set under the name that the tables give it."""

    name: str
    data: Prepared

    @property
    def raters(self) -> int:
        """The number of raters of its first sample."""
        return len(self.data.raters(0))


def find_sources(
    roots: Sequence[Path], *, groups: Path | None = None, incomplete: Incomplete = "raise"
) -> tuple[list[Source], list[str]]:
    """Return the data sets that some folders are or hold, and what is wrong with others.

    Raises UsageError if there is none that can be used.
    """
    found: dict[str, Source] = {}
    faults = []
    for folder in folders_of_data(roots):
        for task in tasks_of(folder):
            try:
                data = open_prepared(folder, task=task, groups=groups, incomplete=incomplete)
            except UsageError as error:
                faults.append(f"{folder.name}: {error}")
                continue
            name = paper_name(data)
            if not len(data):
                faults.append(f"{folder.name}: it has no sample")
            elif name in found:
                faults.append(f"{folder}: there is another {name}")
            else:
                found[name] = Source(name, data)
    if not found:
        raise UsageError("; ".join(faults) or f"{_listed(roots)}: no prepared data set is there")
    return list(found.values()), faults


def folders_of_data(roots: Sequence[Path]) -> list[Path]:
    """Return the folders themselves that are data sets, or those in them."""
    absent = [root for root in roots if not root.is_dir()]
    if absent:
        raise UsageError(f"{_listed(absent)}: not a folder of prepared data")
    found: list[Path] = []
    for root in roots:
        inner = sorted(root.iterdir())
        found += [root] if looks_like_data(root) else filter(looks_like_data, inner)
    return found


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def looks_like_data(folder: Path) -> bool:
    """Return whether a folder is prepared, or has cases in the layout of QUBIQ."""
    if not folder.is_dir():
        return False
    index = read_json(folder / INDEX)  # or another file of this name, such as a list of patients
    return (isinstance(index, dict) and "format" in index) or bool(split_folders(folder))


def tasks_of(folder: Path) -> list[int | None]:
    """Return the tasks of a folder in the layout of QUBIQ; what is prepared has one, unnamed."""
    names = (path.name for path in folder.glob("*/*/task??_seg*.nii*"))
    tasks = {int(match[1]) for name in names if (match := re.match(r"task(\d\d)_seg", name))}
    return sorted(tasks) or [None]


def paper_name(data: Prepared) -> str:
    """Return what the paper's tables call a data set, or its own name."""
    plain = re.sub("[^a-z]", "", data.name.lower())
    if "lits" in plain or "kits" in plain:
        return "LiTS" if "lits" in plain else "KiTS"
    task = data.task or 1
    for key, name in (
        ("prostate", f"Prostate T{task}"),
        ("braingrowth", "Brain growth"),
        ("braintumor", f"Brain tumor T{task}"),
        ("kidney", "Kidney"),
    ):
        if key in plain:
            return name
    return data.name if data.task in (None, 1) else f"{data.name} T{task}"
