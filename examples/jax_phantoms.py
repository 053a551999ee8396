"""
JAX: two losses, side by side
=============================

A small network in plain JAX learns from the labels of several raters. Every phantom is a blurred
disc in noise. Five raters draw its outline, each a little too wide or too narrow, so that the
probability p that a rater marks a pixel is known. The network learns from the raters' mean, with
0.25 of the cross-entropy and 0.75 of a regional loss: once the Dice semimetric loss, once the soft
Dice loss.
"""

import argparse
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jax import Array

from dice_semimetric import binarized_dice, expected_calibration_error, region_loss

RATERS = 5
WIDTHS = (1, 12, 12, 1)
Parameters = list[tuple[Array, Array]]

# %%
# The phantoms
# ------------
# Images, labels and the truth come from random keys, so that a training step makes its own batch.


def phantoms(key: Array, number: int, side: int = 32) -> tuple[Array, Array, Array]:
    """Return images, the raters' mean and the true probability, each (number, 1, side, side)."""
    centre, radius, margin, noise, habit = jax.random.split(key, 5)
    shape = (number, 1, 1, 1)
    grid = jnp.arange(side, dtype=jnp.float32)
    row, column = jnp.split(
        jax.random.uniform(centre, (2 * number, 1, 1, 1), minval=0.3 * side, maxval=0.7 * side), 2
    )
    distance = jnp.hypot(grid[:, None] - row, grid - column)
    size = jax.random.uniform(radius, shape, minval=0.15 * side, maxval=0.25 * side)
    depth = (size - distance) / jax.random.uniform(margin, shape, minval=0.5, maxval=2.0)
    true = jax.nn.sigmoid(depth)
    image = true + 0.15 * jax.random.normal(noise, true.shape)
    # A rater moves the whole outline by a logistic amount: marks have the probability `true`.
    bias = jax.random.logistic(habit, (RATERS, *shape))
    return image, jnp.mean((depth + bias > 0).astype(jnp.float32), axis=0), true


# %%
# The network and its training
# ----------------------------
# Three convolutions and Adam, written out. The whole training is one jitted function.


def initialise(key: Array) -> Parameters:
    """Return He-scaled 3 x 3 convolutions."""
    layers = []
    for c_in, c_out in itertools.pairwise(WIDTHS):
        key, own = jax.random.split(key)
        scale = (2 / (9 * c_in)) ** 0.5
        layers.append((scale * jax.random.normal(own, (c_out, c_in, 3, 3)), jnp.zeros(c_out)))
    return layers


def logits_of(parameters: Parameters, image: Array) -> Array:
    """Return the network's logits, (B, 1, H, W)."""
    x = image
    for k, (weight, bias) in enumerate(parameters):
        x = jax.lax.conv(jax.nn.relu(x) if k else x, weight, (1, 1), "SAME")
        x = x + bias[:, None, None]
    return x


def objective(parameters: Parameters, image: Array, soft: Array, *, form: str) -> Array:
    """Return 0.25 of the cross entropy and 0.75 of a regional loss, as in the paper."""
    z = logits_of(parameters, image)
    cross_entropy = jnp.mean(jax.nn.softplus(z) - soft * z)
    regional = region_loss(z, soft, form=form, activation="sigmoid")
    return 0.25 * cross_entropy + 0.75 * regional


@functools.partial(jax.jit, static_argnames=("form", "steps"))
def train(key: Array, *, form: str, steps: int) -> tuple[Parameters, Array]:
    """Return the parameters after so many steps of Adam, and the loss at each."""
    start, key = jax.random.split(key)
    parameters = initialise(start)
    zeros = jax.tree.map(jnp.zeros_like, parameters)

    def step(state: Any, k: Array) -> tuple[Any, Array]:
        parameters, mean, square = state
        image, soft, _ = phantoms(jax.random.fold_in(key, k), 8)
        loss, slope = jax.value_and_grad(objective)(parameters, image, soft, form=form)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, slope)
        rate = 0.01 * (1 - k / steps) * jnp.sqrt(1 - 0.99 ** (k + 1.0)) / (1 - 0.9 ** (k + 1.0))
        parameters = jax.tree.map(
            lambda p, m, s: p - rate * m / (jnp.sqrt(s) + 1e-8), parameters, mean, square
        )
        return (parameters, mean, square), loss

    (parameters, _, _), losses = jax.lax.scan(step, (parameters, zeros, zeros), jnp.arange(steps))
    return parameters, losses


# %%
# The scores
# ----------
# On new phantoms: how far the predicted probabilities are from p, as calibration error (ECE), as
# mean distance, and as Dice at thresholds 0.1, ..., 0.9 (BDice).


def evaluate(parameters: Parameters, key: Array, number: int = 64) -> dict[str, float]:
    """Return how well new phantoms' probabilities are met."""
    image, _, true = phantoms(key, number)
    prob = jax.nn.sigmoid(logits_of(parameters, image))
    near = (true > 0.01) | (prob > 0.01)  # empty background would hide every difference
    return {
        "ECE": float(expected_calibration_error(prob, true, kind="binary", mask=near)),
        "distance": float(jnp.mean(jnp.abs(prob - true), where=near)),
        "BDice": float(binarized_dice(prob, true)),
    }


def compare(
    steps: int, seeds: int
) -> tuple[dict[str, list[dict[str, float]]], dict[str, Parameters]]:
    """Train with both losses on the same data; return each seed's scores, the last networks."""
    found: dict[str, list[dict[str, float]]] = {"dml1": [], "sdl": []}
    trained = {}
    for seed in range(seeds):
        key, test = jax.random.split(jax.random.key(seed))
        for form, scores in found.items():
            parameters, losses = train(key, form=form, steps=steps)
            ends = {"first loss": float(losses[0]), "last loss": float(jnp.mean(losses[-10:]))}
            scores.append(evaluate(parameters, test) | ends)
            trained[form] = parameters
    return found, trained


def print_table(found: dict[str, list[dict[str, float]]]) -> None:
    """Print mean and spread over the seeds."""
    names = list(found["dml1"][0])
    print("loss  " + "".join(f"{name:>18}" for name in names))
    for form, scores in found.items():
        cells = []
        for name in names:
            values = jnp.asarray([score[name] for score in scores])
            cells.append(f"{float(values.mean()):8.3f} +- {float(values.std()):.3f}")
        print(f"{form:6}" + "".join(f"{cell:>18}" for cell in cells))


def draw(trained: dict[str, Parameters], key: Array) -> None:
    """Draw a new phantom, its true probability and what each network predicts."""
    image, soft, true = phantoms(key, 1)
    shown = {"image": image, "mean of the raters": soft, "truth": true}
    for form, parameters in trained.items():
        shown[f"by {form}"] = jax.nn.sigmoid(logits_of(parameters, image))
    _, panels = plt.subplots(1, len(shown), figsize=(9, 2.2), layout="constrained")
    for panel, (title, plane) in zip(panels, shown.items(), strict=True):
        panel.imshow(plane[0, 0], cmap="gray" if title == "image" else "magma", vmin=0, vmax=1)
        panel.set_title(title)
        panel.set_axis_off()
    plt.show()


# %%
# Run it
# ------
# The network trained with SDL draws a sharper edge than the raters did.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train with two losses in plain JAX.")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    scores, networks = compare(options.steps, options.seeds)
    print_table(scores)
    draw(networks, jax.random.key(7))
