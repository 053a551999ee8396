"""The compiled regression and its derivative against all pairs in float64, and fifty digits."""

import multiprocessing

import numpy as np
import pytest
import reference
from scipy.special import gammaln

regression = pytest.importorskip("dice_semimetric_numba.regression")

from dice_semimetric_numba import kernels
from dice_semimetric_numba.regression_order import similar, write_codes

from dice_semimetric import kernel_regression
from dice_semimetric._lib.threads import threads
from dice_semimetric.kernel.density import LOG_ZERO

BANDWIDTHS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
NEVER = np.finfo(float).min / 4
Arrays = tuple[np.ndarray, ...]


def shares(query, key, bias, skip_self: bool) -> Arrays:
    """Return the share of each key (m, n) in the kernel's sum at each pixel, and its logarithm."""
    score = key @ query + bias[:, None]
    if skip_self:
        np.fill_diagonal(score, NEVER)
    top = score.max(axis=0)
    weight = np.exp(score - top)
    return weight / weight.sum(axis=0), top + np.log(weight.sum(axis=0))


def sums(query, key, bias, value, *, skip_self: bool = False) -> Arrays:
    share, log_total = shares(query, key, bias, skip_self)
    return value.astype(float) @ share, log_total


def gradient(query, key, bias, value, upstream: Arrays, skip_self: bool) -> Arrays:
    share, _ = shares(query, key, bias, skip_self)
    value, (of_mean, of_log) = value.astype(float), upstream
    slope = share * (value.T @ of_mean + of_log - (of_mean * (value @ share)).sum(axis=0))
    return key.T @ slope, slope @ query.T, slope.sum(axis=1), of_mean @ share.T


def probabilities(rng: np.random.Generator, n: int, num_classes: int, dtype: str) -> np.ndarray:
    """Return rows from uniform to nearly sure, down to 1e-12, as the wider dtype holds them."""
    logits = rng.normal(size=(n, num_classes)) * rng.choice([1, 5, 15], size=(n, 1))
    rows = np.maximum(reference.softmax(logits), 1e-12)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(dtype).astype(float)


def inputs(rng, n: int, m: int, num_classes: int, bandwidth: float, dtype: str) -> Arrays:
    """Return what `regress` makes of probabilities."""
    key = probabilities(rng, m, num_classes, dtype) / bandwidth
    bias = gammaln(key.sum(axis=1) + num_classes) - gammaln(key + 1).sum(axis=1)
    value = np.eye(num_classes, dtype=dtype)[:, rng.integers(0, num_classes, m)]
    return np.log(probabilities(rng, n, num_classes, dtype)).T, key, bias, value


