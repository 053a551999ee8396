"""What can go wrong, in two kinds: one case is faulty, or the whole run cannot start."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class CaseError(Exception):
    """Something is wrong with the files of one case; the other cases are not concerned."""


class UsageError(Exception):
    """The run cannot start: an option, or a folder that cannot be read or written."""


def printable(text: str) -> str:
    """Return one line that any terminal and log takes, whatever characters the file names hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def show(text: str) -> None:
    """Print lines, each as any terminal takes it."""
    print("\n".join(map(printable, text.split("\n"))))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as "1 case" or "2 cases"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Fault:
    """A case that could not be done, and why.

    Attributes
    ----------
    case : str
        The name of the case.
    task : str
        The name of the task, empty where the fault concerns all of them.
    reason : str
        What is wrong, for a person to read.
    """

    case: str
    task: str
    reason: str

    def __str__(self) -> str:
        """Return one line, whatever characters the file names hold."""
        name = f"{self.case} {self.task}".strip()
        return printable(f"{name}: {self.reason}")


#: Faults of one kind that have a line each.
FEW = 3


def kind_of(fault: Fault) -> str:
    """Return what faults that repeat have in common: the reason but for values and the case."""
    reason = fault.reason.replace(fault.case, "") if fault.case else fault.reason
    return re.sub(r"\d+\.\d+|\d{3,}", "0", reason)


def grouped(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Return faults of one kind together where there are many, and each other one by itself."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(kind_of(fault), []).append(fault)
    few = ([[one] for one in group] if len(group) <= FEW else [group] for group in kinds.values())
    return [group for groups in few for group in groups]


def line_of(faults: Sequence[Fault]) -> str:
    """Return one line about one fault, or about many of one kind."""
    first = faults[0]
    if len(faults) == 1:
        return str(first)
    names = list(dict.fromkeys(fault.case for fault in faults))
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    same = all(fault.reason == first.reason for fault in faults)
    reason = first.reason if same else f"such as {first.reason}"
    return printable(f"{counted(len(names), 'case')}: {reason}; {', '.join(names[:FEW])}{more}")


@dataclass(frozen=True)
class Failure:
    """What stands for the result of a case that could not be done."""

    reason: str


def reason_of(error: Exception) -> str:
    """Return what went wrong, without the folders of the file that it is about."""
    if isinstance(error, OSError) and error.filename is not None:
        name = os.path.basename(os.fsdecode(error.filename))
        return f"{name}: {error.strerror or type(error).__name__}"
    ours = isinstance(error, CaseError | OSError | ValueError | TypeError)
    return str(error) if ours else f"{type(error).__name__}: {error}"


def comes_of_stop(error: BaseException | None) -> bool:
    """Return whether Ctrl-C is what an error comes of.

    A compiled module that it strikes while it is imported raises ImportError.
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def require_no_stop(error: Exception) -> None:
    """Raise KeyboardInterrupt if that is what an error comes of."""
    if comes_of_stop(error):
        raise KeyboardInterrupt from error


def attempt(work: Callable[[Item], Result], item: Item) -> Result | Failure:
    """Return the result, or what went wrong: whatever it is, it is about this case only."""
    try:
        return work(item)
    except Exception as error:
        require_no_stop(error)
        return Failure(reason_of(error))
