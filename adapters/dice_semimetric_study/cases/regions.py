"""Which labels make which structure, from a small TOML file.

.. code-block:: toml

    ignore = [255]               # voxels with these labels do not count
    channels = [0, 2, 3, 5]      # the label, or the region, of each channel of a prediction

    [regions]
    liver = [5]
    kidneys = [2, 3]
"""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..faults import CaseError, UsageError
from ..files.atomic import names_a_file
from ..files.names import one_spelling
from ..files.text import read_small
from .patterns import TASK
from .values import NEAR_PROBABILITY

#: What a channel or a file of a class stands for: a label's number or a region's name.
Class = int | str
#: By how much each of several probabilities may add to more than 1 in all: half a step of 8 bits.
_ROUNDING = 0.5 / 255
#: What the row over all structures is called, in one table or another.
RESERVED = ("all", "all tasks", "overall")


@dataclass(frozen=True)
class Regions:
    """Named sets of labels.

    Attributes
    ----------
    labels : dict
        The labels of each region.
    ignore : tuple of int
        The labels of voxels that do not count.
    channels : tuple of int or str
        What the channels of a prediction stand for; empty: the labels 0, 1, 2, ...
    """

    labels: dict[str, tuple[int, ...]]
    ignore: tuple[int, ...] = ()
    channels: tuple[Class, ...] = ()

    def class_of(self, name: str) -> Class:
        """Return what the file of a class stands for by its name, or raise CaseError."""
        if name in self.labels:
            return name
        if name.isdecimal():
            return int(name)
        raise CaseError(f"{name} is neither a region nor the number of a label")

    def probability(
        self, region: str, classes: dict[Class, NDArray[np.float32]], name: str
    ) -> NDArray[np.float32]:
        """Return the probability of a region: its own, or the sum of those of its labels.

        A label without a probability, and a sum above 1, raise CaseError.
        """
        if region in classes:
            return classes[region]
        missing = [n for n in self.labels[region] if n not in classes]
        if missing:
            raise CaseError(f"{name} has no probability of label {missing[0]} of {region}")
        parts = [classes[n] for n in self.labels[region]]
        if len(parts) == 1:
            return parts[0]
        total = np.asarray(np.sum(parts, axis=0, dtype=np.float32))
        if total.size and total.max() > 1 + len(parts) * _ROUNDING + NEAR_PROBABILITY:
            raise CaseError(
                f"the probabilities of {region} in {name} add up to {total.max()!s}: "
                "give the channels of regions the regions' names if they overlap"
            )
        return np.asarray(np.minimum(total, 1, out=total))


def read_regions(path: Path) -> Regions:
    """Read a TOML file of regions, or the labels in a ``dataset.json`` of nnU-Net's or of MSD's.

    Raises
    ------
    UsageError
        If it cannot be read or holds something else.
    """
    described = path.suffix.lower() == ".json"
    try:
        text = one_spelling(read_small(path).decode("utf-8-sig"))
        found = _described(json.loads(text), path) if described else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the regions in {path}: {reason}") from error
    except (RecursionError, MemoryError) as error:
        raise UsageError(f"cannot read the regions in {path}: too much is nested") from error
    unknown = set(found) - {"regions", "ignore", "channels"}
    regions = found.get("regions")
    if unknown or not isinstance(regions, dict) or not regions:
        wrong = f"unknown: {', '.join(sorted(unknown))}" if unknown else "there are no regions"
        raise UsageError(f"{path} must hold [regions], and may hold ignore and channels; {wrong}")
    for name in regions:
        _require_own_name(name, path)
    labels = {name: _labels(value, f"region {name}", path) for name, value in regions.items()}
    channels = found.get("channels", [])
    if not isinstance(channels, list) or not all(_is_label(c) or c in labels for c in channels):
        raise UsageError(f"channels in {path} must be labels or names of regions, got {channels}")
    if len(set(channels)) != len(channels):
        raise UsageError(f"channels in {path} must differ, got {channels}")
    ignore = _labels(found.get("ignore", []), "ignore", path, empty=True)
    return Regions(labels, ignore, tuple(channels))


def _described(found: Any, path: Path) -> dict[str, Any]:
    """Return the labels of a ``dataset.json`` as the regions of a TOML file.

    nnU-Net writes names with labels, older data sets numbers with names, as strings.
    """
    labels = found.get("labels") if isinstance(found, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise UsageError(f'{path} must hold "labels", as nnU-Net has them')
    regions: dict[str, list[Any]] = {}
    for name, value in labels.items():
        if name.strip().isdecimal() and isinstance(value, str) and not value.strip().isdecimal():
            name, value = value, int(name)  # noqa: PLW2901
        values = value if isinstance(value, list) else [value]
        numbers = [int(v) if isinstance(v, str) and v.strip().isdecimal() else v for v in values]
        regions.setdefault(name, []).extend(numbers)
    ignore = regions.pop("ignore", [])
    several = any(isinstance(value, list) for value in labels.values())
    regions = {n: v for n, v in regions.items() if n.lower() != "background" and v != [0]}
    return {"regions": regions, "ignore": ignore, "channels": list(regions) if several else []}


def _require_own_name(name: str, path: Path) -> None:
    """Raise UsageError unless a region can be told from all else in the tables."""
    if not name:
        raise UsageError(f"a region in {path} must have a name, got ''")
    if name.strip() in RESERVED:
        raise UsageError(
            f"a region in {path} cannot have the name {name}, which the row over all structures "
            "has: give it another one, such as whole"
        )
    if re.match(r"task[^/]*/", name):
        raise UsageError(
            f"a region in {path} cannot have the name {name}, which that of another task could "
            "have: give it one without task and / in front"
        )


def _labels(value: Any, name: str, path: Path, *, empty: bool = False) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(map(_is_label, value)) or not (value or empty):
        raise UsageError(f"{name} in {path} must be a list of labels such as [1, 2], got {value}")
    return tuple(value)


def _is_label(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def task_name(task: str, region: str) -> str:
    """Return what a region of a task is called; the empty region is all of it."""
    if not region:
        return task
    return region if task == TASK else f"{task}/{region}"


def require_file_names(regions: Regions | None) -> None:
    """Raise UsageError unless a map can be named after each region."""
    for name in regions.labels if regions else ():
        if not names_a_file(name) or name.startswith("seg"):
            raise UsageError(
                f"a region cannot have the name {name!r}, since its maps are named after it: "
                "no separator, = or control character, no dot or dash in front; and a name "
                "that starts with seg would be a rater's"
            )
