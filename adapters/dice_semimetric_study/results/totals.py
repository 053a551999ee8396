"""Statistics that add up: over blocks, cases and regions."""

from collections.abc import Iterable
from dataclasses import fields
from functools import reduce
from operator import add
from typing import Any, Protocol, Self, TypeVar


class Additive(Protocol):
    """Anything that can be added to its like."""

    def __add__(self, other: Any, /) -> Self:
        """Return the sum."""


Statistic = TypeVar("Statistic", bound=Additive)


class AddedByField:
    """A dataclass of statistics that are added field by field; None added to anything is None."""

    def __add__(self, other: Self) -> Self:
        """Return the statistics of both sets of pixels."""
        values: Any = self  # mypy knows no dataclass before it is decorated
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(values)]
        return type(self)(*(None if a is None or b is None else a + b for a, b in pairs))


def total(statistics: Iterable[Statistic]) -> Statistic:
    """Return the sum of one statistic or more."""
    return reduce(add, statistics)


def total_by_name(found: Iterable[tuple[str, Statistic]]) -> dict[str, Statistic]:
    """Return the sum of the statistics of each name, in the order in which names appear."""
    totals: dict[str, Statistic] = {}
    for name, statistic in found:
        totals[name] = totals[name] + statistic if name in totals else statistic
    return totals
