"""The calibration loss of JAX arrays: its gradient under jit and over a mapped axis."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp
from dice_semimetric_jax import calibration_error_loss

from dice_semimetric import calibration_loss


def slow_gradient(prob: np.ndarray, label: np.ndarray, n_bins: int = 10) -> np.ndarray:
    """Return the derivative of the mean gap of one class: sign / n in a bin of n, over the bins."""
    place = np.minimum((prob * n_bins).astype(int), n_bins - 1)
    held = np.unique(place)
    found = np.zeros_like(prob)
    for b in held:
        inside = place == b
        found[inside] = np.sign(np.sum(prob[inside] - label[inside])) / inside.sum() / len(held)
    return found


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(size=(2, 1, 9, 8)), rng.integers(0, 6, size=(2, 1, 9, 8)) / 5


@pytest.mark.parametrize("wrap", [jax.grad, lambda f: jax.jit(jax.grad(f))], ids=["eager", "jit"])
def test_gradient(pair: tuple, wrap) -> None:
    prob, label = pair
    got = wrap(calibration_loss)(jnp.asarray(prob), jnp.asarray(label))
    np.testing.assert_allclose(got, slow_gradient(prob, label), rtol=1e-9)


def test_mapped_over_images(pair: tuple) -> None:
    prob, label = pair
    one = lambda p, y: calibration_loss(p[None], y[None])  # noqa: E731
    got = jax.vmap(one)(jnp.asarray(prob), jnp.asarray(label))
    expected = [float(calibration_loss(p[None], y[None])) for p, y in zip(*pair, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_pixels_that_do_not_count_have_no_gradient(pair: tuple) -> None:
    prob, label = pair
    prob[:, :, :3] = np.nan
    counts = np.isfinite(prob[:, 0])
    got = jax.grad(lambda p: calibration_loss(p, jnp.asarray(label), mask=jnp.asarray(counts)))(
        jnp.asarray(prob)
    )
    expected = np.zeros_like(prob)
    expected[:, :, 3:] = slow_gradient(prob[:, :, 3:], label[:, :, 3:])
    np.testing.assert_allclose(got, expected, rtol=1e-9)


KINDS = ["labels", "soft", "masks", "one class", "no class axis"]


def channels_last(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and a target with the classes last."""
    classes = 1 if kind in ("one class", "no class axis") else 3
    z = rng.normal(size=(2, 6, 5, classes))
    if kind == "labels":
        return z, rng.integers(0, 3, (2, 6, 5))
    target = (
        rng.dirichlet(np.ones(classes), z.shape[:-1]) if kind == "soft" else rng.random(z.shape)
    )
    if kind == "no class axis":
        return z[..., 0], target
    return z, target > 0.5 if kind == "masks" else target


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_bins": 7, "norm": "l2", "reduction": "sum"},
        {"class_weights": (0.5, 1.0, 2.0), "reduction": "none"},
        {"ignore_background": True, "apply_softmax": False},
    ],
)
def test_optax_style_is_the_torch_module(rng, kind, options) -> None:
    """Value and gradient, under jit, with NaN where a pixel does not count."""
    torch = pytest.importorskip("torch")
    from dice_semimetric_torch import CalibrationLoss

    z, target = channels_last(rng, kind)
    classes = 3 if kind in ("labels", "soft", "masks") else 1
    where = rng.random((2, 6, 5)) < 0.7
    if not options.get("apply_softmax", True):
        z = rng.random(z.shape)
    z[~where] = np.nan
    weights = options.get("class_weights") if classes > 1 else None  # MONAI takes none for one
    given = options | {"class_weights": None if weights is None else jnp.asarray(weights)}
    loss = jax.jit(
        lambda z: calibration_error_loss(z, jnp.asarray(target), where=jnp.asarray(where), **given)
    )
    found, slope = loss(jnp.asarray(z)), jax.grad(lambda z: loss(z).sum())(jnp.asarray(z))

    drops = options.get("ignore_background", False) and classes > 1
    module = CalibrationLoss(
        include_background=not drops,
        softmax=classes > 1 and options.get("apply_softmax", True),
        sigmoid=classes == 1 and options.get("apply_softmax", True),
        reduction="none",
        weight=weights,
        n_bins=options.get("n_bins", 10),
        norm=options.get("norm", "average"),
    )
    leaf = torch.tensor(z, requires_grad=True)
    second = leaf[..., None] if kind == "no class axis" else leaf
    label = torch.tensor(target)
    label = label if kind == "labels" else label.movedim(-1, 1)
    table = module(second.movedim(-1, 1), label, torch.tensor(where))
    how = options.get("reduction", "mean")
    expected = {"mean": table.mean(1), "sum": table.sum(1), "none": table}[how]
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-10)
    expected.sum().backward()
    np.testing.assert_allclose(slope, leaf.grad, rtol=1e-9, atol=1e-14)
    assert np.all(np.isfinite(slope))


def test_optax_style_over_a_mapped_axis(rng) -> None:
    z, label = map(jnp.asarray, channels_last(rng, "labels"))
    one = jax.vmap(lambda z, y: calibration_error_loss(z[None], y[None])[0])(z, label)
    np.testing.assert_allclose(one, calibration_error_loss(z, label), rtol=1e-12)
    np.testing.assert_allclose(
        one.mean(),
        calibration_loss(jnp.moveaxis(z, -1, 1), label, activation="softmax", per="image"),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"targets": jnp.zeros((2, 6, 4))}, ValueError, "predictions must have shape"),
        ({"targets": np.zeros((2, 6, 3))}, TypeError, "one array library, got predictions: jax"),
        ({"targets": jnp.full((2, 6), 3)}, ValueError, "labels from 0 to 2, got values from 3"),
        ({"predictions": jnp.full((2, 6, 3), 2.0)}, ValueError, r"pred must lie in \[0, 1\]"),
        ({"reduction": "avg"}, ValueError, "reduction must be one of"),
        ({"norm": "l3"}, ValueError, "norm must be one of"),
        ({"n_bins": 0}, ValueError, "n_bins must be at least 1"),
        ({"class_weights": jnp.ones(2)}, ValueError, "each of the 3 classes"),
        ({"where": jnp.ones((2, 6))}, TypeError, "mask must be of dtype bool"),
    ],
)
def test_bad_input_in_optax_style(change, error, message) -> None:
    given = {"predictions": jnp.zeros((2, 6, 3)), "targets": jnp.zeros((2, 6, 3))} | change
    with pytest.raises(error, match=message):
        calibration_error_loss(
            given.pop("predictions"), given.pop("targets"), apply_softmax=False, **given
        )
