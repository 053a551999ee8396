"""The sums of a proper score over the pixels of each image, as any library takes them."""

import math
from dataclasses import replace

import array_api_compat as compat
import numpy as np

from .bin_inputs import labelled_pixels
from .bin_sums import binned_pairs
from .blocks import BLOCK, Place, block_slices
from .checks import require_unit_interval
from .devices import device
from .namespace import default_index, finfo, is_boolean, is_floating, namespace, size
from .native import without_gradient
from .options import require_choice
from .pairs import both
from .seam import Pixels, accelerated
from .special import activate, cut_log, log_sigmoid, log_softmax
from .typing import Activation, Array, Namespace

#: Count, divergence and entropy: (B,).
Sums = tuple[Array, Array, Array]


def scored_pixels(
    prob: Array,
    label: Array,
    *,
    kind: str,
    activation: Activation,
    mask: Array | None,
    ignore_index: int | None,
) -> Pixels:
    """Return the pixels of images, (B, C, *spatial), or raise TypeError or ValueError.

    For "binary" the arrays are images of one class, in which the first axis counts the images.
    """
    require_choice("kind", kind, ("multiclass", "binary"))
    require_choice("activation", activation, (None, "softmax", "sigmoid"))
    form = "binary" if kind == "binary" else "classwise"
    pixels = labelled_pixels(prob, label, kind=form, mask=mask, ignore_index=ignore_index)
    if kind == "binary":
        pixels = _of_one_class(pixels)
    fits = "softmax" if pixels.pred.shape[1] > 1 else "sigmoid"
    if activation not in (None, fits):
        classes = "several classes" if fits == "softmax" else "kind='binary' and for one class"
        raise ValueError(f"activation must be {fits!r} for {classes}, got {activation!r}")
    spatial = tuple(range(2, pixels.pred.ndim))
    return replace(pixels, axis=spatial, activation=activation)


def _of_one_class(pixels: Pixels) -> Pixels:
    xp = namespace(prob=pixels.pred)
    pred, target, mask = (
        xp.reshape(a, (1,)) if a is not None and a.ndim == 0 else a
        for a in (pixels.pred, pixels.target, pixels.mask)
    )
    if is_boolean(xp, target):
        target = xp.astype(target, xp.uint8)
    return replace(
        pixels,
        pred=xp.expand_dims(pred, axis=1),
        target=xp.expand_dims(target, axis=1) if is_floating(xp, target) else target,
        mask=None if mask is None else xp.expand_dims(mask, axis=1),
    )


@accelerated
def score_sums(pixels: Pixels, score: str) -> Sums:
    """Return count, divergence and entropy of each image: the reduction that an adapter replaces.

    Both are summed over all classes. A single one stands for itself and for the background, but
    for "brier", where both are at the same distance, for itself alone.
    """
    xp = namespace(prob=pixels.pred)
    if not compat.is_numpy_namespace(xp) or size(pixels.pred) <= BLOCK:
        return _sums(pixels, score)
    total = np.zeros((3, pixels.pred.shape[0]))
    try:
        for place in block_slices(pixels.pred.shape, whole=(1,)):
            total[:, place[0]] += np.stack(_sums(_cut(pixels, place), score))
    except ValueError:
        _sums(pixels, score)  # says of all the pixels what was said of a block
        raise
    return total[0].astype(np.intp), total[1], total[2]


def _cut(pixels: Pixels, place: Place) -> Pixels:
    """Return a block of the pixels."""
    short = (place[0], *place[2:])
    mask = pixels.mask
    return replace(
        pixels,
        pred=pixels.pred[place],
        target=pixels.target[short if pixels.labels else place],
        mask=None if mask is None else mask[place[0], :, *place[2:]],
    )


