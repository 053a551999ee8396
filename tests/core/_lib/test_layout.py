"""Axes as kernels walk them: every element once, in memory order, whatever the layout."""

import itertools

import numpy as np
import pytest

from dice_semimetric._lib.layout import split_axes

LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
    "slice": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[:, :1], a.shape),
}


def walk(axes, which: int) -> list[int]:
    """Return the offset of each element in elements, in the order in which a kernel reads them."""
    steps = axes.strides[which]
    places = itertools.product(*(range(n) for n in axes.shape))
    return [sum(i * s for i, s in zip(place, steps, strict=True)) for place in places]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [(0, 1, 2, 3), (2, 3), (0, 3), (1,)])
def test_the_summed_axes_reach_each_element_once(layout, axis) -> None:
    array = LAYOUTS[layout](np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5))
    kept, summed = split_axes([array, None], axis, array.shape)
    found = [_at(array, offset) for offset in walk(summed, 0)]
    rest = tuple(slice(None) if a in axis else 0 for a in range(array.ndim))
    assert sorted(found) == sorted(array[rest].ravel().tolist())
    assert summed.size * kept.size == array.size
    assert set(walk(summed, 1)) == {0}  # what is not there is broadcast


def _at(array: np.ndarray, offset: int) -> int:
    """Return the element that lies so many elements from the first."""
    start = array.ctypes.data + offset * array.dtype.itemsize
    for place in np.ndindex(array.shape):
        steps = sum(i * s for i, s in zip(place, array.strides, strict=True))
        if array.ctypes.data + steps == start:
            return int(array[place])
    raise AssertionError(offset)


@pytest.mark.parametrize("layout", ["C", "Fortran", "channels last"])
def test_axes_without_gaps_are_one(layout) -> None:
    array = LAYOUTS[layout](np.zeros((2, 3, 4, 5)))
    _, summed = split_axes([array], (2, 3), array.shape)
    assert summed.shape == (20,)


def test_an_axis_of_one_and_an_array_of_fewer_axes() -> None:
    array, mask = np.zeros((2, 1, 4, 5)), np.zeros((4, 5), bool)
    kept, summed = split_axes([array, mask], (2, 3), array.shape)
    assert kept.shape == (2, 1)
    assert kept.strides[1] == (0, 0)
    assert (summed.shape, summed.strides) == ((20,), ((1,), (1,)))


def test_of_nothing_there_is_nothing() -> None:
    array = np.zeros((2, 0, 3))
    assert split_axes([array], (1, 2), array.shape)[1].size == 0