def assert_close(found: Arrays, expected: Arrays, rtol: float) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("skip_self", [False, True])
@pytest.mark.parametrize(
    ("n", "m", "num_classes", "values"),
    [
        (1, 2, 2, 1),
        (2, 1, 3, 2),
        (40, 40, 1, 1),
        (65, 65, 2, 3),
        (64, 130, 3, 3),
        (700, 90, 4, 1),
        (130, 70, 6, 2),
        (300, 301, 9, 9),
    ],
)
def test_sums_and_gradient_are_those_of_all_pairs(
    rng: np.random.Generator, dtype: str, n, m, num_classes, values, skip_self
) -> None:
    shapes = ((num_classes, n), (m, num_classes), (m,), (values, m))
    query, key, bias, value = (rng.normal(size=shape) for shape in shapes)
    value = value.astype(dtype) * (rng.random(value.shape) < 0.7)
    given = query, key, bias, value
    found = regression.kernel_sums(*given, skip_self=skip_self)
    rtol = 1e-12 if dtype == "float64" else 1e-5
    assert found[0].dtype == dtype
    assert found[1].dtype == "float64"
    if m == 1 and skip_self:  # the first pixel has no key at all
        found, given = (found[0][:, 1:], found[1][1:]), (query[:, 1:], key, bias, value)
        return assert_close(found, sums(*given), rtol)
    assert_close(found, sums(*given, skip_self=skip_self), rtol)
    upstream = rng.normal(size=(values, n)).astype(dtype), rng.normal(size=n)
    slopes = regression.kernel_sums_gradient(*given, *found, *upstream, skip_self=skip_self)
    assert_close(slopes, gradient(*given, upstream, skip_self), 10 * rtol)
    return None


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_error_is_below_the_bound_at_every_bandwidth_of_table_8(
    rng: np.random.Generator, monkeypatch, dtype: str, num_classes: int, bandwidth: float
) -> None:
    monkeypatch.setattr(kernels, "SMALL", 0)
    prob, keys = (probabilities(rng, n, num_classes, dtype).astype(dtype) for n in (20, 70))
    prob[0] = np.eye(num_classes)[0]
    keys[:2] = prob[:2]
    label = rng.integers(0, num_classes, 70)
    found = kernel_regression(prob, keys, label, bandwidth=bandwidth)
    logs = reference.dirichlet(prob, keys, bandwidth)
    expected = reference.kernel_mean(logs, np.eye(num_classes)[label])
    np.testing.assert_allclose(found, expected, atol=2e-10 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_keys_that_are_left_out_do_not_count(
    rng: np.random.Generator, dtype: str, num_classes: int, bandwidth: float
) -> None:
    given = inputs(rng, 1500, 300, num_classes, bandwidth, dtype)
    mean, log_total = regression.kernel_sums(*given, skip_self=False)
    expected, log_expected = sums(*given)
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(mean, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(log_total, log_expected, rtol=1e-12, atol=tolerance)
    small = expected > 1e-33  # what is left out adds less than 1e-38
    np.testing.assert_allclose(mean[small], expected[small], rtol=20 * tolerance)
    of_mean = rng.normal(size=mean.shape)
    upstream = of_mean.astype(dtype), np.zeros(1500)
    slopes = regression.kernel_sums_gradient(*given, mean, log_total, *upstream, skip_self=False)
    assert_close(slopes, gradient(*given, upstream, False), tolerance)


def ordered(pixels: np.ndarray, start: int, stop: int) -> np.ndarray:
    code = np.empty(pixels.shape[0], np.uint64)
    write_codes(pixels, start, stop, code)
    return similar(code, start, stop)


def test_leaving_out_saves_work(rng: np.random.Generator) -> None:
    from dice_semimetric_numba.regression_tiles import TILE, near

    query, key, bias, _ = inputs(rng, 20_000, 200, 3, 5e-5, "float64")
    order = ordered(np.ascontiguousarray(query.T), 0, 20_000)
    by_class = np.ascontiguousarray(key.T)
    kept, counts = np.empty(201, np.int64), []
    for start in range(0, 20_000 - TILE, TILE):
        own = order[start : start + TILE]
        tile = np.ascontiguousarray(query[:, own])
        counts.append(near(by_class, bias, tile, own, False, -88.0, kept))
    assert min(counts) >= 1
    assert np.mean(counts) < 0.3 * 200


@pytest.mark.parametrize("num_classes", [1, 2, 3, 70])
def test_order_holds_each_number_once_and_groups_by_class(
    rng: np.random.Generator, num_classes: int
) -> None:
    pixels = rng.normal(size=(1000, num_classes)) * 30
    pixels[5], pixels[6], pixels[7] = LOG_ZERO, np.nan, -np.inf
    order = ordered(pixels, 3, 1000)
    np.testing.assert_array_equal(np.sort(order), np.arange(3, 1000))
    top = np.argmax(pixels[order[np.isin(order, [5, 6, 7], invert=True)]], axis=1)
    assert np.count_nonzero(np.diff(top)) == np.unique(top).size - 1


def test_a_pixel_does_not_depend_on_what_is_beside_it(rng: np.random.Generator) -> None:
    query, key, bias, value = inputs(rng, 200, 100, 3, 1e-3, "float64")
    expected = regression.kernel_sums(query, key, bias, value, skip_self=False)
    key[:50, 1] = 0
    query[1, ::7] = LOG_ZERO
    query[:, 3], query[0, 130] = np.nan, np.nan
    found = regression.kernel_sums(query, key, bias, value, skip_self=False)
    expected = sums(query, key, bias, value)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    assert np.isnan(found[1]).sum() == 2


LAYOUTS = {
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "Fortran order": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "negative strides": lambda a: a[..., ::-1].copy()[..., ::-1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_has_no_influence(rng: np.random.Generator, layout: str) -> None:
    given = inputs(rng, 300, 100, 3, 1e-2, "float32")
    upstream = rng.normal(size=(3, 300)).astype("float32"), rng.normal(size=300)
    laid_out, other = (tuple(map(LAYOUTS[layout], arrays)) for arrays in (given, upstream))
    found = regression.kernel_sums(*given, skip_self=False)
    same = regression.kernel_sums(*laid_out, skip_self=False)
    slopes = regression.kernel_sums_gradient(*given, *found, *upstream, skip_self=False)
    compiled = len(regression.backward.signatures)
    again = regression.kernel_sums_gradient(
        *laid_out, *map(LAYOUTS[layout], found), *other, skip_self=False
    )
    for a, b in zip((*found, *slopes), (*same, *again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(regression.backward.signatures) == compiled


@pytest.mark.parametrize("m", [20, 100])
def test_the_number_of_threads_has_no_influence(
    rng: np.random.Generator, monkeypatch, m: int
) -> None:
    monkeypatch.setattr(regression, "PART", 128)
    monkeypatch.setattr(regression, "TOGETHER", 512)
    given = inputs(rng, 1900, m, 3, 1e-3, "float32")
    upstream = rng.normal(size=(3, 1900)).astype("float32"), rng.normal(size=1900)
    results = []
    for count in (1, 2, 5):
        with threads(count):
            found = regression.kernel_sums(*given, skip_self=True)
            slopes = regression.kernel_sums_gradient(*given, *found, *upstream, skip_self=True)
        results.append((*found, *slopes))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    monkeypatch.undo()
    whole = regression.kernel_sums(*given, skip_self=True)
    assert_close(results[0][:2], whole, 1e-5)


def total() -> float:
    given = inputs(np.random.default_rng(0), 20_000, 80, 2, 1e-3, "float32")
    return float(regression.kernel_sums(*given, skip_self=False)[1].sum())


def test_a_forked_process_may_go_on() -> None:
    with threads(2):
        here = total()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(total).get(60) == here


def test_no_pixels_and_small_sets_are_left_to_the_core(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "SMALL", 51)
    query, key, bias, value = inputs(rng, 10, 5, 3, 1e-2, "float64")
    assert kernels.kernel_sums(query, key, bias, value, skip_self=False) is NotImplemented
    none = regression.kernel_sums(query[:, :0], key, bias, value, skip_self=False)
    assert none is NotImplemented
    strange = regression.kernel_sums(query, key, bias, value.astype("float16"), skip_self=False)
    assert strange is NotImplemented


def test_the_gradient_of_a_tile_of_few_far_pixels_is_finite(rng: np.random.Generator) -> None:
    """What lies where a tile has no pixel must not reach the keys, whatever its exponents."""
    torch = pytest.importorskip("torch")
    near = np.array([0.6, 0.3, 0.1])
    keys = near + 0.1 * (rng.random((300, 3)) - 0.5)
    keys /= keys.sum(axis=1, keepdims=True)
    label = torch.from_numpy(rng.integers(0, 3, 300))
    for share in np.linspace(0.8, 0.9, 201):
        far = np.array([0.6 * (1 - share), 0.3 + 0.6 * share, 0.1])
        prob = torch.from_numpy(np.stack([near, far]))
        leaf = torch.from_numpy(keys).requires_grad_()
        kernel_regression(prob, leaf, label, bandwidth=1e-3).square().sum().backward()
        assert torch.isfinite(leaf.grad).all()
