"""Which cases of a study have pictures on its page, and these pictures."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from ...cases.blocks import Reading
from ...cases.pairing import Rated
from ...faults import CaseError, reason_of
from ...runs.logs import is_quiet, log
from ..bootstrap import mean_of_known
from .parts import Drawn

#: Structures with pictures, unless those of all cases are wanted.
MOST_TASKS = 8
#: Pixels of a picture's longer side, and the number of cases above which it shrinks.
_PIXELS, _LEAST, _MANY = 256, 96, 48


@dataclass(frozen=True)
class Candidate:
    """A case that may be drawn: its files, its structure, and the score that it is ordered by."""

    case: str
    task: str
    score: float
    files: Rated
    region: str
    reading: Reading
    figures: str = ""


#: A case to draw, behind its place in the order, such as "worst".
Chosen = tuple[str, Candidate]


def choose(found: Sequence[Candidate], wanted: int | None) -> tuple[list[Chosen], list[str]]:
    """Return so many cases of each structure, None for all, and the structures left out.

    They are the cases with the least score, the largest and the middle one, then those with the
    least behind the first. Of many structures those with the least mean are shown. A case without
    a score stands for nothing, and is there only where all are.
    """
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for one in found:
        if not math.isnan(one.score) or wanted is None:
            groups[one.task].append(one)
    tasks = sorted(groups, key=lambda t: (mean_of_known(c.score for c in groups[t]), t))
    most = len(tasks) if wanted is None else MOST_TASKS
    chosen = [c for t in sorted(tasks[:most]) for c in _of_one(groups[t], wanted)]
    return chosen, sorted(tasks[most:]) if wanted else []


def _of_one(found: Sequence[Candidate], wanted: int | None) -> list[Chosen]:
    known = [c for c in found if not math.isnan(c.score)]
    order = sorted(known, key=lambda c: (c.score, c.case))
    last = len(order) - 1
    names = {0: "worst", last: "best", last // 2: "median"} | {0: "worst" if last else "only"}
    places = sorted([*dict.fromkeys([*names, *range(last + 1)])][:wanted]) if order else []
    ranked = [(names.get(p, f"{p + 1} of {last + 1}"), order[p]) for p in places]
    return ranked + [("no score", c) for c in found if math.isnan(c.score)]


def draw_cases(chosen: Sequence[Chosen]) -> list[Drawn]:
    """Return the cases with their pictures, for which their files are read again one by one.

    The more there are the smaller are the pictures, so that a page stays one that opens.
    """
    shrunk = math.isqrt(_PIXELS * _PIXELS * _MANY // max(_MANY, len(chosen)))
    pixels = max(_LEAST, shrunk)
    hidden = True if is_quiet() else None
    bar = tqdm(chosen, desc="draw", unit="case", disable=hidden, leave=False)
    return [_drawn(rank, one, pixels) for rank, one in bar]


def _drawn(rank: str, one: Candidate, pixels: int) -> Drawn:
    from .pictures import draw  # matplotlib is slow to import
    from .planes import read_plane

    named: dict[str, Any] = {"case": one.case, "task": one.task, "rank": rank}
    named["figures"] = one.figures
    try:
        plane = read_plane(one.files, one.region, one.reading)
        return Drawn(**named, plane=plane, pictures=draw(plane, pixels))
    except (CaseError, OSError) as error:  # it was read, and has changed since
        text = one.files.shown(str(error))
        log.warning("no picture of %s %s: %s", one.case, one.task, text)
        return Drawn(**named, reason=one.files.shown(reason_of(error)))
