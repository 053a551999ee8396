"""Calibration bins against counting by hand: edges, quantiles, addition, bad input."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from backends import Backend, available, frozen, in_float32
from binned import by_hand, problem
from hypothesis import given
from hypothesis import strategies as st
from reference import tolerance

import dice_semimetric as ds

KINDS = ("binary", "top_label", "classwise")


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("binary", 1), ("top_label", 1), ("top_label", 4), ("classwise", 1), ("classwise", 4)],
)
@pytest.mark.parametrize(
    ("soft", "dtype", "masked"),
    [(False, "float32", True), (True, "float32", False), (True, "float64", True)],
)
def test_bins(backend: Backend, rng, dtype, kind, classes, soft, masked) -> None:
    prob, label, ignore = problem(rng, kind, dtype, classes, soft)
    kept = np.ones((2, 5, 6), bool) if soft else label != 9
    options = {} if ignore is None else {"ignore_index": ignore}
    if masked:
        options["mask"] = rng.random((2, 5, 6)) < 0.6
        kept &= options["mask"]
        (prob if kind == "binary" else np.moveaxis(prob, 1, -1))[~kept] = np.nan
    edges = (np.arange(11) / 10).astype(dtype)
    expected = by_hand(np.nan_to_num(prob), label, kept, edges, kind)
    result = backend.run(ds.calibration_bins, prob, label, kind=kind, **options)
    assert result.count.dtype.kind == "i"
    assert result.confidence.dtype == result.correct.dtype == backend.sums
    assert result.edges.dtype == dtype
    np.testing.assert_array_equal(result.edges, edges)
    np.testing.assert_array_equal(result.count, expected[0])
    np.testing.assert_allclose(result.confidence, expected[1], **tolerance(dtype))
    np.testing.assert_allclose(result.correct, expected[2], **tolerance(dtype))


@pytest.mark.parametrize("n_bins", [1, 2, 7, 10, 15, 100])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bins_agree_with_comparing_to_the_edges(n_bins, dtype) -> None:
    edges = (np.arange(n_bins + 1) / n_bins).astype(dtype)
    below = np.nextafter(edges[1:], edges.dtype.type(0))
    bins = ds.calibration_bins(
        np.concatenate([edges, below]), np.ones(2 * n_bins + 1, bool), n_bins=n_bins, kind="binary"
    )
    expected = np.full(n_bins, 2)
    expected[-1] = 3  # confidence 1 lies in the last bin
    np.testing.assert_array_equal(bins.count, expected)


def test_confidence_one_lands_in_the_last_bin(backend: Backend) -> None:
    prob, label = np.array([1.0, 1.0, 0.0]), np.array([True, False, False])
    bins = backend.run(ds.calibration_bins, prob, label, kind="binary")
    np.testing.assert_array_equal(bins.count, [1, 0, 0, 0, 0, 0, 0, 0, 0, 2])
    np.testing.assert_array_equal(bins.correct[-1], 1)


def quantile_bins(prob, label, **options):
    """Bins of equal mass; on its own so that backends which cannot sort can say so."""
    return ds.calibration_bins(prob, label, strategy="quantile", **options)


quantile_bins.__name__ = 'calibration_bins(strategy="quantile")'


@in_float32
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_quantile_bins(backend: Backend, rng, dtype, kind, masked) -> None:
    shape = (2, 5, 10)
    prob = np.moveaxis(rng.dirichlet([1.0] * 3, shape), -1, 1).astype(dtype)
    label = rng.integers(0, 3, shape)
    if kind == "binary":
        prob, label = prob[:, 0], label % 2
    options = {"mask": rng.random(shape) < 0.7} if masked else {}
    kept = options.get("mask", np.ones(shape, bool))
    result = backend.run(quantile_bins, prob, label, kind=kind, n_bins=7, **options)
    confidences = [prob] if kind == "binary" else list(np.moveaxis(prob, 1, 0))
    if kind == "top_label":
        confidences = [prob.max(axis=1)]
    for c, edges, count in zip(
        confidences, np.atleast_2d(result.edges), np.atleast_2d(result.count), strict=True
    ):
        expected = np.quantile(c[kept].astype(float), np.arange(8) / 7)
        np.testing.assert_allclose(edges, expected, **tolerance(dtype))
        assert count.sum() == kept.sum()
        assert count.max() - count.min() <= 2


def test_dask_says_that_it_cannot_sort() -> None:
    da = pytest.importorskip("dask.array")
    prob = da.from_array(np.array([0.2, 0.8]))
    with pytest.raises(ValueError, match=r"Dask arrays cannot.*edges="):
        ds.calibration_bins(prob, prob > 0.5, kind="binary", strategy="quantile")


def test_given_edges_add_up(backend: Backend, rng) -> None:
    x, y = rng.random((2, 40)), rng.random((2, 40)) < 0.5
    edges = (0.0, 0.2, 0.7, 1.0)

    def summed(x, y):
        parts = [ds.calibration_bins(x[i, :], y[i, :], kind="binary", edges=edges) for i in (0, 1)]
        return sum(parts)

    result = backend.run(summed, x, y)
    expected = reference.calibration_bins(x, y, np.ones_like(y), edges)
    np.testing.assert_array_equal(result.count, expected[0])
    np.testing.assert_allclose(result.confidence, expected[1], rtol=1e-12)


PROBABILITIES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]) | st.floats(0, 1)


@given(
    hnp.arrays(float, (2, 20), elements=PROBABILITIES),
    hnp.arrays(bool, (2, 20)),
    st.sampled_from([1, 3, 10, 80]),
)
def test_bins_add_up(x, y, n_bins) -> None:
    options = {"kind": "binary", "n_bins": n_bins}
    whole = ds.calibration_bins(x, y, **options)
    joined = sum(ds.calibration_bins(a, b, **options) for a, b in zip(x, y, strict=True))
    np.testing.assert_array_equal(joined.count, whole.count)
    np.testing.assert_array_equal(joined.correct, whole.correct)
    np.testing.assert_allclose(joined.confidence, whole.confidence, atol=1e-12)
    for norm in ("l1", "l2", "max", "average"):
        assert 0 <= float(whole.error(norm)) <= 1
    assert whole.error("l1") <= whole.error("l2") + 1e-12
    assert whole.error("l2") <= whole.error("max") + 1e-12


def test_half_precision_counts_beyond_its_range(backend: Backend) -> None:
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    prob = np.ones(70_000, np.float16)
    bins = backend.run(ds.calibration_bins, prob, prob > 0, kind="binary")
    assert bins.confidence.dtype == backend.sums
    assert bins.count[-1] == bins.confidence[-1] == bins.correct[-1] == 70_000


def test_ties_go_to_the_lowest_class(backend: Backend) -> None:
    prob = np.array([[[0.4], [0.2], [0.4]], [[0.25], [0.375], [0.375]]])
    bins = backend.run(ds.calibration_bins, prob, np.array([[2], [1]]), n_bins=1)
    assert float(bins.correct[0]) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_nothing_counts(backend: Backend, kind, strategy) -> None:
    function = quantile_bins if strategy == "quantile" else ds.calibration_bins
    for size in (0, 3):
        shape = (2, size) if kind == "binary" else (2, 3, size)
        label = np.zeros((2, size), int)
        bins = backend.run(
            function, np.zeros(shape), label, kind=kind, n_bins=4, mask=np.zeros((2, size), bool)
        )
        assert np.all(bins.count == 0)
        np.testing.assert_array_equal(np.atleast_2d(bins.edges)[0], np.arange(5) / 4)
        for norm in ("l1", "l2", "max", "average"):
            assert math.isnan(bins.error(norm))


@in_float32
@pytest.mark.parametrize("norm", ["l1", "l2", "max", "average"])
def test_a_bin_of_one_pixel_has_its_error(backend: Backend, dtype, norm) -> None:
    prob, label = np.array([0.75], dtype), np.array([1])

    def error(prob, label):
        return ds.calibration_bins(prob, label, kind="binary").error(norm)

    np.testing.assert_allclose(backend.run(error, prob, label), 0.25, rtol=1e-6)


def test_sums_of_other_edges_do_not_add() -> None:
    x, y = np.array([0.2, 0.6]), np.array([0, 1])
    ten = ds.calibration_bins(x, y, kind="binary")
    for options in ({"n_bins": 5}, {"strategy": "quantile"}):
        with pytest.raises(ValueError, match="same edges"):
            ten + ds.calibration_bins(x, y, kind="binary", **options)


@in_float32
@pytest.mark.parametrize("kind", ["top_label", "classwise"])
@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("hot", ["bool", "uint8", "int64"])
def test_one_hot_labels_are_labels(backend: Backend, rng, dtype, kind, classes, hot) -> None:
    prob = reference.softmax(rng.normal(size=(2, max(classes, 2), 6, 5)))[:, -classes:]
    label = rng.integers(0, max(classes, 2), (2, 6, 5))
    counted = rng.random((2, 6, 5)) < 0.7
    one_hot = reference.one_hot(label, classes) if classes > 1 else label[:, None]
    one_hot = np.where(counted[:, None], one_hot, 0)
    ours, plain = (
        backend.run(ds.calibration_bins, prob.astype(dtype), given, kind=kind, mask=counted)
        for given in (one_hot.astype(hot), label)
    )
    for name in ("count", "confidence", "correct"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=1e-6)


P = frozen(np.full((2, 3, 4), 1 / 3))
L = frozen(np.zeros((2, 4), int))


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        ((P, P.astype(int)), {}, ValueError, "kind='binary'"),
        ((P, P > 0), {}, ValueError, "kind='binary'"),
        ((P[0, 0], L[0]), {}, ValueError, "kind='binary'"),
        ((P, L[:, :2]), {}, ValueError, r"got shape \(2, 2\)"),
        ((P, L), {"kind": "binary"}, ValueError, r"got \(2, 4\) and \(2, 3, 4\)"),
        ((P, L + 3), {}, ValueError, "labels from 0 to 2, got values from 3 to 3"),
        ((P[:, 0], L + 2), {"kind": "binary"}, ValueError, "labels from 0 to 1"),
        ((P * np.nan, L), {}, ValueError, "prob must lie in .* got NaN"),
        ((P * 4, L), {}, ValueError, r"prob must lie in \[0, 1\]"),
        ((P, P * 4), {}, ValueError, r"label must lie in \[0, 1\]"),
        ((P, P), {"ignore_index": 1}, ValueError, "ignore_index is for integer labels"),
        ((P[:, 0], P[:, 0]), {"kind": "binary", "ignore_index": 1}, ValueError, "ignore_index"),
        ((L, L), {"kind": "binary"}, TypeError, "prob must be of a floating dtype"),
        ((P[:, :0], L), {}, ValueError, "a class at least"),
        ((P, L), {"mask": np.ones((2, 3, 4), bool)}, ValueError, "mask must broadcast"),
        ((P, L), {"mask": L}, TypeError, "mask must be of dtype bool"),
        ((P, L), {"n_bins": 0}, ValueError, "n_bins must be"),
        ((P, L), {"kind": "top"}, ValueError, "kind must be one of"),
        ((P, L), {"strategy": "equal"}, ValueError, "strategy must be one of"),
        ((P, L), {"edges": (0.5,)}, ValueError, r"shape \(n_bins \+ 1,\), got \(1,\)"),
        ((P, L), {"edges": (0.0, 0.7, 0.5)}, ValueError, "ascending"),
        ((P, L), {"edges": np.zeros((2, 5)), "kind": "classwise"}, ValueError, r"\(3, n_bins"),
        (([0.5], L), {}, TypeError, "prob must be an array"),
    ],
)
def test_bad_input(args, options, error, message) -> None:
    with pytest.raises(error, match=message):
        ds.calibration_bins(*args, **options)


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("shape", [(), (4,)])
@pytest.mark.parametrize(
    "function", [ds.calibration_bins, ds.expected_calibration_error, ds.reliability_curve]
)
def test_a_mask_without_an_axis_of_classes(name, shape, function) -> None:
    backend = available(name)
    prob, label = backend.array(np.full(shape, 0.5)), backend.array(np.zeros(shape, int))
    mask = backend.array(np.ones(shape, bool))
    with pytest.raises(ValueError, match=r"prob must have shape .* arrays of any shape are for"):
        function(prob, label, mask=mask)
