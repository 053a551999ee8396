"""A softmax over few classes, and its derivative, as sums of planes.

XLA turns a reduction over a short axis inside the array into a slow loop on a CPU and repeats the
exponentials in it. Written out class by class, all of it becomes one loop over the pixels.
"""

import functools
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from dice_semimetric._lib.special import activate
from dice_semimetric._lib.typing import Activation, Namespace

#: Up to so many classes the code for each class is written out.
FEW_CLASSES = 16


def probabilities(xp: Namespace, z: Array, activation: Activation) -> Array:
    """Return what the core's ``activate`` returns."""
    if activation != "softmax" or not 1 < z.shape[1] <= FEW_CLASSES:
        x: Array = activate(xp, z, activation)
        return x
    planes = [z[:, c : c + 1] for c in range(z.shape[1])]
    top = functools.reduce(jnp.maximum, planes)
    weights = [jnp.exp(plane - top) for plane in planes]
    total: Array = functools.reduce(jnp.add, weights)
    return jnp.concatenate([weight / total for weight in weights], axis=1)


def softmax_tangent(x: Array, dz: Array) -> Array:
    """Return x (dz - sum over classes of x dz).

    The transpose of the sum is a broadcast, and that of the concatenation a sum of planes: so the
    reduction over the short axis is gone from the gradient, where it would cost most.
    """
    total = jnp.sum(x * dz, axis=1, keepdims=True)
    if x.shape[1] <= FEW_CLASSES:
        total = _repeat(total, x.shape[1])
    return x * (dz - total)


def _repeat(row: Array, count: int) -> Array:
    rows: Sequence[Array] = [row] * count
    return jnp.concatenate(rows, axis=1)
