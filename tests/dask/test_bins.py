"""Bins and fusion on Dask: each chunk by itself, as NumPy does the whole."""

import numpy as np
import pytest

import dice_semimetric as ds

da = pytest.importorskip("dask.array")


def chunked(array: np.ndarray, *chunks: int) -> object:
    return da.from_array(array, chunks=chunks or 3)


@pytest.mark.parametrize("kind", ["top_label", "classwise"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("classes", [1, 3])
def test_bins_of_classes(rng, kind, soft, masked, classes) -> None:
    prob = rng.dirichlet([1] * max(classes, 2), (2, 7, 5)).transpose(0, 3, 1, 2)[:, :classes]
    label = prob[::-1].copy() if soft else rng.integers(0, max(classes, 2), (2, 7, 5))
    mask = rng.random((2, 7, 5)) < 0.7 if masked else None
    expected = ds.calibration_bins(prob, label, kind=kind, mask=mask)
    spatial = (1, 3, 2)
    got = ds.calibration_bins(
        chunked(prob, 1, classes, 3, 2),
        chunked(label, 1, classes, 3, 4) if soft else chunked(label, *spatial),
        kind=kind,
        mask=None if mask is None else chunked(mask, *spatial),
    )
    for name in ("count", "confidence", "correct"):
        found = np.asarray(getattr(got, name).compute())
        np.testing.assert_allclose(found, getattr(expected, name), rtol=1e-12)
    assert got.count.dtype.kind == "i"


def test_bins_with_edges_of_each_class_and_ignored_labels(rng) -> None:
    prob = rng.dirichlet([1, 1, 1], (2, 9)).transpose(0, 2, 1)
    label = rng.integers(-1, 3, (2, 9))
    edges = np.sort(rng.random((3, 5)), axis=1)
    options = {"kind": "classwise", "ignore_index": -1}
    expected = ds.calibration_bins(prob, label, edges=edges, **options)
    got = ds.calibration_bins(
        chunked(prob, 1, 3, 4), chunked(label, 2, 5), edges=chunked(edges, 1, 2), **options
    )
    np.testing.assert_array_equal(got.count.compute(), expected.count)


def test_a_chunked_class_axis_is_binned_all_the_same(rng) -> None:
    prob = rng.dirichlet([1, 1, 1], (2, 9)).transpose(0, 2, 1)
    label = rng.integers(0, 3, (2, 9))
    got = ds.expected_calibration_error(chunked(prob, 1, 2, 4), chunked(label, 2, 5))
    np.testing.assert_allclose(got.compute(), ds.expected_calibration_error(prob, label))


@pytest.mark.parametrize("kind", ["binary", "top_label", "classwise"])
def test_chunks_large_enough_for_compiled_kernels(rng, monkeypatch, kind) -> None:
    kernels = pytest.importorskip("dice_semimetric_numba.kernels")
    monkeypatch.setattr(kernels, "SMALL", 1000)
    prob = rng.random((1, 1, 2, 160, 160))
    prob = prob[:, 0] if kind == "binary" else np.concatenate([prob, 1 - prob], axis=1)
    label = rng.integers(0, 2, (1, 2, 160, 160))
    expected = ds.expected_calibration_error(prob, label, kind=kind)
    chunks = [(1, 2, 80, 160), (1, 2, 1, 160, 160)][kind != "binary"]
    got = ds.expected_calibration_error(
        chunked(prob, *chunks), chunked(label, 1, 2, 160, 80), kind=kind
    )
    np.testing.assert_allclose(got.compute(), expected, rtol=1e-9)


FUSED = {
    "majority": ds.majority_vote,
    "labels": lambda r: ds.majority_vote(r, num_classes=3),
    "mean": lambda r: ds.uniform_average(r, num_classes=3),
    "weighted": lambda r: ds.dice_weighted_average(r, num_classes=3),
    "disagreement": ds.disagreement,
}


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("split", [False, True])
def test_raters_are_fused_chunk_by_chunk(rng, name, split) -> None:
    most = 2 if name in ("majority", "disagreement") else 3
    raters = rng.integers(0, most, (5, 1, 8, 6)).astype(np.uint8)
    expected = FUSED[name](raters)
    got = FUSED[name](chunked(raters, 2 if split else 5, 1, 3, 4))
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got.compute(), expected, rtol=1e-6)


def test_many_raters(rng) -> None:
    raters = rng.random((300, 4, 3)) < 0.5
    got = ds.majority_vote(chunked(raters, 300, 2, 2))
    np.testing.assert_array_equal(got.compute(), ds.majority_vote(raters))
