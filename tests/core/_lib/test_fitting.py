"""One rule for one half: foreground is above 1/2, and ties go to the lowest class."""

import numpy as np
import pytest
from backends import Backend, available

import dice_semimetric as ds
from dice_semimetric._lib.fitting import predicted_class
from dice_semimetric._lib.namespace import namespace


def classes(prob: object) -> object:
    return predicted_class(namespace(prob=prob), prob)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_half_is_background(backend: Backend, dtype) -> None:
    if dtype == "float16" and backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    above = np.nextafter(np.asarray(0.5, dtype), np.asarray(1.0, dtype))
    foreground = np.array([[[0.0, 0.5, above, 1.0]]], dtype)
    expected = [[0, 0, 1, 1]]
    np.testing.assert_array_equal(backend.run(classes, foreground), expected)
    both = np.concatenate([1 - foreground, foreground], axis=1)
    np.testing.assert_array_equal(backend.run(classes, both), expected)


def test_one_half_in_bfloat16() -> None:
    torch = pytest.importorskip("torch")
    foreground = torch.tensor([[[0.0, 0.5, 0.50390625, 1.0]]], dtype=torch.bfloat16)
    assert classes(foreground).tolist() == [[0, 0, 1, 1]]
    assert classes(torch.cat([1 - foreground, foreground], 1)).tolist() == [[0, 0, 1, 1]]


def test_ties_among_classes_go_to_the_lowest(backend: Backend) -> None:
    prob = np.array([[[0.4, 0.2], [0.4, 0.4], [0.2, 0.4]]], np.float32)
    np.testing.assert_array_equal(backend.run(classes, prob), [[0, 1]])


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("kind", ["top_label", "classwise"])
def test_a_tie_counts_as_background_in_calibration(library, kind) -> None:
    asarray = available(library).array
    label = asarray(np.array([[0, 1, 0, 1]]))
    one = asarray(np.full((1, 1, 4), 0.5, np.float32))
    two = asarray(np.full((1, 2, 4), 0.5, np.float32))
    found = [ds.calibration_bins(p, label, n_bins=2, kind=kind) for p in (one, two)]
    for bins in found:
        rows = np.asarray(bins.correct)
        assert rows[..., 1].sum() == (2 if kind == "top_label" else 4)


def test_a_teacher_at_one_half_is_replaced_where_the_label_is_foreground(rng) -> None:
    prob, label = np.full((1, 1, 6), 0.5), np.array([[0, 0, 0, 0, 0, 0]])
    keys = [np.array([0, 1])]
    same = ds.calibrate_teacher(prob, label, keys=keys)  # right everywhere, and no boundary
    np.testing.assert_array_equal(same, prob)
    replaced = ds.calibrate_teacher(prob, label + 1, keys=keys)  # wrong everywhere
    np.testing.assert_array_equal(replaced, np.ones_like(prob))
