"""Classes on the last axis, as in optax, to and from those on axis 1, as in the core."""

import jax.numpy as jnp
from jax import Array

from dice_semimetric._lib.aggregate import Reduction, class_weights
from dice_semimetric._lib.namespace import is_integer
from dice_semimetric._lib.typing import Activation

from ._sums import xp


def with_classes(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Return both with a class axis last; labels, of an integer dtype, stay without it."""
    p, t = predictions.shape, targets.shape
    labels = is_integer(xp, targets)
    if t == (*p, 1):
        predictions = predictions[..., None]
    elif p == (*t, 1) and not labels:
        targets = targets[..., None]
    p, t = predictions.shape, targets.shape
    if len(p) < 2 or not (t == p or (labels and t == p[:-1])):
        raise ValueError(
            "predictions must have shape [batch, ..., C] and targets the same shape, or [batch, "
            f"...] in an integer dtype, got {p}, and {t} in {targets.dtype}"
        )
    return predictions, targets


def classes_second(
    predictions: Array, targets: Array, where: Array | None
) -> tuple[Array, Array, Array | None]:
    """Return arrays with the class axis of those that have one after the batch's."""

    def moved(array: Array) -> Array:
        return jnp.moveaxis(array, -1, 1) if array.ndim == predictions.ndim else array

    return moved(predictions), moved(targets), None if where is None else moved(where)


def activation_of(predictions: Array, apply_softmax: bool) -> Activation:
    """Return what makes probabilities of predictions."""
    if not apply_softmax:
        return None
    return "softmax" if predictions.shape[-1] > 1 else "sigmoid"


def over_classes(
    loss: Array, weights: Array | None, ignore_background: bool, reduction: Reduction
) -> Array:
    """Weigh the classes, on the last axis, and join them."""
    if weights is not None:
        loss = loss * class_weights(xp, weights, loss, loss.shape[-1])
    if ignore_background and loss.shape[-1] > 1:
        loss = loss[..., 1:]
    if reduction == "none":
        return loss
    return jnp.sum(loss, axis=-1) if reduction == "sum" else jnp.mean(loss, axis=-1)
