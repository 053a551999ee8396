"""What raters said together of a pixel, and how often: all that their fusion must know.

A decision is what one rater said of one pixel: a number from 0 to ``base - 1``, of which the
highest may stand for a rater who is missing. Raters lie along axis 0.
"""

import math
from typing import NamedTuple

import numpy as np

from .devices import is_eager
from .namespace import constant, is_boolean, namespace, size
from .native import to_host, widest_float
from .raters import fold, in_front, look_up, marks_of, require_hard, require_raters
from .seam import accelerated
from .special import bincount, widen
from .typing import Array, DType, Namespace

#: So many joint decisions are counted in one table, whether they occur or not.
TABLE = 1 << 16
#: So many at most, where pixels are many more.
MOST = 1 << 24


class Decisions(NamedTuple):
    """The joint decisions of R raters.

    Attributes
    ----------
    table : Array
        (R + 1, P), floating: what each rater says, and in the last row how often that occurs.
    codes : Array or None
        The number of the joint decision at each pixel; None where pixels are the columns.
    columns : Array or None
        The column of each number; None where it is the number itself.
    """

    table: Array
    codes: Array | None
    columns: Array | None

    def of_pixels(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Return at each pixel the value of its joint decision; ``values`` are (P,)."""
        xp = namespace(values=values)
        if self.codes is None:
            return xp.reshape(values, shape)
        if self.columns is not None:
            values = xp.take(values, self.columns, axis=0)
        return look_up(self.codes, values)


def told(
    raters: Array, num_classes: int | None, rater_axis: int, present: Array | None
) -> tuple[Namespace, Array, int]:
    """Return the namespace, what each rater says along axis 0, and the number of classes.

    Where a rater is missing that is the number of classes. What the array holds there is not read.
    """
    if present is None:
        xp, raters = require_raters(raters, num_classes, rater_axis)
        return xp, raters, max(num_classes or 2, 2)
    xp, raters = require_hard(raters, rater_axis)
    there = _in_front(xp, raters, present, rater_axis)
    raters = xp.where(there, raters, xp.zeros_like(raters))
    require_raters(raters, num_classes)
    classes = max(num_classes or 2, 2)
    if num_classes is None or is_boolean(xp, raters):
        said = xp.astype(marks_of(xp, raters), xp.uint8)
    else:
        said = widen(xp, raters, classes)
    return xp, xp.where(there, said, xp.full_like(said, classes)), classes


def _in_front(xp: Namespace, raters: Array, present: Array, rater_axis: int) -> Array:
    """Return where raters are present, to be broadcast against them, or raise.

    ``raters`` have their axis in front already; ``present`` has it where they had it.
    """
    namespace(raters=raters, present=present)
    if not is_boolean(xp, present):
        raise TypeError(f"present must be of dtype bool, got {present.dtype}; write present > 0")
    shape, axis = tuple(raters.shape), rater_axis % raters.ndim
    given = shape[1 : axis + 1] + shape[:1] + shape[axis + 1 :]
    number = present.ndim
    axes = (axis,) if number == 1 else range(number)
    fits = number == 1 or axis < number <= raters.ndim
    if not (fits and all(n in (1, given[a]) for n, a in zip(present.shape, axes, strict=True))):
        raise ValueError(
            f"present must be of shape ({shape[0]},), or of that of the first axes of raters "
            f"{given} up to the raters' own or further, got {tuple(present.shape)}"
        )
    if number == 1:
        return xp.reshape(present, (-1, *(1,) * (raters.ndim - 1)))
    there = xp.reshape(present, (*present.shape, *(1,) * (raters.ndim - number)))
    return in_front(xp, there, axis)


@accelerated
def vote_patterns(raters: Array, base: int = 2) -> tuple[Array, Array]:
    """Return the number of the joint decision at each pixel, and how often each occurs.

    What rater r says is digit r of the number, to the base. A base of 2 is for masks. It is a
    reduction that an adapter replaces.
    """
    xp = namespace(raters=raters)
    number = raters.shape[0]
    length = base**number
    kind = xp.uint8 if length <= 256 else xp.int32 if length < 2**31 else xp.int64
    said = (_digit(xp, raters[r, ...], base) for r in range(number))
    codes = fold(xp.astype(digit, kind) * base**r for r, digit in enumerate(said))
    return codes, bincount(xp, xp.reshape(codes, (size(codes),)), length)


def _digit(xp: Namespace, labels: Array, base: int) -> Array:
    """Return what one rater says; what is no class, unchecked, as the nearest one."""
    if base == 2:
        return marks_of(xp, labels)
    return xp.clip(widen(xp, labels, base), 0, base - 1)


def decisions(raters: Array, base: int) -> Decisions:
    """Return the joint decisions of raters.

    Those that occur are counted, rater after rater, if values can be read; else all that there can
    be. Where that is more than a table holds, or than pixels, each pixel has a column of its own.
    """
    xp = namespace(raters=raters)
    number, pixels = raters.shape[0], math.prod(raters.shape[1:])
    found = None
    if is_eager(raters):
        found = _that_occur(xp, raters, base)
    elif base**number < min(TABLE + 1, pixels):
        codes, counts = vote_patterns(raters, base)
        every = constant(xp, list(range(base**number)), xp.int32, raters)
        said = [every // base**r % base for r in range(number)]
        found = Decisions(_table(xp, said, counts), codes, None)
    if found is not None:
        return found
    flat = xp.astype(xp.reshape(raters, (number, pixels)), widest_float(xp, raters))
    return Decisions(xp.concat([flat, xp.ones_like(flat[:1, :])], axis=0), None, None)


def _that_occur(xp: Namespace, raters: Array, base: int) -> Decisions | None:
    """Return the joint decisions that occur, or None where a table of them would be too large."""
    number, shape = raters.shape[0], tuple(raters.shape[1:])
    codes: Array = None
    counts, said = np.ones(1, int), np.empty((0, 1), int)
    while len(said) < number:
        known, done = said.shape[1], len(said)
        if known * base > max(TABLE, min(MOST, 4 * math.prod(shape))):
            return None
        more = min(number - done, _at_once(base, known))
        unit = base**more
        further, counted = vote_patterns(raters[done : done + more, ...], base)
        if codes is None:
            codes = further
        else:
            kind = xp.int32 if known * unit < 2**31 else xp.int64
            codes = _renumbered(xp, codes, counts, kind) * unit + xp.astype(further, kind)
            counted = bincount(xp, xp.reshape(codes, (math.prod(shape),)), known * unit)
        counts = to_host(xp, counted, "raters")
        there = np.flatnonzero(counts)
        said = np.concatenate([said[:, there // unit], _digits(there % unit, base, more)])
    rows = [constant(xp, row.tolist(), widest_float(xp, raters), raters) for row in said]
    table = _table(xp, rows, constant(xp, counts[there].tolist(), counted.dtype, raters))
    columns = constant(xp, _places(counts).tolist(), xp.int32, raters)
    return Decisions(table, codes, columns)


def _at_once(base: int, known: int) -> int:
    """Return of how many raters, one at least, all decisions beside the known ones fit a table."""
    more = 1
    while known * base ** (more + 1) <= TABLE:
        more += 1
    return more


def _digits(codes: np.ndarray, base: int, number: int) -> np.ndarray:
    """Return what each rater says in joint decisions of these numbers, (R, P)."""
    return codes // base ** np.arange(number)[:, None] % base


def _places(counts: np.ndarray) -> np.ndarray:
    """Return the place of each number among those that occur; of one that does not, any."""
    places: np.ndarray = np.maximum(np.cumsum(counts > 0) - 1, 0)
    return places


def _renumbered(xp: Namespace, codes: Array, counts: np.ndarray, kind: DType) -> Array:
    """Return numbers of joint decisions without those that do not occur."""
    return look_up(codes, constant(xp, _places(counts).tolist(), kind, codes))


def _table(xp: Namespace, said: list[Array], counts: Array) -> Array:
    """Return what each rater says in each joint decision, above how often that occurs."""
    wide = widest_float(xp, counts)
    return xp.stack([xp.astype(row, wide, copy=False) for row in (*said, counts)])
