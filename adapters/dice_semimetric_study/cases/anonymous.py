"""Names that stand for those of cases in all that is passed on."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..files.atomic import write_text
from ..files.names import without_ending

_COLUMNS = ("name", "case")
_SHORT = 3  # digits of a number that is more likely a value than somebody's


def aliases_of(names: Iterable[str]) -> dict[str, str]:
    """Return case-001 and so on for the names of cases, in their order.

    >>> from dice_semimetric_study.cases.anonymous import aliases_of
    >>> aliases_of(["Miller", "Jones"])
    {'Jones': 'case-001', 'Miller': 'case-002'}
    """
    known = sorted(set(names))
    digits = max(3, len(str(len(known))))
    return {name: f"case-{i:0{digits}d}" for i, name in enumerate(known, start=1)}


def write_names(path: Path, aliases: Mapping[str, str]) -> None:
    """Write which case has which name, as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(
        [_COLUMNS, *((alias, name) for name, alias in aliases.items())]
    )
    write_text(path, text.getvalue())


def is_names(content: bytes) -> bool:
    """Return whether `write_names` wrote it."""
    return content.startswith(",".join(_COLUMNS).encode() + b"\n")


def hide(text: str, case: str, alias: str, files: Mapping[Path, str]) -> str:
    """Return a text without the name of a case, and with words in the place of its files' names.

    >>> from pathlib import Path
    >>> from dice_semimetric_study.cases.anonymous import hide
    >>> files = {Path("ann/MR-47_seg1.nii.gz"): "reference 1"}
    >>> hide("MR-47_seg1.nii.gz lacks what MR-47 has", "MR-47", "case-001", files)
    'reference 1 lacks what case-001 has'
    """
    words = {str(path.parent): "a folder" for path in files if path.parent.name}
    for path, word in files.items():
        words |= dict.fromkeys((str(path), path.name, without_ending(path.name)), word)
        side = word.split()[0]
        words[f"the {side} {path.name}"] = f"the {word}"
    words |= dict.fromkeys((case, *case.split("/")[-1:]), alias)
    for name in sorted(filter(_tells, words), key=len, reverse=True):
        text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", words[name], text)
    return text


def _tells(name: str) -> bool:
    return bool(name) and not (name.isdecimal() and len(name) <= _SHORT)
