"""Calibration errors and curves against the definitions, torchmetrics and scikit-learn."""

import numpy as np
import pytest
from backends import Backend, in_float32
from binned import by_hand, problem
from hypothesis import given
from hypothesis import strategies as st
from reference import tolerance

import dice_semimetric as ds

KINDS = ("binary", "top_label", "classwise")


@in_float32
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", ["l1", "l2", "max", "average"])
def test_error(backend: Backend, rng, dtype, kind, norm) -> None:
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
        "average": np.nanmean(gap, axis=1),
    }[norm]
    options = {"n_bins": 5, "kind": kind, "ignore_index": ignore}
    result = backend.run(ds.expected_calibration_error, prob, label, norm=norm, **options)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, rows.mean(), **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("kind", KINDS)
def test_curve(backend: Backend, rng, dtype, kind) -> None:
    prob, label, ignore = problem(rng, kind, dtype, 3, False)
    sums = by_hand(prob, label, label != 9, (np.arange(6) / 5).astype(dtype), kind)
    options = {"n_bins": 5, "kind": kind, "ignore_index": ignore}
    curve = backend.run(ds.reliability_curve, prob, label, **options)
    with np.errstate(invalid="ignore"):
        expected = (sums[1] / sums[0], sums[2] / sums[0], sums[0])
    for got, value in zip(curve, expected, strict=True):
        np.testing.assert_allclose(got, value, **tolerance(dtype))


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=6))
def test_perfect_calibration_has_no_error(levels) -> None:
    prob = np.concatenate([np.full(8 * n, k / 8) for k, n in levels])
    label = np.concatenate([np.tile(np.arange(8) < k, n) for k, n in levels])
    for norm in ("l1", "l2", "max", "average"):
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


def test_a_confidence_on_an_edge_beside_torchmetrics_and_scikit_learn() -> None:
    """Above it here and in torchmetrics, below it in scikit-learn; 1 alone in torchmetrics."""
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("torchmetrics.functional.classification")
    calibration = pytest.importorskip("sklearn.calibration")
    prob, label = np.array([0.25, 0.5, 0.75]), np.array([1, 1, 0])

    def theirs(prob: np.ndarray, label: np.ndarray) -> float:
        given = torch.tensor(prob), torch.tensor(label)
        return float(peers.binary_calibration_error(*given, n_bins=2))

    options = {"n_bins": 2, "kind": "binary"}
    confidence, frequency, count = ds.reliability_curve(prob, label, **options)
    np.testing.assert_array_equal(count, [1, 2])
    ours = float(ds.expected_calibration_error(prob, label, **options))
    assert ours == theirs(prob, label) == pytest.approx((0.75 + 0.25) / 3)
    their_frequency, their_confidence = calibration.calibration_curve(label, prob, n_bins=2)
    np.testing.assert_allclose(confidence, [0.25, 0.625])
    np.testing.assert_allclose(frequency, [1, 0.5])
    np.testing.assert_allclose(their_confidence, [0.375, 0.75])
    np.testing.assert_allclose(their_frequency, [1, 0])
    prob, label = np.array([0.75, 1.0]), np.array([1, 0])
    assert float(ds.expected_calibration_error(prob, label, **options)) == pytest.approx(0.375)
    assert theirs(prob, label) == pytest.approx((0.25 + 1) / 2)


P = np.full((2, 3, 4), 1 / 3)
L = np.zeros((2, 4), int)


def test_a_curve_has_ten_equal_bins_of_the_top_label_by_default(rng) -> None:
    prob, label, _ = problem(rng, "top_label", "float64", 3, False)
    label[label == 9] = 0
    bins = ds.calibration_bins(prob, label, n_bins=10, strategy="uniform", kind="top_label")
    expected = bins.mean_confidence(), bins.frequency(), bins.count
    for got, value in zip(ds.reliability_curve(prob, label), expected, strict=True):
        assert got.shape == (10,)
        np.testing.assert_array_equal(got, value)


def test_the_average_error_leaves_out_empty_bins_and_weighs_the_others_alike() -> None:
    prob, label = np.array([0.1, 0.1, 0.1, 0.9]), np.array([0, 0, 1, 1])
    error = ds.expected_calibration_error(prob, label, kind="binary", norm="average")
    assert float(error) == pytest.approx(((1 / 3 - 0.1) + 0.1) / 2)
    none = {"kind": "binary", "norm": "average", "mask": np.zeros(4, bool)}
    assert np.isnan(ds.expected_calibration_error(prob, label, **none))


def test_unknown_norm() -> None:
    with pytest.raises(ValueError, match="norm must be one of"):
        ds.expected_calibration_error(P, L, norm="l3")


@pytest.mark.parametrize("kind", ["top_label", "classwise", "binary"])
@pytest.mark.parametrize("norm", ["l1", "average"])
def test_each_rater_and_their_mean(kind, norm) -> None:
    """The error against the mean of the raters is that of all their bins added."""
    rng = np.random.default_rng(9)
    prob = np.moveaxis(rng.dirichlet([1.0] * 3, (2, 9, 8)), -1, 1)
    raters = rng.integers(0, 3, (4, 2, 9, 8))
    soft = ds.uniform_average(raters, num_classes=3, dtype=np.float64)
    if kind == "binary":
        prob, raters, soft = prob[:, 1], raters == 1, soft[:, 1]
    options = {"kind": kind, "norm": norm}
    each = ds.expected_calibration_error(prob, raters, rater_axis=0, **options)
    wanted = [ds.expected_calibration_error(prob, rater, **options) for rater in raters]
    np.testing.assert_array_equal(each, wanted)
    moved = np.moveaxis(raters, 0, 1)
    again = ds.expected_calibration_error(prob, moved, rater_axis=1, **options)
    np.testing.assert_array_equal(again, wanted)
    bins = sum(ds.calibration_bins(prob, rater, kind=kind) for rater in raters)
    mean = ds.expected_calibration_error(prob, soft, **options)
    np.testing.assert_allclose(bins.error(norm), mean, rtol=1e-12)
    with pytest.raises(ValueError, match="label must hold at least one rater along axis 0"):
        ds.expected_calibration_error(prob, raters[:0], rater_axis=0)
