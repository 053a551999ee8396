"""Labels: one-hot, label smoothing, and bad input."""

import numpy as np
import pytest
import reference
from backends import Backend
from reference import tolerance

from dice_semimetric import (
    label_boundary,
    one_hot,
    smooth_boundary,
    smooth_labels,
    value_checks,
)

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "int64"]


def labels(rng: np.random.Generator, shape: tuple[int, ...], classes: int) -> np.ndarray:
    return rng.integers(0, classes, shape).astype("int64")


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 4, 3), (1, 3, 2, 4), (2, 0), (0, 4)])
def test_one_hot(backend: Backend, rng: np.random.Generator, dtype: str, shape) -> None:
    label = labels(rng, shape, 4)
    got = backend.run(one_hot, label, num_classes=4, dtype=native(backend, dtype))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, reference.one_hot(label, 4))


def native(backend: Backend, dtype: str):
    """Return the library's own dtype of that name."""
    return backend.array(np.zeros(1, dtype)).dtype


@pytest.mark.parametrize("kind", INTEGERS)
def test_one_hot_of_any_integer_dtype(backend: Backend, kind: str) -> None:
    """A class number or an ignored label beyond the label's dtype is compared by value."""
    label = np.array([[0, 1, 127]], kind)
    hot = backend.run(one_hot, label, num_classes=300, dtype=native(backend, "bool"))
    assert hot.dtype == bool
    np.testing.assert_array_equal(hot, reference.one_hot(label, 300))
    one_less = -1 if kind == "int64" else int(np.iinfo(kind).min) - 1
    assert backend.run(one_hot, label, num_classes=128, ignore_index=one_less).sum() == 3


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_class_axis(backend: Backend, rng: np.random.Generator, axis: int) -> None:
    label = labels(rng, (2, 3), 4)
    expected = np.moveaxis(reference.one_hot(label, 4), 1, axis)
    np.testing.assert_array_equal(backend.run(one_hot, label, num_classes=4, axis=axis), expected)
    smooth = backend.run(smooth_labels, label, epsilon=0.2, num_classes=4, axis=axis)
    np.testing.assert_allclose(smooth, 0.8 * expected + 0.05, rtol=1e-6)
    soft = backend.run(smooth_labels, expected, epsilon=0.2, axis=axis)
    np.testing.assert_allclose(soft, 0.8 * expected + 0.05, rtol=1e-12)


def test_the_default_dtype_is_the_librarys(backend: Backend) -> None:
    got = backend.run(one_hot, np.array([[0, 1]]), num_classes=2)
    assert got.dtype == ("float32" if backend.module == "torch" else "float64")


@pytest.mark.parametrize("ignore", [-1, 255, 0])
def test_ignored_pixels_are_all_zero(backend: Backend, ignore: int) -> None:
    label = np.array([[0, 1, ignore, 2, 2]])
    kept = label != ignore
    hot = backend.run(one_hot, label, num_classes=3, ignore_index=ignore)
    np.testing.assert_array_equal(hot, reference.one_hot(label, 3) * kept[:, None])
    smooth = backend.run(smooth_labels, label, epsilon=0.3, num_classes=3, ignore_index=ignore)
    expected = (0.7 * reference.one_hot(label, 3) + 0.1) * kept[:, None]
    np.testing.assert_allclose(smooth, expected, rtol=1e-6)
    edge = backend.run(smooth_boundary, label, num_classes=3, epsilon=0.3, ignore_index=ignore)
    np.testing.assert_array_equal(edge[0, :, ~kept[0]], 0)


def test_one_class_alone_is_the_foreground_of_two(backend: Backend) -> None:
    label = np.array([[0, 1, 9]])
    hot = backend.run(one_hot, label, num_classes=1, ignore_index=9)
    np.testing.assert_array_equal(hot, [[[0, 1, 0]]])
    smooth = backend.run(smooth_labels, label, epsilon=0.2, num_classes=1, ignore_index=9)
    np.testing.assert_allclose(smooth, [[[0.1, 0.9, 0]]], rtol=1e-6)
    soft = backend.run(smooth_labels, np.array([[[0, 0.5, 1]]]), epsilon=0.2)
    np.testing.assert_allclose(soft, [[[0.1, 0.5, 0.9]]], rtol=1e-12)
    both = backend.run(smooth_labels, np.array([[0, 1]]), epsilon=0.2, num_classes=2)
    np.testing.assert_allclose(both[:, 1:], smooth[..., :2], rtol=1e-6)


