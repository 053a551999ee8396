"""What goes over the cases before and after they are scored."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from ..cases.pairing import Pair, Rated
from ..faults import Fault
from ..files.json import jsonable
from ..runs.each import report
from ..runs.recorded import Run, each_recorded
from ..scores.case_score import KINDS
from ..scores.missing import WorstScore, absent_of, worst_files
from ..scores.options import Options
from ..scores.spread import Spread, spread_files, tolerances


def with_tolerances(
    options: Options, pairs: Sequence[Pair], run: Run, faults: list[Fault]
) -> Options:
    """Return the options with the tolerance of each task, by the raters; the faults get the others.

    The references are read once more for that.
    """
    cases = [Rated(p.reference, mask=p.mask) for p in pairs if not p.fault]
    known = replace(options, nsd_tolerance=0.0)
    done = each_recorded(
        partial(spread_files, options=known),
        cases,
        kinds=(Spread,),
        run=run,
        settings={"spread": jsonable(asdict(known))},
        faults=faults,
        action="raters",
        part="spread",
    )
    spreads = [spread for _, one in done for spread in one.value]
    found = tolerances(spreads)
    lacking = [
        Fault("study", task, "no case has two raters who marked it: its NSD needs --tolerance MM")
        for task in sorted({s.task for s in spreads} - found.keys())
    ]
    report(lacking)
    faults += lacking
    return replace(options, nsd_tolerance=found)


def worst_of(
    options: Options,
    cases: Sequence[Rated],
    done: Sequence[tuple[Pair, Any]],
    run: Run,
    faults: list[Fault],
) -> list[tuple[Pair, Any]]:
    """Return the worst scores of the references whose prediction is missing or faulty."""
    absent = absent_of(cases, [pair for pair, _ in done], faults)
    found = each_recorded(
        partial(worst_files, options=options),
        absent,
        kinds=(WorstScore, *KINDS),
        run=run,
        settings={"missing": jsonable(asdict(options))},
        faults=faults,
        action="missing",
        part="missing",
    )
    return [
        (one.pair, replace(d, value=tuple(replace(s, fault=one.why) for s in d.value)))
        for one, d in found
        if d.value
    ]
