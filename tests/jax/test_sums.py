"""JAX's derivative of the sums: in closed form, of any order, the same as PyTorch's."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from backends import in_float32
from reference import tolerance

from dice_semimetric import Overlap, overlap, overlap_loss, region_loss, region_overlap
from dice_semimetric._lib.levels import threshold_sums
from dice_semimetric._lib.seam import Pixels
from dice_semimetric.formulas import FORMS
from dice_semimetric.overlap import overlap_sums

jax = pytest.importorskip("jax")
jnp = jax.numpy

from dice_semimetric_jax import kernels

generic = overlap_sums.__wrapped__


def case(rng: np.random.Generator, dtype: str, shape=(2, 3, 5, 4)) -> tuple:
    """Return soft x and y with ties, exact zeros and ones, and an empty class."""
    x, y = np.round(rng.random((2, *shape)) * 4) / 4
    x[1, -1] = y[1, -1] = 0
    return x.astype(dtype), y.astype(dtype)


def weighed_sums(x, y, mask=None, **options) -> Callable:
    """Return a function that weighs the four sums to a scalar, and the options of the sums."""
    weights = np.random.default_rng(1).random((4, *x.shape[:2]))

    def weighed(sums):
        total = [jnp.sum(jnp.asarray(w, s.dtype) * s) for w, s in zip(weights, sums, strict=True)]
        return sum(total)

    settings = {"axis": tuple(range(2, x.ndim)), "dtype": jnp.asarray(x).dtype, "checked": False}
    return weighed, settings | options


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize(
    ("hard", "masked"),
    [*itertools.product((True, False), ("no", "pixels", "classes")), (True, "ignored")],
)
def test_gradient_is_that_of_plain_operations(rng, dtype, activation, hard, masked) -> None:
    x, y = case(rng, dtype)
    if activation is not None:
        x = rng.normal(size=x.shape).astype(dtype)
    y = rng.integers(0, 3, (2, 5, 4)) if hard else y
    mask = {"pixels": (2, 1, 5, 4), "classes": (2, 3, 5, 4)}.get(masked)
    mask = None if mask is None else jnp.asarray(rng.random(mask) < 0.6)
    weighed, options = weighed_sums(
        x, y, activation=activation, ignore_index=2 if masked == "ignored" else None
    )
    ours = jax.grad(lambda z: weighed(overlap_sums(Pixels(z, jnp.asarray(y), mask, **options))))
    plain = jax.grad(lambda z: weighed(generic(Pixels(z, jnp.asarray(y), mask, **options))))
    np.testing.assert_allclose(ours(jnp.asarray(x)), plain(jnp.asarray(x)), **tolerance(dtype))


@in_float32
@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("hard", [True, False])
def test_gradient_is_pytorchs(rng, dtype, form, activation, hard) -> None:
    torch = pytest.importorskip("torch")
    x, y = case(rng, dtype)
    if activation is not None:
        x = np.round(rng.normal(size=x.shape)).astype(dtype)
        x[:, :, 0, 0] = y[:, :, 0, 0] = 1 / 3 if activation == "softmax" else 0
        x[0, 0, 1, 1] = 200  # saturated
    y = rng.integers(0, 3, (2, 5, 4)) if hard else y
    options = {"form": form, "activation": activation}
    if form in ("ctl", "stl", "cftl"):
        options |= {"alpha": 0.3, "beta": 0.7}
    if form == "cftl":
        options |= {"gamma": 1.5}
    value, ours = jax.value_and_grad(region_loss)(jnp.asarray(x), jnp.asarray(y), **options)
    leaf = torch.tensor(x, requires_grad=True)
    expected = region_loss(leaf, torch.tensor(y), **options)
    expected.backward()
    np.testing.assert_allclose(value, expected.detach(), atol=1e-6)
    np.testing.assert_allclose(ours, leaf.grad, atol=1e-6)
    if not hard:
        of_target = jax.grad(region_loss, argnums=1)(jnp.asarray(x), jnp.asarray(y), **options)
        leaf = torch.tensor(y, requires_grad=True)
        region_loss(torch.tensor(x), leaf, **options).backward()
        np.testing.assert_allclose(of_target, leaf.grad, atol=1e-6)


@pytest.mark.parametrize("form", sorted(FORMS))
def test_gradient_is_zero_at_equality_and_where_all_is_empty(dtype, form) -> None:
    options = {"alpha": 0.3, "beta": 0.7} if form in ("ctl", "stl", "cftl") else {}
    empty = jnp.zeros((2, 3, 4), dtype)
    gradient = jax.grad(region_loss)(empty, empty, form=form, **options)
    np.testing.assert_array_equal(gradient, np.zeros((2, 3, 4)))
    if form not in ("sdl", "sjl", "stl"):
        same = jnp.full((2, 3, 4), 0.5, dtype)
        ours = jax.grad(lambda x: overlap(x, same).difference)(same)
        np.testing.assert_array_equal(ours, np.zeros((2, 3, 4)))


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_what_a_mask_hides_has_no_gradient_even_nan(rng, dtype, activation) -> None:
    x, y = case(rng, dtype, (2, 3, 6))
    mask = rng.random((2, 6)) < 0.5
    hidden = np.broadcast_to(~mask[:, None], x.shape)
    clean = jnp.asarray(np.where(hidden, 0.5, x))
    x, y = np.where(hidden, np.nan, x), np.where(hidden, np.nan, y)
    arrays = jnp.asarray(x), jnp.asarray(y)
    settings = {"activation": activation, "mask": jnp.asarray(mask)}
    gradient = jax.grad(region_loss)(*arrays, **settings)
    assert not np.any(np.asarray(gradient)[hidden])
    expected = jax.grad(region_loss)(clean, arrays[1], **settings)
    np.testing.assert_allclose(gradient, expected, **tolerance(dtype))


def smooth_case(rng) -> tuple:
    """Return logits and targets whose probabilities never meet: no kink nearby."""
    z = jnp.asarray(rng.normal(size=(1, 3, 4)))
    return z, jnp.asarray(np.round(rng.random((1, 3, 4))) * 0.98 + 0.01)


@pytest.mark.parametrize(
    ("activation", "form"),
    [("softmax", "dml1"), ("softmax", "dml2"), ("sigmoid", "dml1"), ("sigmoid", "sdl")],
)
def test_derivatives_in_both_directions_and_of_second_order(rng, activation, form) -> None:
    from jax.test_util import check_grads

    z, y = smooth_case(rng)

    @jax.jit  # compiled once, not operation by operation
    def loss(z, y):
        return region_loss(z, y, activation=activation, form=form)

    check_grads(loss, (z, y), order=2, modes=["fwd", "rev"], atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(
        jax.jacfwd(jax.jacrev(loss))(z, y), jax.jacrev(jax.jacfwd(loss))(z, y), atol=1e-12
    )


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision(rng, activation, half) -> None:
    x, y = (jnp.asarray(a).astype(half) for a in case(rng, "float32"))

    def loss(x, y):
        return region_loss(x, y, activation=activation)

    value, gradient = jax.jit(jax.value_and_grad(loss))(x, y)
    wide, expected = jax.value_and_grad(loss)(x.astype("float32"), y.astype("float32"))
    assert value.dtype == "float32"
    assert gradient.dtype == half
    np.testing.assert_allclose(value, wide, rtol=1e-6)
    np.testing.assert_allclose(
        gradient.astype("float32"), expected, atol=1e-5, rtol=float(jnp.finfo(half).eps)
    )


def test_half_precision_sums_do_not_overflow() -> None:
    ones = jnp.ones((1, 1, 70_000), "float16")
    value, gradient = jax.value_and_grad(lambda x: region_overlap(x, ones).product[0, 0])(ones)
    assert float(value) == 70_000
    np.testing.assert_array_equal(gradient, ones)


def test_vmap_of_gradients(rng, dtype) -> None:
    x, y = case(rng, dtype, (4, 2, 3, 5))
    gradient = jax.jit(jax.vmap(jax.grad(region_loss)))(jnp.asarray(x), jnp.asarray(y))
    for i in range(4):
        expected = jax.grad(region_loss)(jnp.asarray(x[i]), jnp.asarray(y[i]))
        np.testing.assert_allclose(gradient[i], expected, **tolerance(dtype))
    shared = jax.vmap(jax.grad(region_loss), in_axes=(0, None))(jnp.asarray(x), jnp.asarray(y[0]))
    np.testing.assert_allclose(shared[0], gradient[0], **tolerance(dtype))


def test_only_the_inputs_are_kept_for_the_backward_pass(rng) -> None:
    z = jnp.asarray(rng.normal(size=(2, 4, 50, 50)).astype("float32"))
    label = jnp.asarray(rng.integers(0, 4, (2, 50, 50)).astype("uint8"))

    def saved(function: Callable) -> int:
        _, pull = jax.vjp(function, z)
        return sum(a.nbytes for a in jax.tree.leaves(pull) if hasattr(a, "nbytes"))

    def plain(z):
        axes = {"axis": (2, 3), "dtype": z.dtype, "checked": False}
        sums = generic(Pixels(z, label, activation="softmax", **axes))
        return overlap_loss(Overlap(*sums)).mean()

    ours = saved(lambda z: region_loss(z, label, activation="softmax"))
    assert ours < 1.01 * (z.nbytes + label.nbytes)
    assert saved(plain) > 2 * ours


@pytest.mark.parametrize("shape", [(2**22 + 5,), (161, 161, 161)])
def test_equal_terms_keep_six_digits_in_float32(shape) -> None:
    """Whose rounding errors all point one way; their size does not depend on how many there are."""
    x = jnp.full(shape, 0.1, "float32")
    pixels = Pixels(x, x, axis=tuple(range(x.ndim)), dtype=x.dtype, checked=False)
    expected = float(np.float32(0.1)) * x.size
    jitted = jax.jit(lambda p: overlap_sums(p)[0])(pixels)
    np.testing.assert_allclose(float(jitted), expected, rtol=1e-6)
    eager = overlap_sums(pixels)[0]  # by Numba, whose older compilers add in fewer lanes
    np.testing.assert_allclose(float(eager), expected, rtol=3e-6)


@pytest.mark.parametrize("classes", [1, 2, 5, 16, 17, 30])
def test_any_number_of_classes(rng, classes) -> None:
    z = jnp.asarray(rng.normal(size=(2, classes, 7)))
    label = jnp.asarray(rng.integers(0, max(classes, 2), (2, 7)))
    weighed, options = weighed_sums(z, label, activation="softmax")
    ours, plain = (
        jax.jit(jax.value_and_grad(lambda z, f=f: weighed(f(Pixels(z, label, **options)))))(z)
        for f in (overlap_sums, generic)
    )
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", [overlap_sums, threshold_sums])
def test_checked_labels_are_looked_at_in_one_pass_with_the_prediction(function) -> None:
    """Of arrays that JAX itself sums: those on several devices, or on a GPU when asked."""
    own = getattr(kernels, function.__name__)
    options = {"axis": (2,), "dtype": jnp.float32, "checked": True}
    more = () if function is overlap_sums else ((0.5,),)
    prob, mask = jnp.full((2, 3, 5), 1 / 3), jnp.zeros((2, 1, 5), bool)
    label = jnp.asarray([[0, 1, 2, 0, 0], [0, 0, 0, 1, 200]], jnp.uint8)
    for pred in (prob, prob.at[0, 0, 0].set(2)):
        for shown in (None, mask):
            with pytest.raises(ValueError, match=r"target must hold .* 0 to 2, got .* 0 to 200$"):
                own(Pixels(pred, label, shown, **options), *more)
    ignoring = {**options, "ignore_index": 200}
    own(Pixels(prob, label, mask, **ignoring), *more)
    with pytest.raises(ValueError, match=r"^pred must lie in \[0, 1\], got values from"):
        own(Pixels(prob + 1, label, None, **ignoring), *more)
    with pytest.raises(ValueError, match=r"or be ignore_index=200, got values from 0 to 9$"):
        own(Pixels(prob, label.at[0, 2].set(9), None, **ignoring), *more)
