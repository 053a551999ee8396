"""The labels that references hold, for whoever wants all of them scored."""

from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from ..faults import CaseError, UsageError
from .blocks import Reading
from .foreground import voxels_of
from .pairing import Rated
from .regions import Regions

#: More labels than any study names: then maps are something else.
_MOST = 1000


def every_label(cases: Iterable[Rated], reading: Reading) -> Regions:
    """Return each label but 0 that a reference holds as a region, named by its number.

    All references are read once for it. Those that are faulty are left to whoever scores them.

    Raises
    ------
    UsageError
        If there is no label, or there are too many.
    """
    found: set[int] = set()
    for case in cases:
        with suppress(CaseError):
            for voxels in voxels_of(case, reading):
                for labels in voxels.labels():
                    found.update(map(int, np.unique(labels)))
        if len(found) > _MOST:
            raise UsageError(f"--label all finds more than {_MOST} labels in the references")
    found -= {0, *reading.ignored}
    if not found:
        raise UsageError("--label all finds no label above 0 in the references")
    return Regions({str(label): (label,) for label in sorted(found)})
