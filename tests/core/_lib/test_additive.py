"""Statistics of ten thousand cases of a million pixels each, added up."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from backends import Backend, available

import dice_semimetric as ds

CASES, PIXELS = 10_000, 1_000_000
EAGER = ("numpy", "torch", "torch-cuda", "jax", "cupy")


@pytest.fixture(params=EAGER)
def library(request: pytest.FixtureRequest) -> Backend:
    return available(request.param)


def many(one: object) -> object:
    """Return the sum of all cases: of 50 added one by one, then of 200 such sums."""
    few = reduce(add, [one] * 50)
    return reduce(add, [few] * (CASES // 50))


def test_overlaps(library: Backend) -> None:
    one = ds.Overlap(*(library.array(np.float32(n)) for n in (PIXELS, 999_999, 1, 999_999)))
    total = many(one)
    fields = (PIXELS, 999_999, 1, 999_999)
    for name, value in zip(("pred", "target", "difference", "product"), fields, strict=True):
        assert float(getattr(total, name)) == CASES * value
    loss = float(ds.overlap_loss(total, form="dml1"))
    assert loss == pytest.approx(1 / 1_999_999, rel=1e-6)


def test_an_addition_to_a_large_sum_is_not_lost(library: Backend) -> None:
    large = ds.Overlap(*[library.array(np.float32(2**25))] * 4)
    small = ds.Overlap(*[library.array(np.float32(1))] * 4)
    total = reduce(add, [small] * 10, large)
    assert float(total.pred) == 2**25 + 10


def test_counts(library: Backend) -> None:
    million = library.array(np.full((1, 2), PIXELS))
    half = library.array(np.full((1, 2), PIXELS // 2))
    total = many(ds.ThresholdCounts((0.5,), million, half, half))
    np.testing.assert_array_equal(library.numpy(total.pred), CASES * PIXELS)
    np.testing.assert_allclose(library.numpy(total.dice()), 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(library.numpy(total.binarized_dice()), 2 / 3, rtol=1e-6)
    assert int(total.sum().pred[0]) == 2 * CASES * PIXELS


def test_bins(library: Backend) -> None:
    count = library.array(np.array([PIXELS, PIXELS]))
    confidence, correct = (
        library.array(np.array(v, np.float32)) for v in ([250_000, 750_000], [250_000, 740_000])
    )
    edges = library.array(np.array([0, 0.5, 1], np.float32))
    total = many(ds.CalibrationBins(count, confidence, correct, edges))
    np.testing.assert_array_equal(library.numpy(total.count), CASES * PIXELS)
    assert float(total.error()) == pytest.approx(0.005, rel=1e-5)
    np.testing.assert_allclose(library.numpy(total.frequency()), [0.25, 0.74], rtol=1e-6)


def test_agreements(library: Backend) -> None:
    both = library.array(np.array([[PIXELS, PIXELS // 2], [PIXELS // 2, PIXELS]]))
    majority = library.array(np.array([PIXELS // 2] * 2))
    votes = library.array(np.array([PIXELS, PIXELS, PIXELS // 2]))
    total = many(ds.Agreement(both, majority, votes))
    one = ds.Agreement(both, majority, votes)
    for name in ("dice", "jaccard", "dice_to_majority", "cohen_kappa", "fleiss_kappa"):
        found, expected = (library.numpy(getattr(a, name)()) for a in (total, one))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_scores_of_large_counts_in_a_narrow_dtype(dtype) -> None:
    counts = np.array([10**10, 10**10])
    found = ds.ThresholdCounts((0.3, 0.5), counts, counts, counts // 2).dice(dtype=np.dtype(dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, 0.5)


def test_only_a_statistic_of_the_same_kind_is_added() -> None:
    x = np.array([0.25, 1.0])
    one = ds.overlap(x, x)
    assert float((one + 0).pred) == float(sum([one]).pred) == 1.25
    for other in (1, -1, 0.0, ds.threshold_counts(x, x)):
        with pytest.raises(TypeError, match="unsupported operand"):
            one + other
        with pytest.raises(TypeError, match="unsupported operand"):
            other + one


def test_jax_without_64_bits() -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(False):
        backend = available("jax")
        for test in (test_overlaps, test_an_addition_to_a_large_sum_is_not_lost, test_counts):
            test(backend)
        test_bins(backend)
        test_agreements(backend)
        x = jax.numpy.asarray(np.array([0.25, 0.5], np.float32))
        assert ds.overlap(x, x).pred.dtype == ds.dml1(x, x).dtype == "float32"
        assert ds.overlap_loss(many(ds.overlap(x, x))).dtype == "float32"

        def scanned(total, case):
            return total + ds.overlap(case, case), None

        total, _ = jax.lax.scan(scanned, ds.overlap(x, x), jax.numpy.stack([x] * 3))
        assert float(total.pred) == 3.0
