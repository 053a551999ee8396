"""What all statistics share: they add up, in double precision."""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, ParamSpec, Self, TypeVar, cast

import array_api_compat as compat

from .devices import is_eager
from .namespace import constant, default_index, is_floating, namespace, position
from .native import double_precision, widest_float
from .options import require_indices
from .typing import Array, Namespace

P = ParamSpec("P")
R = TypeVar("R")


def in_double(xp: Namespace, arrays: Iterable[Array]) -> list[Array]:
    """Return sums in float64, or in the widest type that there is; counts as they are.

    In float32 a count of pixels that are added one by one stalls at 2 ** 24.
    """
    arrays = list(arrays)
    dtype = widest_float(xp, arrays[0])
    wide = (a.dtype == dtype or not is_floating(xp, a) for a in arrays)
    return [a if w else xp.astype(a, dtype) for a, w in zip(arrays, wide, strict=True)]


def exact(formula: Callable[P, R]) -> Callable[P, R]:
    """Let a formula of a statistic take sums that JAX holds in 64 bits with its switch not set.

    An array that it returns is in float32 again, as everything else in JAX is. A statistic, such
    as that of some classes, stays in 64 bits.
    """

    name = next(iter(inspect.signature(formula).parameters))

    @functools.wraps(formula)
    def taken(*args: P.args, **options: P.kwargs) -> R:
        statistic: Any = args[0] if args else options.get(name)
        first = getattr(statistic, statistic._sums[0]) if isinstance(statistic, Additive) else None
        if not compat.is_jax_array(first) or first.dtype.itemsize < 8:
            return formula(*args, **options)
        xp = namespace(statistic=first)
        usual = widest_float(xp, first)
        if usual == xp.float64:  # the switch is set
            return formula(*args, **options)
        with double_precision(xp):
            found: Any = formula(*args, **options)
            if isinstance(found, Additive) or found.dtype != xp.float64:
                return cast(R, found)
            return cast(R, xp.astype(found, usual))

    return taken


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
        return replace(self, **{n: _added(getattr(self, n), getattr(other, n)) for n in self._sums})

    __radd__ = __add__

    def _require_same(self, other: Self) -> None:
        """Raise ValueError unless what is no sum is the same in both."""

    def _map(self, function: Callable[[Array], Array]) -> Self:
        """Apply a function to every sum."""
        return replace(self, **{n: function(getattr(self, n)) for n in self._sums})


def _added(one: Array, other: Array) -> Array:
    """Return the sum, in 64 bits where the library has them or lends them."""
    xp = namespace(self=one, other=other)
    wide = one.dtype == other.dtype and one.dtype in (xp.float64, xp.int64)
    if wide and not compat.is_jax_namespace(xp):  # as it mostly is; JAX hides 64 bits
        return one + other
    if not is_eager(one, other):  # inside a jitted loop a carry keeps its dtype
        return one + other
    with double_precision(xp):
        if is_floating(xp, one):
            first, second = in_double(xp, (one, other))
        else:
            first, second = (xp.astype(a, xp.int64, copy=False) for a in (one, other))
        return first + second


class Regional(Additive):
    """A statistic whose fields have their classes along an axis of their own."""

    @exact
    def take(self, indices: tuple[int, ...], axis: int = -1) -> Self:
        """Return the statistic of some classes.

        Parameters
        ----------
        indices : tuple of int
            The positions to keep, in this order: different ones, counted from 0 and not negative.
        axis : int, optional
            The axis of the fields that they count along.

        Returns
        -------
        Regional
            Of the same kind, with ``len(indices)`` entries along that axis.

        Raises
        ------
        TypeError
            If ``indices`` is no sequence of integers, or ``axis`` no integer.
        ValueError
            If a position is negative, out of range or there twice, or if there is none.
        """
        first = getattr(self, self._sums[0])
        xp = namespace(self=first)
        axis = position(axis, first.ndim)
        indices = require_indices("indices", indices, first.shape[axis])
        index = constant(xp, indices, default_index(xp, first), first)
        return self._map(lambda a: xp.take(a, index, axis=axis))
