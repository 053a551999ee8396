"""Which structures occur at all: two empty maps agree, though the label may be a mistake."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..cases.blocks import Reading
from ..faults import Fault, counted
from ..runs.each import report
from ..runs.logs import log
from .case_score import CaseScore

One = TypeVar("One")


@dataclass(frozen=True)
class Occurrence:
    """Whether a structure occurs in a case's reference and, if there is one, in its prediction.

    ``task`` is the name that tables have for the structure, and ``region`` that of its labels.
    """

    case: str
    task: str
    region: str
    in_reference: bool
    in_prediction: bool | None = None

    @property
    def anywhere(self) -> bool:
        """Whether it occurs in one of them."""
        return self.in_reference or bool(self.in_prediction)


def of_score(score: CaseScore, region: str) -> Occurrence:
    """Return where a structure of a scored case occurs: predicted, it reaches some threshold."""
    return Occurrence(
        score.case,
        score.task,
        region,
        in_reference=bool(np.any(score.soft_bins.correct)),
        in_prediction=bool(np.any(score.counts.pred) or np.any(score.hard.pred)),
    )


def occurring(
    found: Iterable[tuple[Occurrence, One]], reading: Reading, where: str, faults: list[Fault]
) -> list[One]:
    """Return what is of structures that occur; the faults get those that do not."""
    found = list(found)
    absent = report_absent((occurrence for occurrence, _ in found), reading, where)
    faults += absent
    gone = {fault.task for fault in absent}
    return [one for occurrence, one in found if occurrence.task not in gone]


def report_absent(
    found: Iterable[Occurrence], reading: Reading, where: str, *, then: str = "it gets no score"
) -> list[Fault]:
    """Return a fault for each structure that occurs in no case, and warn of those that some lack.

    Masks and probabilities may be empty, though hardly in all cases, which is a warning; what has
    a label is expected somewhere. ``where`` names what was looked through, and ``then`` what comes
    of it where there was nothing.
    """
    groups: dict[tuple[str, str], list[Occurrence]] = {}
    for one in found:
        groups.setdefault((one.task, one.region), []).append(one)
    faults = []
    for (task, region), each in groups.items():
        cases = counted(len(each), "case")
        without = [one.case for one in each if not one.anywhere]
        if not reading.has_labels:
            if len(without) == len(each):
                log.warning("%s: no %s of %s marks anything", task, where, cases)
            continue
        has = _has(reading, region)
        if len(without) == len(each):
            option = "--regions" if reading.regions else "--label"
            reason = f"no {where} of {cases} {has}: {then}; check {option}"
            faults.append(Fault("study", task, reason))
            continue
        if not any(one.in_reference for one in each):
            log.warning("%s: no reference of %s %s", task, cases, has)
        elif not any(one.in_prediction in (True, None) for one in each):
            log.warning("%s: no prediction of %s %s", task, cases, has)
        if without:
            log.warning("%s: no %s of %d of %s %s", task, where, len(without), cases, has)
        for case in without:
            log.debug("%s: no %s of %s %s", task, where, case, has)
    report(faults)
    return faults


def _has(reading: Reading, region: str) -> str:
    labels = reading.labels_of(region)
    listed = ", ".join(map(str, labels))
    return f"has {'any of the labels' if len(labels) > 1 else 'the label'} {listed}"
