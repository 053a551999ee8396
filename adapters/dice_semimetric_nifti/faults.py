"""What can go wrong, in two kinds: one case is faulty, or the whole run cannot start."""

from dataclasses import dataclass


class CaseError(Exception):
    """Something is wrong with the files of one case; the other cases are not concerned."""


class UsageError(Exception):
    """The run cannot start: an option, or a folder that cannot be read or written."""


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
        line = f"{name}: {self.reason}"
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
