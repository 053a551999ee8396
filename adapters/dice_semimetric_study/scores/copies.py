"""Raters who are copies of each other, and so count twice in all that is made of raters."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dice_semimetric import Agreement

from ..faults import counted
from ..results.totals import total
from ..runs.logs import log


class Marked(NamedTuple):
    """What the raters of a structure mark in one case: its name, theirs, and how they agree.

    Others may be counted behind them.
    """

    task: str
    raters: Sequence[str]
    counts: Agreement


def report_copies(found: Iterable[Marked]) -> list[str]:
    """Warn of raters who mark the very same voxels in all cases of a task, two cases or more.

    In one case they may well agree by themselves. The warnings are returned.
    """
    texts = []
    groups: dict[tuple[str, ...], list[Agreement]] = {}
    for one in found:
        groups.setdefault((one.task, *one.raters), []).append(one.counts)
    for (task, *raters), each in groups.items():
        marking = sum(np.diagonal(counts.both)[: len(raters)].any() for counts in each)
        if marking < 2:
            continue
        same = np.asarray(total(each).copies())[: len(raters), : len(raters)]
        for i, j in np.argwhere(np.triu(same)):
            texts.append(
                f"{task}: raters {raters[i]} and {raters[j]} mark the very same voxels in all of "
                f"{counted(len(each), 'case')}: is one a copy of the other? It then counts twice"
            )
            log.warning("%s", texts[-1])
    return texts
