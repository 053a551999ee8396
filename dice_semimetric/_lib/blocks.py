"""Cut eager host arrays into cache-sized blocks of rows, without copying the whole."""

import math
from collections.abc import Iterator, Sequence
from itertools import product

from .typing import Array, Namespace

#: Elements of an array in one block: 256 KiB of float32, well inside a core's L2 cache.
BLOCK = 1 << 16

Place = tuple[slice, ...]


def block_slices(
    shape: Sequence[int], *, whole: Sequence[int] = (), size: int = BLOCK
) -> Iterator[Place]:
    """Cut a shape into blocks of about ``size`` elements, trailing axes first.

    Axes in ``whole`` are never cut.
    """
    room = max(1, size // max(1, math.prod(shape[a] for a in whole)))
    extents = list(shape)
    for axis in reversed(range(len(shape))):
        if axis not in whole:
            extents[axis] = max(1, min(shape[axis], room))
            room //= extents[axis]
    cuts = [
        [slice(start, min(start + step, length)) for start in range(0, length, max(step, 1))]
        for length, step in zip(shape, extents, strict=True)
    ]
    return product(*cuts)


def rows(
    xp: Namespace,
    arrays: Sequence[Array | None],
    axis: tuple[int, ...],
    *,
    whole: Sequence[int] = (),
    size: int = BLOCK,
) -> Iterator[tuple[Place, list[Array | None]]]:
    """Yield blocks of the arrays as matrices: kept axes along the rows, summed ones along columns.

    The arrays broadcast against the first one, whose strides decide in what order the summed axes
    are walked, so that Fortran-ordered volumes are read in memory order. An array with one entry
    along all kept axes comes as a single row. With each block comes its place among the kept axes.
    """
    lead = arrays[0]
    shape = tuple(lead.shape)  # type: ignore[union-attr]
    kept = tuple(a for a in range(len(shape)) if a not in axis)
    order = kept + tuple(sorted(axis, key=lambda a: -_stride(lead, a)))
    views = [None if a is None else _view(xp, a, shape, order, len(kept)) for a in arrays]
    places = block_slices(
        [shape[a] for a in order], whole=[order.index(a) for a in whole], size=size
    )
    for place in places:
        where = place[: len(kept)]
        yield where, [None if v is None else _matrix(xp, v, place, len(kept)) for v in views]


def _view(
    xp: Namespace, array: Array, shape: tuple[int, ...], order: tuple[int, ...], kept: int
) -> Array:
    """Broadcast and permute; along the kept axes only if the array differs along them."""
    full = (1,) * (len(shape) - array.ndim) + tuple(array.shape)
    single = all(full[a] == 1 for a in order[:kept])
    target = tuple(1 if single and a in order[:kept] else n for a, n in enumerate(shape))
    wide = array if tuple(array.shape) == target else xp.broadcast_to(array, target)
    return xp.permute_dims(wide, order)


def _matrix(xp: Namespace, view: Array, place: Place, kept: int) -> Array:
    inside = tuple(
        slice(None) if a < kept and view.shape[a] == 1 else s for a, s in enumerate(place)
    )
    block = view[inside]
    return xp.reshape(block, (math.prod(block.shape[:kept]), math.prod(block.shape[kept:])))


def _stride(array: Array, axis: int) -> int:
    strides = getattr(array, "strides", None) or array.stride()
    return abs(int(strides[axis]))
