"""Calibration: bins against counting by hand, edges, addition, torchmetrics and scikit-learn."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from backends import UNSUPPORTED, Backend
from hypothesis import given
from hypothesis import strategies as st
from reference import tolerance

import dice_semimetric as ds

KINDS = ("binary", "top_label", "classwise")


def problem(rng: np.random.Generator, kind: str, dtype: str, classes: int, soft: bool) -> tuple:
    """Return probabilities, many on an edge, and labels, with an ignored one among hard ones."""
    shape = (2, 5, 6)
    if kind == "binary":
        prob = np.round(rng.random(shape) * 20) / 20
        label = np.round(rng.random(shape) * 4) / 4 if soft else rng.integers(0, 2, shape)
    else:
        prob = np.round(rng.dirichlet([1.0] * max(classes, 2), shape) * 20) / 20
        prob = np.moveaxis(prob, -1, 1)[:, :classes]
        label = rng.integers(0, max(classes, 2), shape)
        if soft:
            label = np.moveaxis(rng.dirichlet([1.0] * max(classes, 2), shape), -1, 1)[:, :classes]
    if soft:
        return prob.astype(dtype), label.astype(dtype), None
    label[0, 0, :2] = 9
    return prob.astype(dtype), label, 9


def by_hand(prob, label, kept, edges, kind: str) -> np.ndarray:
    """Return (3, n_bins), or (3, C, n_bins) for classwise."""
    if kind == "binary":
        return reference.calibration_bins(prob, label, kept, edges)
    if prob.shape[1] == 1:
        prob = np.concatenate([1 - prob, prob], axis=1)
        label = label if label.ndim < prob.ndim else np.concatenate([1 - label, label], axis=1)
    if label.ndim < prob.ndim:
        label = reference.one_hot(label, prob.shape[1])
    if kind == "top_label":
        return reference.calibration_bins(*reference.top_label(prob, label), kept, edges)
    rows = [
        reference.calibration_bins(prob[:, c], label[:, c], kept, edges)
        for c in range(prob.shape[1])
    ]
    return np.stack(rows, axis=1)


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("binary", 1), ("top_label", 1), ("top_label", 4), ("classwise", 1), ("classwise", 4)],
)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("dtype", "masked"), [("float32", True), ("float64", False)])
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
    assert result.confidence.dtype == result.correct.dtype == result.edges.dtype == dtype
    np.testing.assert_array_equal(result.edges, edges)
    np.testing.assert_array_equal(result.count, expected[0])
    np.testing.assert_allclose(result.confidence, expected[1], **tolerance(dtype))
    np.testing.assert_allclose(result.correct, expected[2], **tolerance(dtype))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_error_and_curve(backend: Backend, rng, dtype, kind, norm) -> None:
    prob, label, ignore = problem(rng, kind, dtype, 3, False)
    edges = (np.arange(6) / 5).astype(dtype)
    sums = by_hand(prob, label, label != 9, edges, kind)
    count, confidence, correct = sums if kind == "classwise" else sums[:, None]
    with np.errstate(invalid="ignore"):
        gap = np.abs(correct - confidence) / count
    share = count / count.sum(axis=1, keepdims=True)
    rows = {
        "l1": np.nansum(share * gap, axis=1),
        "l2": np.sqrt(np.nansum(share * gap**2, axis=1)),
        "max": np.nanmax(gap, axis=1),
    }[norm]
    options = {"n_bins": 5, "kind": kind, "ignore_index": ignore}
    result = backend.run(ds.expected_calibration_error, prob, label, norm=norm, **options)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, rows.mean(), **tolerance(dtype))
    curve = backend.run(ds.reliability_curve, prob, label, **options)
    with np.errstate(invalid="ignore"):
        expected = (sums[1] / sums[0], sums[2] / sums[0], sums[0])
    for got, value in zip(curve, expected, strict=True):
        np.testing.assert_allclose(got, value, **tolerance(dtype))


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
    assert (quantile_bins.__name__, "dask") in UNSUPPORTED
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
    for norm in ("l1", "l2", "max"):
        assert 0 <= float(whole.error(norm)) <= 1
    assert whole.error("l1") <= whole.error("l2") + 1e-12
    assert whole.error("l2") <= whole.error("max") + 1e-12


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=6))
def test_perfect_calibration_has_no_error(levels) -> None:
    prob = np.concatenate([np.full(8 * n, k / 8) for k, n in levels])
    label = np.concatenate([np.tile(np.arange(8) < k, n) for k, n in levels])
    for norm in ("l1", "l2", "max"):
        error = ds.expected_calibration_error(prob, label, kind="binary", norm=norm)
        assert error == pytest.approx(0, abs=1e-12)
    soft = ds.expected_calibration_error(prob, prob, kind="binary", strategy="quantile")
    assert soft == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n_bins", [10, 15])
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_torchmetrics_agrees(rng, n_bins, norm) -> None:
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("torchmetrics.functional.classification")
    options = {"n_bins": n_bins, "norm": norm}
    prob = rng.random(5000)
    label = (rng.random(5000) < prob**1.5).astype(int)
    expected = peers.binary_calibration_error(torch.tensor(prob), torch.tensor(label), **options)
    result = ds.expected_calibration_error(prob, label, kind="binary", **options)
    assert float(result) == pytest.approx(float(expected), abs=1e-6)
    prob = np.moveaxis(rng.dirichlet([0.6] * 4, (3, 400)), -1, 1)
    label = rng.integers(0, 4, (3, 400))
    expected = peers.multiclass_calibration_error(
        torch.tensor(prob), torch.tensor(label), num_classes=4, **options
    )
    result = ds.expected_calibration_error(prob, label, **options)
    assert float(result) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_scikit_learn_agrees(rng, strategy) -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    prob = rng.random(3000)  # 2999 is no multiple of 12: no value is a quantile
    label = rng.random(3000) < prob**2
    frequency, confidence = calibration.calibration_curve(label, prob, n_bins=12, strategy=strategy)
    result = ds.reliability_curve(prob, label, n_bins=12, strategy=strategy, kind="binary")
    np.testing.assert_allclose(result[0], confidence, rtol=1e-12)
    np.testing.assert_allclose(result[1], frequency, rtol=1e-12)


def test_half_precision_counts_beyond_its_range(backend: Backend) -> None:
    if backend.module == "array_api_strict":
        pytest.skip("the standard has no float16")
    prob = np.ones(70_000, np.float16)
    bins = backend.run(ds.calibration_bins, prob, prob > 0, kind="binary")
    assert bins.confidence.dtype == "float32"
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
        for norm in ("l1", "l2", "max"):
            assert math.isnan(bins.error(norm))


def test_memory_order_and_many_blocks(rng) -> None:
    prob = rng.random((70, 60, 50)).astype(np.float32)
    label = rng.random(prob.shape) < prob
    edges = (np.arange(11) / 10).astype(np.float32)
    views = [(prob, label), (np.asfortranarray(prob), label), (prob[::-1, ::2], label[::-1, ::2])]
    for p, y in views:
        bins = ds.calibration_bins(p, y, kind="binary")
        place = np.digitize(p, edges[1:-1])
        for k in range(10):
            assert bins.count[k] == np.sum(place == k)
            assert bins.correct[k] == np.sum(y[place == k])
            assert bins.confidence[k] == pytest.approx(p[place == k].sum(dtype=float), rel=1e-6)


def test_sums_of_other_edges_do_not_add() -> None:
    x, y = np.array([0.2, 0.6]), np.array([0, 1])
    ten = ds.calibration_bins(x, y, kind="binary")
    for options in ({"n_bins": 5}, {"strategy": "quantile"}):
        with pytest.raises(ValueError, match="same edges"):
            ten + ds.calibration_bins(x, y, kind="binary", **options)


P = np.full((2, 3, 4), 1 / 3)
L = np.zeros((2, 4), int)


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


def test_unknown_norm() -> None:
    with pytest.raises(ValueError, match="norm must be one of"):
        ds.expected_calibration_error(P, L, norm="l3")
