"""What all statistics share: they add up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from .namespace import constant, default_index, namespace, position
from .options import require_indices
from .typing import Array


@dataclass(frozen=True)
class Additive:
    """A frozen dataclass whose fields named in ``_sums`` are sums over pixels."""

    _sums: ClassVar[tuple[str, ...]]

    def __add__(self, other: Any) -> Self:
        """Return the statistic of both sets of pixels."""
        if isinstance(other, int) and other == 0:  # where sum() starts
            return self
        if not isinstance(other, type(self)):
            return NotImplemented
        self._require_same(other)
        first, second = (getattr(s, self._sums[0]) for s in (self, other))
        namespace(self=first, other=second)
        if first.shape != second.shape:
            raise ValueError(
                f"{type(self).__name__} objects to be added must have one shape, "
                f"got {tuple(first.shape)} and {tuple(second.shape)}"
            )
        return replace(self, **{n: getattr(self, n) + getattr(other, n) for n in self._sums})

    __radd__ = __add__

    def _require_same(self, other: Self) -> None:
        """Raise ValueError unless what is no sum is the same in both."""

    def _map(self, function: Callable[[Array], Array]) -> Self:
        """Apply a function to every sum."""
        return replace(self, **{n: function(getattr(self, n)) for n in self._sums})


class Regional(Additive):
    """A statistic whose fields have their classes along an axis of their own."""

    def take(self, indices: tuple[int, ...], axis: int = -1) -> Self:
        """Return the statistic of some classes.

        Parameters
        ----------
        indices : tuple of int
            The positions to keep, in this order.
        axis : int, optional
            The axis of the fields that they count along.

        Returns
        -------
        Regional
            Of the same kind, with ``len(indices)`` entries along that axis.
        """
        first = getattr(self, self._sums[0])
        xp = namespace(self=first)
        axis = position(axis, first.ndim)
        indices = require_indices("indices", indices, first.shape[axis])
        index = constant(xp, indices, default_index(xp, first), first)
        return self._map(lambda a: xp.take(a, index, axis=axis))
