"""Dask: arrays larger than memory stay lazy, chunks are never merged, graphs grow linearly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dice_semimetric as ds
from dice_semimetric._lib.seam import adapters

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")

SIDE = 16
CHUNK = SIDE**3


class Largest(dask.callbacks.Callback):
    """The number of elements in the largest array that any task returned."""

    def __init__(self) -> None:
        self.size = 0

    def _posttask(self, key: Any, result: Any, *_: Any) -> None:
        self.size = max(self.size, getattr(result, "size", 0))


def soft(blocks: tuple[int, ...], seed: int, lead: tuple[int, ...] = ()) -> Any:
    """Return values in [0, 1] of SIDE ** 3 a chunk; leading axes are not chunked."""
    shape = (*lead, *(SIDE * b for b in blocks))
    chunks = (*lead, *(SIDE for _ in blocks))
    return da.random.default_rng(seed).random(shape, dtype="float32", chunks=chunks)


def label(blocks: tuple[int, ...], num_classes: int, lead: tuple[int, ...] = ()) -> Any:
    return (soft(blocks, 9, lead) * num_classes).astype("uint8")


# name -> (how many values a voxel of the largest input has, the function of a grid of chunks)
CASES: dict[str, tuple[int, Callable[[tuple[int, ...]], Any]]] = {
    "dml1": (1, lambda b: ds.dml1(soft(b, 0), soft(b, 1))),
    "dml1 masked": (1, lambda b: ds.dml1(soft(b, 0), soft(b, 1), mask=soft(b, 2) > 0.5)),
    "dice_score": (1, lambda b: ds.dice_score(soft(b, 0), soft(b, 1) > 0.5, axis=(1, 2))),
    "binarized_dice": (1, lambda b: ds.binarized_dice(soft(b, 0), soft(b, 1))),
    "region_loss labels": (
        3,
        lambda b: ds.region_loss(soft(b, 0, (1, 3)), label(b, 3, (1,)), activation="softmax"),
    ),
    "region_loss soft": (3, lambda b: ds.region_loss(soft(b, 0, (1, 3)), soft(b, 1, (1, 3)))),
    "region_score bdice": (
        3,
        lambda b: ds.region_score(soft(b, 0, (1, 3)), label(b, 3, (1,)), score="bdice"),
    ),
    "one_hot": (3, lambda b: ds.one_hot(label(b, 3, (1,)), 3)),
    "smooth_labels": (3, lambda b: ds.smooth_labels(label(b, 3, (1,)), 3, epsilon=0.1)),
    "label_boundary": (1, lambda b: ds.label_boundary(label(b, 3, (1,)))),
    "smooth_boundary": (3, lambda b: ds.smooth_boundary(label(b, 3, (1,)), 3, epsilon=0.1)),
    "majority_vote": (5, lambda b: ds.majority_vote(soft(b, 0, (5,)) > 0.5)),
    "uniform_average": (5, lambda b: ds.uniform_average(soft(b, 0, (5,)) > 0.5)),
    "uniform_average classes": (
        5,
        lambda b: ds.uniform_average(label(b, 3, (5, 1)), num_classes=3),
    ),
    "dice_weighted_average": (
        5,
        lambda b: ds.dice_weighted_average(soft(b, 0, (5, 1)) > 0.5),
    ),
    "expected_calibration_error": (
        1,
        lambda b: ds.expected_calibration_error(soft(b, 0), soft(b, 1) > 0.5, kind="binary"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_chunks_are_never_merged(name: str) -> None:
    values, function = CASES[name]
    with Largest() as largest:
        # as the graph is built, since tasks that are fused hide what is between them
        da.sum(function((2, 3, 3))).compute(scheduler="sync", optimize_graph=False)
    assert CHUNK <= largest.size <= 1.5 * values * CHUNK  # a halo of a voxel is no merging


@pytest.mark.parametrize("name", CASES)
def test_the_graph_is_linear_in_the_number_of_chunks(name: str) -> None:
    _, function = CASES[name]
    few, many = (len(dict(function(b).__dask_graph__())) for b in ((4, 2, 2), (16, 2, 2)))
    assert many <= 1.1 * 4 * few
    assert few / 16 < 300


@pytest.mark.parametrize("name", ["label_boundary", "one_hot", "uniform_average"])
def test_the_result_keeps_the_chunks(name: str) -> None:
    result = CASES[name][1]((2, 3, 3))
    assert result.chunks[-3:] == ((SIDE,) * 2, (SIDE,) * 3, (SIDE,) * 3)


def test_bdice_takes_a_few_tasks_a_chunk() -> None:
    assert adapters("dask")
    graph = dict(ds.binarized_dice(soft((4, 4, 4), 0), soft((4, 4, 4), 1)).__dask_graph__())
    assert len(graph) / 64 < 8


def test_a_chunked_class_axis_is_summed_all_the_same() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 4, 12))
    target = np.random.default_rng(1).integers(0, 4, (2, 12))
    expected = ds.region_loss(logits, target, activation="softmax")
    chunked = da.from_array(logits, chunks=(1, 2, 5)), da.from_array(target, chunks=(2, 7))
    got = ds.region_loss(*chunked, activation="softmax")
    np.testing.assert_allclose(got.compute(), expected, rtol=1e-12)


def test_masks_and_chunks_that_differ(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 2, 3, 10, 8))
    for shape in ((2, 1, 10, 8), (10, 8), (1, 8), (2, 3, 10, 8)):
        mask = rng.random(shape) < 0.6
        arrays = [
            da.from_array(a, chunks=c)
            for a, c in ((x, 4), (y, (1, 3, 5, 8)), (mask, tuple(max(1, n // 3) for n in shape)))
        ]
        got = ds.binarized_dice(arrays[0], arrays[1], mask=arrays[2], axis=(2, 3))
        expected = ds.binarized_dice(x, y, mask=mask, axis=(2, 3))
        np.testing.assert_allclose(got.compute(), expected, rtol=1e-12)


UNKNOWN: dict[str, Callable[[Any, Any], Any]] = {
    "dml1": ds.dml1,
    "binarized_dice": ds.binarized_dice,
    "region_loss": ds.region_loss,
    "calibration_bins": lambda x, y: ds.calibration_bins(x, y, kind="binary"),
    "kernel_calibration_error": lambda x, y: ds.kernel_calibration_error(x, y, bandwidth=0.1),
}
UNKNOWN_ALONE: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "one_hot": ("label", lambda y: ds.one_hot(y, 3)),
    "smooth_boundary": ("label", lambda y: ds.smooth_boundary(y, 3, epsilon=0.1)),
    "label_boundary": ("label", ds.label_boundary),
    "majority_vote": ("raters", lambda y: ds.majority_vote(y, num_classes=3)),
    "uniform_average": ("raters", lambda y: ds.uniform_average(y, num_classes=3)),
    "dice_weighted_average": ("raters", lambda y: ds.dice_weighted_average(y, num_classes=3)),
    "staple": ("raters", lambda y: ds.staple(y > 0)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_chunks_of_unknown_sizes_are_named(name: str, rng: np.random.Generator) -> None:
    values = da.from_array(rng.random((12, 1)), chunks=(4, 1))
    few = values[values[:, 0] < 0.7]  # how many is known once it is computed
    remedy = r"chunks of known sizes, got shape \(nan, 1\); call {}.compute_chunk_sizes\(\) first"
    first = "prob" if "calibration" in name else "pred"
    with pytest.raises(ValueError, match=f"{first} must have " + remedy.format(first)):
        UNKNOWN[name](few, few)
    second = "label" if "calibration" in name else "target"
    with pytest.raises(ValueError, match=f"{second} must have " + remedy.format(second)):
        UNKNOWN[name](values, few)
    few.compute_chunk_sizes()
    UNKNOWN[name](few, few)


@pytest.mark.parametrize("name", UNKNOWN_ALONE)
def test_labels_of_unknown_sizes_are_named(name: str, rng: np.random.Generator) -> None:
    values = da.from_array(rng.integers(0, 3, (6, 4, 5)), chunks=(2, 2, 5))
    argument, call = UNKNOWN_ALONE[name]
    message = rf"{argument} must have .*\(nan, 4, 5\); call {argument}.compute_chunk_sizes\(\)"
    with pytest.raises(ValueError, match=message):
        call(values[values[:, 0, 0] >= 0])


def test_chunks_without_a_pixel(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 9, 4))
    parts = [da.from_array(a, chunks=((0, 4, 0, 5), (4,))) for a in (x, y)]
    for function in (ds.dml1, ds.jaccard_score, ds.binarized_dice):
        for axis in (None, 0, 1):
            expected = function(x, y, axis=axis)
            np.testing.assert_allclose(function(*parts, axis=axis), expected, rtol=1e-12)
