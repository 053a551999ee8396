"""The calibration loss of JAX arrays: its gradient under jit and over a mapped axis."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp

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
