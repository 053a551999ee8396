"""Work on one item while a thread makes the next."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield items in order; while the caller works on one, a thread gets the next.

    Parameters
    ----------
    items : iterable
        What is costly to go through, such as a file that is read block by block.

    Yields
    ------
    Item
        The same items. What getting one raises is raised here.

    Examples
    --------
    >>> from dice_semimetric_cupy.ahead import read_ahead
    >>> list(read_ahead(n * n for n in range(4)))
    [0, 1, 4, 9]
    """
    iterator, end = iter(items), object()

    def following() -> Any:
        return next(iterator, end)

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        waiting = pool.submit(following)
        while (found := waiting.result()) is not end:
            waiting = pool.submit(following)
            yield found