def test_smooth_soft_labels(backend: Backend, rng: np.random.Generator, dtype: str) -> None:
    soft = rng.dirichlet(np.ones(3), (2, 4)).transpose(0, 2, 1).astype(dtype)
    soft[0, :, 1] = 0  # an ignored pixel
    got = backend.run(smooth_labels, soft, epsilon=0.15)
    assert got.dtype == dtype
    expected = 0.85 * soft.astype(float) + 0.05
    expected[0, :, 1] = 0
    np.testing.assert_allclose(got, expected, **tolerance(dtype))


@pytest.mark.parametrize("epsilon", [0, 1, 0.1])
def test_epsilon_at_its_ends(backend: Backend, epsilon: float) -> None:
    label = np.array([[0, 1, 3]])
    got = backend.run(smooth_labels, label, epsilon=epsilon, num_classes=4)
    expected = (1 - epsilon) * reference.one_hot(label, 4) + epsilon / 4
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-6)


def test_half_precision_stays_half(backend: Backend) -> None:
    soft = np.array([[[0.25], [0.75]]], "float16")
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    got = backend.run(smooth_labels, soft, epsilon=0.5)
    assert got.dtype == "float16"
    np.testing.assert_array_equal(got, [[[0.375], [0.625]]])


def test_a_view_gives_what_its_copy_gives(rng: np.random.Generator) -> None:
    label = labels(rng, (8, 6, 4), 3)[::2, ::-1].transpose(0, 2, 1)
    for function in (one_hot, smooth_boundary):
        options = {} if function is one_hot else {"epsilon": 0.1}
        expected = function(label.copy(), 3, **options)
        np.testing.assert_array_equal(function(label, 3, **options), expected)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: one_hot([0, 1], 2), TypeError, "label must be an array.*list"),
        (lambda: one_hot(np.array([0.0]), 2), TypeError, "label must be of an integer.*float64"),
        (lambda: one_hot(np.array([True]), 2), TypeError, "label must be of an integer.*bool"),
        (lambda: one_hot(np.array([0]), 0), ValueError, "num_classes must be at least 1, got 0"),
        (lambda: one_hot(np.array([0]), 2.5), TypeError, "num_classes must be an integer.*2.5"),
        (
            lambda: one_hot(np.array([0, 2]), 2),
            ValueError,
            "label .*0 to 1, got values from 0 to 2",
        ),
        (lambda: one_hot(np.array([-1]), 2), ValueError, "label .*got values from -1"),
        (
            lambda: one_hot(np.array([[7]]), 2, ignore_index=255),
            ValueError,
            "ignore_index=255, got values from 7 to 7",
        ),
        (lambda: one_hot(np.array([[0]]), 2, axis=3), ValueError, "axis must be .* got 3"),
        (
            lambda: smooth_labels(np.array([0]), epsilon=0.1),
            TypeError,
            "num_classes must be given with integer labels",
        ),
        (
            lambda: smooth_labels(np.array([[0.5]]), epsilon=1.5),
            ValueError,
            "epsilon .*0, 1.*got 1.5",
        ),
        (lambda: smooth_labels(np.array([[0.5]]), epsilon=np.nan), ValueError, "epsilon .*got nan"),
        (lambda: smooth_labels(np.array([[np.nan]]), epsilon=0.1), ValueError, "label .*got NaN"),
        (lambda: smooth_labels(np.array([[1.5]]), epsilon=0.1), ValueError, "label .*got values"),
        (
            lambda: smooth_labels(np.array([[True]]), epsilon=0.1),
            TypeError,
            "label must be .*got bool",
        ),
        (
            lambda: smooth_labels(np.array([[0.5]]), 3, epsilon=0.1),
            ValueError,
            "num_classes and ignore_index are for integer labels.*float64",
        ),
        (
            lambda: smooth_labels(np.array([0]), 2, epsilon=0.1, dtype=np.int64),
            TypeError,
            "dtype must be a floating dtype of numpy, got numpy.int64",
        ),
        (lambda: label_boundary(np.array([[0]]), width=2), ValueError, "width must be odd.*got 2"),
        (lambda: label_boundary(np.array([[0]]), width=-1), ValueError, "width must be.*got -1"),
        (
            lambda: label_boundary(np.array([[0]]), batch_axes=3),
            ValueError,
            "batch_axes must be from 0 to 2, got 3",
        ),
        (lambda: label_boundary(np.array([[0.0]])), TypeError, "label must be of an integer"),
    ],
)
def test_bad_input_is_named(call, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_labels_out_of_range_raise_wherever_values_are_known(every_backend: Backend) -> None:
    label = np.array([[0, 5]])
    if every_backend.checks_values:
        with pytest.raises(ValueError, match="got values from 0 to 5"):
            every_backend.run(one_hot, label, num_classes=3)
    else:
        assert every_backend.run(one_hot, label, num_classes=3).sum() == 1
    with value_checks("never"):
        assert every_backend.run(one_hot, label, num_classes=3).sum() == 1
