"""The folder of a data set as nnU-Net knows it: DatasetNNN_NAME, each number once."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..cases.pairing import Rated
from ..cases.patterns import TASK
from ..faults import UsageError

_NAME = re.compile(r"Dataset(\d{3})_(.+)")
#: Where nnU-Net looks for data sets of a number, in this order.
_VARIABLES = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def require_free(out: Path) -> tuple[int, str]:
    """Return the number and the name of a data set, or raise UsageError if nnU-Net takes neither.

    nnU-Net finds a data set by its number, in all of its folders.
    """
    # The name that was given: what a link leads to is another one's.
    folder = Path(os.path.abspath(out))
    found = _NAME.fullmatch(folder.name)
    if found is None or int(found[1]) == 0:
        raise UsageError(
            "the folder of --out must be named DatasetNNN_NAME, NNN from 001 to 999, such as "
            f"nnUNet_raw/Dataset001_Prostate, got {folder.name!r}"
        )
    homes = [folder.parent, *(Path(os.environ[v]) for v in _VARIABLES if os.environ.get(v))]
    for home in homes:
        others = [p for p in home.glob(f"Dataset{found[1]}*") if p.is_dir()]
        for other in others:
            if other.name != folder.name:
                raise UsageError(
                    f"the number {found[1]} belongs to {other}, and nnU-Net finds a data set by "
                    "its number: choose another one"
                )
    return int(found[1]), found[2]


def identifiers(cases: Iterable[Rated]) -> dict[str, str]:
    """Return what nnU-Net calls each case: a name without folders, by which `evaluate` finds it.

    Raises
    ------
    UsageError
        If two cases would have one name.
    """
    names: dict[str, str] = {}
    for case in cases:
        last = case.case.split("/")[-1]
        name = last if case.task == TASK else f"{last}_{case.task}"
        if name in names.values():
            other = next(known for known, taken in names.items() if taken == name)
            raise UsageError(
                f"the cases {other} and {case.case} would both be named {name} in nnU-Net: "
                "give the folder of one of them"
            )
        names[case.case] = name
    return names
