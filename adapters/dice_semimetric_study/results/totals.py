"""Statistics that add up: over blocks, cases and regions."""

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any, Protocol, Self, TypeVar


class Additive(Protocol):
    """Anything that can be added to its like."""

    def __add__(self, other: Any, /) -> Self:
        """Return the sum."""


Statistic = TypeVar("Statistic", bound=Additive)


def total(statistics: Iterable[Statistic]) -> Statistic:
    """Return the sum of one statistic or more."""
    return reduce(add, statistics)


def total_by_name(found: Iterable[tuple[str, Statistic]]) -> dict[str, Statistic]:
    """Return the sum of the statistics of each name, in the order in which names appear."""
    totals: dict[str, Statistic] = {}
    for name, statistic in found:
        totals[name] = totals[name] + statistic if name in totals else statistic
    return totals
