"""Do something with case after case: one in memory at a time, a faulty one stops no other."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from tqdm import tqdm

from ..faults import FEW, Failure, Fault, grouped, kind_of, line_of
from .cluster import Workers, outcomes
from .logs import is_quiet, is_verbose, log

HERE = Workers()
_STOPPED = "stopped by the user"


class Named(Protocol):
    """Anything that is about one task of one case."""

    @property
    def case(self) -> str:
        """Name of the case."""

    @property
    def task(self) -> str:
        """Name of the task."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All its files."""


Item = TypeVar("Item", bound=Named)
Result = TypeVar("Result")


def each_case(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    results: list[Result],
    action: str,
    faults: list[Fault] | None = None,
    workers: Workers = HERE,
    keep: Callable[[Item, Result], None] | None = None,
) -> list[Fault]:
    """Append the results of the good cases to a list and return the faults of the others.

    A progress bar is shown where stderr is a terminal, and a fault as it is met; of many of one
    kind the first few, and all in one line at the end. What is done
    stays when the user stops the run: the results, and the faults if a list for them is
    given. Both come in the order of the items, whoever did the work. ``keep`` is called in this
    process with each result as soon as it is there.
    """
    items = list(items)
    done: dict[int, Result] = {}
    failed: dict[int, Fault] = {}
    kinds: Counter[str] = Counter()
    try:
        # disable=None makes tqdm look for a terminal.
        hidden = True if is_quiet() else None
        with tqdm(total=len(items), desc=action, unit="case", disable=hidden, leave=False) as bar:
            for i, outcome in outcomes(work, items, workers):
                if isinstance(outcome, Failure):
                    shown = getattr(items[i], "shown", str)  # where names are hidden
                    failed[i] = Fault(items[i].case, items[i].task, shown(outcome.reason))
                    kind = kind_of(failed[i])
                    kinds[kind] += 1
                    if kinds[kind] <= FEW or is_verbose():
                        report([failed[i]])
                else:
                    done[i] = outcome
                    log.debug("done: %s %s", items[i].case, items[i].task)
                    if keep is not None:
                        keep(items[i], outcome)
                bar.update()
    finally:
        results += [done[i] for i in sorted(done)]
        faults = [] if faults is None else faults
        found = [failed[i] for i in sorted(failed)]
        faults += found
        if not is_verbose():
            report(f for f in found if kinds[kind_of(f)] > FEW)
    return faults


def stopped(done: int, total: int) -> Fault:
    """Report on stderr that the user stopped the run, and return that as a fault of the run."""
    fault = Fault("run", "", f"{_STOPPED} after {done} of {total} cases")
    report([fault])
    return fault


def stop_of(faults: Iterable[Fault]) -> str:
    """Return what `stopped` reported, nothing if the run went to its end."""
    return next((fault.reason for fault in faults if is_stop(fault)), "")


def without_stop(faults: Iterable[Fault]) -> tuple[list[Fault], str]:
    """Return the faults of cases, and what `stopped` reported, if it did."""
    faults = list(faults)
    return [fault for fault in faults if not is_stop(fault)], stop_of(faults)


def is_stop(fault: Fault) -> bool:
    """Return whether it is what `stopped` returns."""
    return (fault.case, fault.task) == ("run", "") and fault.reason.startswith(_STOPPED)


def report(faults: Iterable[Fault]) -> None:
    """Name faulty cases on stderr, many of one kind in one line unless each is to be reported."""
    faults = list(faults)
    for group in [[fault] for fault in faults] if is_verbose() else grouped(faults):
        tqdm.write(f"faulty: {line_of(group)}", file=sys.stderr)
