"""The losses: the paper's equations, theorems and examples, and gradients at the awkward points."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from hypothesis import assume, example, given
from hypothesis import strategies as st
from reference import tolerance

import dice_semimetric as ds

SYMMETRIC = ("dml1", "dml2", "jml1", "jml2")
PLAIN = (*SYMMETRIC, "sdl", "sjl")
TVERSKY = ("ctl", "stl")
RHO = (1 + math.sqrt(5)) / 2


def arrays(*, hard: bool = False, count: int = 1) -> st.SearchStrategy:
    """Arrays of one small shape in [0, 1], full of ties and exact zeros and ones."""
    element = st.sampled_from([0.0, 1.0])
    if not hard:
        element |= st.sampled_from([0.25, 0.5, 0.75]) | st.floats(0, 1, allow_subnormal=False)
    return st.sampled_from([1, 5]).flatmap(  # few shapes: JAX compiles each anew
        lambda n: st.tuples(*[hnp.arrays(np.float64, (n,), elements=element)] * count)
    )


def loss(backend: Backend, name: str, x: np.ndarray, y: np.ndarray, **options: float) -> float:
    return float(backend.run(getattr(ds, name), x, y, **options))


@pytest.mark.parametrize("name", PLAIN)
def test_equations(backend: Backend, rng, dtype, name) -> None:
    x, y = (np.round(rng.random((2, 4, 15)) * 8) / 8).astype(dtype)
    x[3] = y[3] = 0
    result = backend.run(getattr(ds, name), x, y, axis=1)
    expected = [reference.loss(name, a, b) for a, b in zip(x, y, strict=True)]
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("name", TVERSKY)
@pytest.mark.parametrize("weights", [(0.5, 0.5), (1, 1), (0.3, 0.7), (0.9, 0.2), (0, 1)])
def test_tversky_equations(backend: Backend, rng, dtype, name, weights) -> None:
    x, y = (np.round(rng.random((2, 4, 15)) * 8) / 8).astype(dtype)
    alpha, beta = weights
    result = backend.run(getattr(ds, name), x, y, axis=1, alpha=alpha, beta=beta)
    expected = [reference.loss(name, a, b, alpha, beta) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(result, expected, **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("focal_exponent", ["paper", "code"])
def test_focal_exponent(backend: Backend, rng, dtype, focal_exponent) -> None:
    x, y = rng.random((2, 4, 15)).astype(dtype)
    options = {"alpha": 0.3, "beta": 0.6}
    plain = backend.run(ds.ctl, x, y, axis=1, **options)
    result = backend.run(ds.cftl, x, y, axis=1, **options, gamma=2.0, focal_exponent=focal_exponent)
    exponent = 0.5 if focal_exponent == "paper" else 2.0
    np.testing.assert_allclose(result, plain**exponent, **tolerance(dtype))


@pytest.mark.parametrize("name", PLAIN)
def test_smooth_is_added_to_numerator_and_denominator(backend: Backend, rng, name) -> None:
    x, y = rng.random((2, 15))
    inner, total, apart = (x * y).sum(), (x + y).sum(), abs(x - y).sum()
    numerator, denominator = {
        "dml1": (total - apart, total),
        "dml2": (2 * inner, 2 * inner + apart),
        "jml1": (total - apart, total + apart),
        "jml2": (2 * inner, 2 * inner + 2 * apart),
        "sdl": (2 * inner, total),
        "sjl": (2 * inner, 2 * (total - inner)),
    }[name]
    assert loss(backend, name, x, y, smooth=0.7) == pytest.approx(
        1 - (numerator + 0.7) / (denominator + 0.7), rel=1e-10
    )
    assert loss(backend, name, x, y, smooth=(0.7, 0.2)) == pytest.approx(
        1 - (numerator + 0.7) / (denominator + 0.2), rel=1e-10
    )


@given(pair=arrays(count=2))
@pytest.mark.parametrize("name", SYMMETRIC)
def test_theorem_1_reflexive_positive_symmetric(theorem_backend: Backend, name, pair) -> None:
    x, y = pair
    assert loss(theorem_backend, name, x, x) == 0
    assert loss(theorem_backend, name, x, y) == loss(theorem_backend, name, y, x)
    if abs(x - y).max() > 1e-12:
        assert 0 < loss(theorem_backend, name, x, y) <= 1 + 1e-12


@given(triple=arrays(count=3))
@example(triple=(np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([1.0, 0.0])))
@pytest.mark.parametrize("name", SYMMETRIC)
def test_theorem_1_triangle_inequality(theorem_backend: Backend, name, triple) -> None:
    a, b, c = triple
    rho = 1.0 if name.startswith("jml") else RHO
    through = loss(theorem_backend, name, a, b) + loss(theorem_backend, name, b, c)
    assert loss(theorem_backend, name, a, c) <= rho * through + 1e-12


def test_appendix_a_reaches_three_halves(theorem_backend: Backend) -> None:
    a, b, c = np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([1.0, 0.0])
    for name in ("dml1", "dml2"):
        through = loss(theorem_backend, name, a, b) + loss(theorem_backend, name, b, c)
        assert loss(theorem_backend, name, a, c) / through == pytest.approx(1.5)


@given(soft=arrays(count=2), seed=st.integers(0, 2**31))
def test_theorem_2_and_6_all_agree_on_hard_labels(theorem_backend: Backend, soft, seed) -> None:
    x, _ = soft
    y = (np.random.default_rng(seed).random(x.shape) < 0.5).astype(float)
    for a, b in ((x, y), (y, x)):
        dice = [loss(theorem_backend, n, a, b) for n in ("sdl", "dml1", "dml2")]
        jaccard = [loss(theorem_backend, n, a, b) for n in ("sjl", "jml1", "jml2")]
        tversky = [loss(theorem_backend, n, a, b, alpha=0.3, beta=0.8) for n in TVERSKY]
        for values in (dice, jaccard, tversky):
            np.testing.assert_allclose(values, values[0], rtol=1e-9, atol=1e-12)


def test_theorem_2_and_6_they_differ_on_soft_labels(theorem_backend: Backend) -> None:
    x, y = np.array([0.5, 0.9]), np.array([0.4, 0.2])
    values = [loss(theorem_backend, n, x, y) for n in ("sdl", "dml1", "dml2")]
    values += [loss(theorem_backend, n, x, y, alpha=0.3, beta=0.8) for n in TVERSKY]
    assert len({round(v, 6) for v in values}) == len(values)


@given(pair=arrays(count=2))
def test_theorem_3_dml1_is_never_above_dml2(theorem_backend: Backend, pair) -> None:
    x, y = pair
    assert loss(theorem_backend, "dml1", x, y) <= loss(theorem_backend, "dml2", x, y) + 1e-12
    assert loss(theorem_backend, "jml1", x, y) <= loss(theorem_backend, "jml2", x, y) + 1e-12


@given(pair=arrays(count=2), alpha=st.floats(0.01, 3), beta=st.floats(0.01, 3))
def test_theorem_5_ctl_is_reflexive_and_positive(
    theorem_backend: Backend, pair, alpha, beta
) -> None:
    x, y = pair
    assert loss(theorem_backend, "ctl", x, x, alpha=alpha, beta=beta) == 0
    assume(abs(x - y).max() > 1e-9)
    assert loss(theorem_backend, "ctl", x, y, alpha=alpha, beta=beta) > 0


@given(pair=arrays(count=2))
def test_dice_and_jaccard_are_tversky(theorem_backend: Backend, pair) -> None:
    x, y = pair
    for half, one, tversky in (("dml1", "jml1", "ctl"), ("sdl", "sjl", "stl")):
        for name, weight in ((half, 0.5), (one, 1.0)):
            value = loss(theorem_backend, tversky, x, y, alpha=weight, beta=weight)
            assert value == pytest.approx(loss(theorem_backend, name, x, y), abs=1e-12)
        dice, jaccard = loss(theorem_backend, half, x, y), loss(theorem_backend, one, x, y)
        assert dice == pytest.approx(jaccard / (2 - jaccard), abs=1e-12)


def test_soft_dice_prefers_a_hard_mask_to_the_label_itself(theorem_backend: Backend) -> None:
    y = np.full(4, 0.5)
    for name in ("sdl", "sjl"):
        assert loss(theorem_backend, name, y, y) > loss(theorem_backend, name, np.ones(4), y)
    for name in SYMMETRIC:
        assert loss(theorem_backend, name, y, y) == 0 < loss(theorem_backend, name, np.ones(4), y)


@in_float32
@pytest.mark.parametrize("name", PLAIN)
def test_empty_and_disjoint(backend: Backend, dtype, name) -> None:
    none, some = np.zeros(5, dtype), np.array([1, 1, 0, 0, 0], dtype)
    assert backend.run(getattr(ds, name), none, none) == 0
    assert backend.run(getattr(ds, name), none, none, smooth=1.0) == 0
    assert backend.run(getattr(ds, name), none, some) == 1
    assert backend.run(getattr(ds, name), some, none) == 1
    assert backend.run(getattr(ds, name), np.zeros((0,), dtype), np.zeros((0,), dtype)) == 0


def gradients(name: str, x: np.ndarray, y: np.ndarray, **options: float) -> dict[str, np.ndarray]:
    """Return d loss / d x by every library that differentiates."""
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    function = getattr(ds, name)
    leaf = torch.tensor(x, requires_grad=True)
    function(leaf, torch.tensor(y), **options).backward()
    there = jax.numpy.asarray(y)
    traced = jax.grad(lambda v: function(v, there, **options))(jax.numpy.asarray(x))
    return {"torch": leaf.grad.numpy(), "jax": np.asarray(traced)}


@pytest.mark.parametrize("name", [*PLAIN, *TVERSKY, "cftl"])
@given(pair=arrays(count=2))
def test_gradients_agree_with_differences(name, pair) -> None:
    x, y = pair
    x = np.clip(x, 0.01, 0.99)
    assume(abs(x - y).min() > 1e-3)
    options = {"alpha": 0.3, "beta": 0.6} if name in (*TVERSKY, "cftl") else {}
    if name == "cftl":
        options["gamma"] = 1.5
    step = 1e-6
    slopes = np.empty_like(x)
    for i in range(x.size):
        e = np.eye(x.size)[i] * step
        up, down = (float(getattr(ds, name)(v, y, **options)) for v in (x + e, x - e))
        slopes[i] = (up - down) / (2 * step)
    for value in gradients(name, x, y, **options).values():
        np.testing.assert_allclose(value, slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [*SYMMETRIC, "ctl", "cftl"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_gradient_is_zero_at_x_equal_y(name, value) -> None:
    y = np.array([value, value, 1 - value])
    options = {"alpha": 0.3, "beta": 0.6} if name in ("ctl", "cftl") else {}
    if name == "cftl":
        options["gamma"] = 2.0
    for gradient in gradients(name, y, y, **options).values():
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", PLAIN)
def test_gradient_of_empty_against_empty_is_zero(name) -> None:
    none = np.zeros(4)
    for gradient in gradients(name, none, none).values():
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("options", [{}, {"soft_label": True}])
@pytest.mark.parametrize("jaccard", [False, True])
def test_parity_with_monai_dice(rng, options, jaccard) -> None:
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("monai.losses")
    x = rng.random((3, 2, 6, 5))
    y = rng.random(x.shape) if options else (rng.random(x.shape) < 0.4).astype(float)
    peer = losses.DiceLoss(jaccard=jaccard, smooth_nr=1e-5, smooth_dr=1e-5, **options)
    expected = float(peer(torch.tensor(x), torch.tensor(y)))
    form = "jml1" if jaccard else "dml1"
    ours = ds.region_loss(x, y, form=form, per="image", smooth=1e-5)
    assert float(ours) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("soft", [False, True])
def test_parity_with_monai_tversky(rng, soft) -> None:
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("monai.losses")
    x = rng.random((3, 2, 6, 5))
    y = rng.random(x.shape) if soft else (rng.random(x.shape) < 0.4).astype(float)
    peer = losses.TverskyLoss(alpha=0.3, beta=0.6, soft_label=soft)
    expected = float(peer(torch.tensor(x), torch.tensor(y)))
    ours = ds.region_loss(x, y, form="ctl", alpha=0.3, beta=0.6, per="image", smooth=1e-5)
    assert float(ours) == pytest.approx(expected, rel=1e-9)
