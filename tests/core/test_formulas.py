"""The formulas against exact fractions, over all magnitudes that sums have."""

import math
from fractions import Fraction

import numpy as np
import pytest
from backends import Backend, available, in_float32

import dice_semimetric as ds

FORMS = ("dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "ctl", "cftl", "stl")
WEIGHTS = {"dml": 0.5, "jml": 1.0, "sdl": 0.5, "sjl": 1.0}
FIELDS = ("pred", "target", "difference", "product")


def exact(
    sums: tuple[Fraction, ...], form: str, weights: tuple[float, float] | None
) -> list[Fraction]:
    """Return a loss and its derivatives by the four sums; a form without weights ignores them."""
    x, y, apart, product = sums
    fixed = next((w for name, w in WEIGHTS.items() if form.startswith(name)), None)
    alpha, beta = (Fraction(w) for w in ((fixed, fixed) if fixed else weights))
    half = Fraction(1, 2)
    if form in ("dml1", "jml1", "ctl", "cftl"):
        inner, d_inner = (x + y - apart) / 2, (half, half, -half, 0)
        error = alpha * (apart + x - y) / 2 + beta * (apart - x + y) / 2
        d_error = ((alpha - beta) / 2, (beta - alpha) / 2, (alpha + beta) / 2, 0)
    elif form in ("dml2", "jml2"):
        inner, d_inner = product, (0, 0, 0, 1)
        error, d_error = (alpha + beta) / 2 * apart, (0, 0, (alpha + beta) / 2, 0)
    else:
        inner, d_inner = product, (0, 0, 0, 1)
        error = alpha * (x - product) + beta * (y - product)
        d_error = (alpha, beta, 0, -alpha - beta)
    total = inner + error
    slopes = [(e * inner - error * i) / total**2 for e, i in zip(d_error, d_inner, strict=True)]
    return [error / total, *slopes]


def draw(rng: np.random.Generator, dtype: str) -> tuple[np.floating, ...]:
    """Return sums whose I, FP and FN lie anywhere from 1e-30 to 1e8, consistent as rounded."""
    kind = np.dtype(dtype).type
    while True:
        inner, positives, negatives = (Fraction(10.0**e) for e in rng.uniform(-30, 8, 3))
        parts = inner + positives, inner + negatives, positives + negatives
        x, y, apart = (kind(float(part)) for part in parts)
        most = Fraction(float(x)) + Fraction(float(y))
        least = abs(Fraction(float(x)) - Fraction(float(y)))
        if least <= Fraction(float(apart)) < most:
            return x, y, apart, kind(min(float(inner), x, y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("form", "weights"),
    [
        (form, weights)
        for form in FORMS
        for weights in ([None] if form[:3] in WEIGHTS else [(0.5, 0.0), (0.0, 1.0), (0.3, 0.7)])
    ],
)
def test_a_loss_is_right_to_a_few_ulp_at_any_magnitude(rng, form, weights, dtype) -> None:
    options = {} if weights is None else {"alpha": weights[0], "beta": weights[1]}
    for _ in range(60):
        sums = draw(rng, dtype)
        value, *_ = exact(tuple(Fraction(float(s)) for s in sums), form, weights)
        o = ds.Overlap(*(np.asarray(s) for s in sums))
        found = float(ds.overlap_loss(o, form=form, **options))
        assert found == pytest.approx(float(value), rel=8 * float(np.finfo(dtype).eps), abs=1e-30)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_gradient_is_right_at_any_magnitude(rng, form, library) -> None:
    module = pytest.importorskip(library)
    options = {} if form[:3] in WEIGHTS else {"alpha": 0.5, "beta": 0.0}

    def of(table):
        return ds.overlap_loss(ds.Overlap(*(table[k] for k in range(4))), form=form, **options)

    slope = module.jit(module.grad(of)) if library == "jax" else None
    for _ in range(12):
        sums = draw(rng, "float32")
        value, *slopes = exact(tuple(Fraction(float(s)) for s in sums), form, (0.5, 0.0))
        slopes = np.array([float(s) for s in slopes])
        if value == 0 or abs(slopes).max() > 1e30:
            continue  # at a loss of 0 the derivative is 0 by definition
        if library == "torch":
            table = module.tensor(np.array(sums), requires_grad=True)
            of(table).backward()
            found = table.grad.numpy()
        else:
            found = np.asarray(slope(module.numpy.asarray(np.array(sums))))
        np.testing.assert_allclose(found, slopes, rtol=1e-4, atol=3e-6 * abs(slopes).max())


@in_float32
def test_a_tversky_weight_of_0_beside_a_side_near_0(backend: Backend, dtype) -> None:
    x, y = np.array([7e-11], dtype), np.array([0.397], dtype)
    inner, positives = 7e-11 * 0.397, 0.5 * 7e-11 * 0.603
    expected = pytest.approx(positives / (inner + positives), rel=1e-6)
    assert float(backend.run(ds.stl, x, y, alpha=0.5, beta=0.0)) == expected
    assert float(backend.run(ds.stl, y, x, alpha=0.0, beta=0.5)) == expected


def test_a_denominator_near_0_has_a_gradient_in_jax() -> None:
    jax = pytest.importorskip("jax")
    logits, labels = jax.numpy.full((1, 1, 100), -60.0), jax.numpy.zeros((1, 1, 100))
    slope = jax.grad(lambda z: ds.region_loss(z, labels, activation="sigmoid"))(logits)
    assert not np.asarray(slope).any()  # the loss is 1 whatever is predicted
    slope = jax.grad(lambda x: ds.dml1(x, jax.numpy.full(100, 3e-25)))(jax.numpy.full(100, 1e-25))
    np.testing.assert_allclose(slope, -2 * 3 / 16 / 1e-23 * np.ones(100), rtol=1e-5)


@pytest.mark.parametrize("form", ["dml1", "jml2", "ctl"])
def test_the_authors_code_takes_the_logarithm_before_the_power(form) -> None:
    """-ln of the Tversky index, raised to gamma, as the JDT losses do with log_loss."""
    o = ds.Overlap(*(np.asarray(v) for v in (3.0, 4.0, 2.0, 2.0)))
    plain = float(ds.overlap_loss(o, form=form))
    for gamma in (1.0, 1.5, 2.0):
        options = {"form": form, "log": True, "gamma": gamma}
        code = float(ds.overlap_loss(o, **options, focal_exponent="code"))
        paper = float(ds.overlap_loss(o, **options))
        assert code == pytest.approx((-math.log(1 - plain)) ** gamma, rel=1e-14)
        assert paper == pytest.approx(-math.log(1 - plain ** (1 / gamma)), rel=1e-14)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_gradient_of_the_code_exponent_with_log(library) -> None:
    module = pytest.importorskip(library)
    x, y = np.array([0.2, 0.9, 0.5], np.float32), np.array([0.0, 1.0, 0.4], np.float32)

    def of(x, y):
        options = {"alpha": 1.0, "beta": 1.0, "gamma": 2.0, "focal_exponent": "code"}
        return ds.overlap_loss(ds.overlap(x, y), form="ctl", log=True, **options)

    if library == "torch":
        given = module.tensor(x, requires_grad=True)
        of(given, module.tensor(y)).backward()
        found = given.grad.numpy()
    else:
        found = np.asarray(module.grad(of)(module.numpy.asarray(x), module.numpy.asarray(y)))
    step = 1e-6
    wide, other = x.astype(float), y.astype(float)
    expected = [
        (of(wide + step * e, other) - of(wide - step * e, other)) / (2 * step) for e in np.eye(3)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_smooth_of_every_jaccard_form_is_the_same_on_hard_labels(name, rng) -> None:
    backend = available(name)
    x, y = (rng.random((2, 20)) < 0.5).astype(np.float64)
    both, total = (x * y).sum(), (x + y).sum()
    for smooth in (1.0, (0.3, 0.9)):
        top, bottom = smooth if isinstance(smooth, tuple) else (smooth, smooth)
        jaccard = 1 - (2 * both + top) / (2 * (total - both) + bottom)
        dice = 1 - (2 * both + top) / (total + bottom)
        tversky = 1 - (both + top) / (
            both + 0.3 * (x.sum() - both) + 0.8 * (y.sum() - both) + bottom
        )
        for expected, forms in (
            (jaccard, ("jml1", "jml2", "sjl")),
            (dice, ("dml1", "dml2", "sdl")),
        ):
            for form in forms:
                found = float(backend.run(getattr(ds, form), x, y, smooth=smooth))
                assert found == pytest.approx(expected, rel=1e-6), form
        for form in ("ctl", "stl"):
            weights = {"alpha": 0.3, "beta": 0.8}
            found = float(backend.run(getattr(ds, form), x, y, smooth=smooth, **weights))
            assert found == pytest.approx(tversky, rel=1e-6), form
