"""What can go wrong, in two kinds: one case is faulty, or the whole run cannot start."""

import os
from collections.abc import Callable
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


def attempt(work: Callable[[Item], Result], item: Item) -> Result | Failure:
    """Return the result, or what went wrong: whatever it is, it is about this case only."""
    try:
        return work(item)
    except Exception as error:
        return Failure(reason_of(error))
