"""The boundary rule and boundary smoothing."""

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from hypothesis import given
from hypothesis import strategies as st
from reference import tolerance

from dice_semimetric import (
    label_boundary,
    smooth_boundary,
    value_checks,
)


def native(backend: Backend, dtype: str):
    """Return the library's own dtype of that name."""
    return backend.array(np.zeros(1, dtype)).dtype


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_minus_one_is_not_the_largest_unsigned_label(backend: Backend, kind: str) -> None:
    label = np.array([[np.iinfo(kind).max, 0]], kind)
    with value_checks("never"):
        edge = backend.run(label_boundary, label, ignore_index=-1)
    assert edge.all()


@pytest.mark.parametrize("ignored", [None, 0, 255, 256, -1])
@pytest.mark.parametrize("ends", [(0, 255), (0, 256), (-1, 255), (1, 254)])
def test_labels_that_fit_into_a_byte_and_those_that_do_not(rng, ends, ignored) -> None:
    low, high = ends
    label = rng.choice([low, low + 1, 7, high - 1, high], (2, 6, 7), p=[0.1, 0.1, 0.6, 0.1, 0.1])
    order = np.unique(label)
    place = None if ignored is None else int(np.argmax(order == ignored))
    place = place if ignored in order else None
    expected = label_boundary(np.searchsorted(order, label).astype("int8"), ignore_index=place)
    np.testing.assert_array_equal(label_boundary(label, ignore_index=ignored), expected)


@pytest.mark.parametrize("width", [1, 3, 7, 21])
@pytest.mark.parametrize("shape", [(2, 9), (2, 6, 7), (1, 4, 5, 3), (3,), (2, 1, 1), (0, 3)])
def test_boundary(backend: Backend, rng: np.random.Generator, width: int, shape) -> None:
    label = (rng.random(shape) < 0.06) + 2 * (rng.random(shape) < 0.04)
    label = label.astype("int32")
    got = backend.run(label_boundary, label, width=width)
    assert got.dtype == bool
    np.testing.assert_array_equal(got, reference.boundary(label, width))


@pytest.mark.parametrize("batch_axes", [0, 1, 2, 3])
def test_windows_stay_within_their_image(
    backend: Backend, rng: np.random.Generator, batch_axes: int
) -> None:
    label = (rng.random((4, 5, 6)) < 0.1).astype("int64")
    got = backend.run(label_boundary, label, batch_axes=batch_axes)
    np.testing.assert_array_equal(got, reference.boundary(label, 3, batch_axes))


@pytest.mark.parametrize("ignore", [255, 0, 1])
def test_ignored_pixels_make_no_boundary(
    backend: Backend, rng: np.random.Generator, ignore: int
) -> None:
    label = rng.choice([0, 0, 0, 0, 1, 255], (2, 6, 7)).astype("uint8")
    got = backend.run(label_boundary, label, ignore_index=ignore)
    np.testing.assert_array_equal(got, reference.boundary(label, 3, ignore=ignore))


@given(data=st.data(), width=st.sampled_from([1, 3, 5]))
def test_boundary_is_symmetric_and_blind_to_names(data: st.DataObject, width: int) -> None:
    """Renaming or mirroring labels moves no boundary, and a wider window only adds to it."""
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    values = data.draw(st.lists(st.integers(0, 2), min_size=216, max_size=216))
    label = np.array(values[: int(np.prod(shape))]).reshape(shape)
    edge = label_boundary(label, width=width)
    renamed = np.array([7, -3, 100])[label]
    np.testing.assert_array_equal(label_boundary(renamed, width=width), edge)
    np.testing.assert_array_equal(label_boundary(label[:, ::-1], width=width), edge[:, ::-1])
    assert np.all(label_boundary(label, width=width + 2) >= edge)


@in_float32
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_smooth_boundary(backend: Backend, rng: np.random.Generator, dtype: str, axis) -> None:
    label = (rng.random((2, 6, 7)) < 0.1).astype("int64") * 2
    got = backend.run(
        smooth_boundary,
        label,
        num_classes=3,
        epsilon=0.3,
        width=3,
        axis=axis,
        dtype=native(backend, dtype),
    )
    hot = np.moveaxis(reference.one_hot(label, 3), 1, axis)
    edge = np.expand_dims(reference.boundary(label, 3, batch_axes=axis), axis)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.where(edge, 0.7 * hot + 0.1, hot), **tolerance(dtype))
