"""Which cases are shown with pictures."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..cases.pairing import Pair
from ..results.bootstrap import mean_of_known
from ..scores.case_score import CaseScore

#: Structures with pictures; each adds some hundreds of kilobytes to the page.
MOST_TASKS = 8


@dataclass(frozen=True)
class Scored:
    """A score, the files behind it, and the structure, empty if there is one foreground."""

    pair: Pair
    region: str
    score: CaseScore


#: A case that stands for others, behind its place by BDice, such as "worst".
Chosen = tuple[str, Scored]


def choose(scored: Sequence[Scored]) -> tuple[list[Chosen], list[str]]:
    """Return the cases with the least, the middle and the largest BDice of each structure.

    Of many structures only those with the least mean are shown; the names of the others are
    returned beside. A case without a BDice, or with a fault, stands for nothing.
    """
    groups: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        if not (one.score.fault or math.isnan(one.score.bdice)):
            groups[one.score.task].append(one)
    tasks = sorted(groups, key=lambda t: (mean_of_known(s.score.bdice for s in groups[t]), t))
    shown = sorted(tasks[:MOST_TASKS])
    return [c for t in shown for c in _of_one(groups[t])], sorted(tasks[MOST_TASKS:])


def _of_one(scored: Sequence[Scored]) -> list[Chosen]:
    order = sorted(scored, key=lambda s: (s.score.bdice, s.score.case))
    if len(order) == 1:
        return [("only", order[0])]
    middle = (len(order) - 1) // 2
    places = {"worst": 0, "median": middle, "best": len(order) - 1}
    if middle == 0:
        del places["median"]
    return [(rank, order[place]) for rank, place in places.items()]