def _sums(pixels: Pixels, score: str) -> Sums:
    xp = namespace(prob=pixels.pred)
    images, classes, *spatial = pixels.pred.shape
    axes = tuple(range(1, len(spatial) + 1))
    logs, pixels = _activated(xp, pixels, score)
    pairs, kept = binned_pairs(pixels, "classwise")
    if pixels.checked and pixels.activation is None:
        _require_sums_of_one(xp, pixels, kept)
    if score == "brier" and classes == 1:
        next(pairs)  # the background: the same distance again

    def total(terms: Array) -> Array:
        terms = terms if kept is None else xp.where(kept, terms, xp.zeros_like(terms))
        return xp.sum(terms, axis=axes)

    divergence = entropy = xp.zeros((images,), dtype=pixels.dtype, device=device(pixels.pred))
    for c, (x, y) in enumerate(pairs):
        log = None if logs is None else logs[c]
        terms, own = _terms(xp, x, y, log, score)
        divergence = divergence + total(terms)
        entropy = entropy if own is None else entropy + total(own)
    if kept is None:
        index = default_index(xp, pixels.pred)
        count = xp.full((images,), math.prod(spatial), dtype=index, device=device(pixels.pred))
        return count, divergence, entropy
    return xp.count_nonzero(kept, axis=axes), divergence, entropy


def _terms(
    xp: Namespace, x: Array, label: Array, log: Array | None, score: str
) -> tuple[Array, Array | None]:
    """Return divergence and entropy of each pixel, None for hard labels, which have none."""
    hard = is_boolean(xp, label)
    y = xp.astype(label, x.dtype) if hard else label
    if score == "brier":
        return (x - y) * (x - y), None if hard else y * (1 - y)
    least = float(finfo(xp, x.dtype).eps)
    best = xp.zeros_like(x) if hard else cut_log(xp, y, least)
    own = None if hard else -y * best
    if log is None:
        return y * (best - cut_log(xp, x, least)), own
    return xp.where(y > 0, y * (best - log), xp.zeros_like(x)), own  # not of 0 times infinity


def _activated(xp: Namespace, pixels: Pixels, score: str) -> tuple[list[Array] | None, Pixels]:
    """Return the logarithms of each class where they are wanted of logits, and probabilities."""
    activation, mask, ignored = pixels.activation, pixels.mask, pixels.ignore_index
    if activation is None:
        return None, pixels
    x = xp.astype(pixels.pred, pixels.dtype, copy=False)
    known = None if ignored is None else xp.expand_dims(pixels.target != ignored, axis=1)
    kept = both(mask, known)
    if kept is not None:  # of a NaN that does not count the activation would make a gradient
        x = xp.where(kept, x, xp.zeros_like(x))
    logs = None
    if score == "brier":
        prob = activate(xp, x, activation)
    elif activation == "softmax":
        log = log_softmax(xp, x, axis=1)
        prob, logs = xp.exp(log), [log[:, c, ...] for c in range(x.shape[1])]
    else:
        log = log_sigmoid(xp, x)
        prob, logs = xp.exp(log), [log_sigmoid(xp, -x)[:, 0, ...], log[:, 0, ...]]
    if pixels.checked:
        prob = require_unit_interval(xp, prob, "prob", activation=activation)
    return logs, replace(pixels, pred=prob)


def _require_sums_of_one(xp: Namespace, pixels: Pixels, kept: Array | None) -> None:
    """Raise ValueError where classes do not add up to 1, even where they are stored in 8 bits."""
    classes = pixels.pred.shape[1]
    if classes == 1 or size(pixels.pred) == 0:
        return
    for name, array in (("prob", pixels.pred), ("label", pixels.target)):
        if array.ndim < pixels.pred.ndim:
            continue
        sums = xp.sum(xp.astype(without_gradient(xp, array), pixels.dtype, copy=False), axis=1)
        off = xp.abs(sums - 1)
        worst = float(xp.max(off if kept is None else xp.where(kept, off, xp.zeros_like(off))))
        if worst > classes / 255:
            raise ValueError(
                f"{name} must sum to 1 over its {classes} classes, got sums off by up to "
                f"{worst:.3g}; for classes that overlap write kind='binary'"
            )
