"""A teacher's probabilities, calibrated image by image on keys of the image itself."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .._lib.checks import checks_apply, require_labels, require_probabilities
from .._lib.devices import device, is_eager
from .._lib.fitting import checked_labels, predicted_class
from .._lib.namespace import default_index, is_integer, namespace, sum_dtype
from .._lib.native import to_host
from .._lib.options import Rng, require_choice, require_label, shown
from .._lib.seam import whole
from .._lib.special import widen
from .._lib.typing import Array, Namespace
from ..boundary import label_boundary, require_width
from .density import regress
from .keys import Sampling, require_draw, sample_keys
from .regression import label_columns, require_bandwidth

Where = Literal["uncertain", "all"]


@whole
def calibrate_teacher(
    prob: Array,
    label: Array,
    *,
    n_keys: int = 500,
    bandwidth: float = 1e-3,
    rng: Rng = None,
    where: Where = "uncertain",
    width: int = 3,
    sampling: Sampling = "balanced",
    ignore_index: int | None = None,
    keys: Sequence[Array] | None = None,
) -> Array:
    """Return a teacher's probabilities with the uncertain ones replaced by E[y | f(x)].

    Each image is calibrated by itself: its keys are drawn among its own pixels.

    Parameters
    ----------
    prob : Array
        (B, C, *spatial), floating: the teacher's probabilities. With C = 1 the foreground's.
    label : Array
        Integer labels (B, *spatial) from 0 to C - 1, with C = 1 the foreground mask, or soft
        labels of the shape of ``prob`` in a floating dtype; their largest class is what keys are
        drawn by.
    n_keys : int, optional
        How many keys an image has; see `sample_keys`.
    bandwidth : float, optional
        The smoothing h of `kernel_regression`.
    rng : None, int or numpy.random.Generator, optional
        What `numpy.random.default_rng` takes, to draw the keys; None draws anew at each call.
    where : {"uncertain", "all"}, optional
        Which pixels are replaced: those misclassified or on a boundary of the labels, or all.
    width : int, optional
        The odd side of the window of `label_boundary`, cubic in three dimensions.
    sampling : {"balanced", "proportional"}, optional
        How keys are drawn; see `sample_keys`.
    ignore_index : int, optional
        The label of pixels that are left as they are and are no keys.
    keys : sequence of Array, optional
        For each image the flat indices of its keys, drawn beforehand: for lazy arrays and jitted
        functions, where the labels cannot be looked at.

    Returns
    -------
    Array
        Of the shape of ``prob``, in its dtype but at least float32. An image without any pixel
        that counts is returned as it is.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or the labels have no values yet.
    ValueError
        If shapes do not fit, an option is out of its range, or a checked value is; see
        `value_checks`.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import calibrate_teacher
    >>> prob = np.array([[[0.9, 0.9, 0.9, 0.1], [0.1, 0.1, 0.1, 0.9]]])
    >>> rng = np.random.default_rng(0)
    >>> label = np.array([[0, 0, 1, 1]])
    >>> calibrate_teacher(prob, label, n_keys=4, bandwidth=0.01, rng=rng)[0, 0].round(2)
    array([0.9 , 0.67, 0.67, 0.1 ])
    """
    xp = namespace(prob=prob, label=label)
    require_choice("where", where, ("uncertain", "all"))
    n_keys, generator = require_draw(n_keys, rng, sampling)
    bandwidth = require_bandwidth(bandwidth)
    width, ignore_index = require_width(width), require_label("ignore_index", ignore_index)
    prob = require_probabilities(xp, prob, "prob")
    hard, label = checked_labels(xp, prob, label, ignore_index)
    if keys is not None:
        keys = _given_keys(keys, prob)
    replaced = _replaced(xp, prob, hard, where, width, ignore_index)
    dtype = sum_dtype(xp, prob)
    images = []
    for b in range(prob.shape[0]):
        chosen = (
            sample_keys(
                hard[b, ...], n_keys, rng=generator, sampling=sampling, ignore_index=ignore_index
            )
            if keys is None
            else keys[b]
        )
        rows = xp.reshape(prob[b, ...], (prob.shape[1], -1))
        soft = label.ndim == prob.ndim
        target = xp.reshape(label[b, ...], (prob.shape[1], -1) if soft else (-1,))
        mask = xp.reshape(replaced[b, ...], (-1,))
        image = _calibrate(xp, rows, target, mask, chosen, bandwidth, dtype)
        images.append(xp.reshape(image, prob.shape[1:]))
    return xp.stack(images) if images else xp.astype(prob, dtype)


def _given_keys(keys: Sequence[Array], prob: Array) -> tuple[Array, ...]:
    """Return flat indices for each image, or raise for what is none of its pixels."""
    images, pixels = prob.shape[0], math.prod(prob.shape[2:])
    if isinstance(keys, str) or not hasattr(keys, "__len__") or getattr(keys, "ndim", 1) == 0:
        raise TypeError(f"keys must be a sequence of index arrays, got {shown(keys)}")
    if len(keys) != images:
        raise ValueError(f"keys must hold indices for each of the {images} images, got {len(keys)}")
    given = tuple(keys[b] for b in range(images))
    for index in given:
        xp = namespace(keys=index, prob=prob)
        if not is_integer(xp, index):
            raise TypeError(f"keys must be of an integer dtype, got {index.dtype}")
        if index.ndim != 1:
            raise ValueError(f"keys must be 1-D for each image, got shape {tuple(index.shape)}")
        if checks_apply(index):
            require_labels(xp, widen(xp, index), pixels, None, "keys")
    return given


def _calibrate(
    xp: Namespace, prob: Array, label: Array, mask: Array, keys: Array, bandwidth: float, dtype: Any
) -> Array:
    """Return (C, P) with the masked pixels replaced."""
    same = xp.astype(prob, dtype, copy=False)
    if keys.shape[0] == 0:
        return same
    key_prob = xp.take(prob, keys, axis=1)
    if label.ndim == 2:
        value = xp.astype(xp.take(label, keys, axis=1), dtype, copy=False)
    else:
        rows = xp.permute_dims(key_prob, (1, 0))
        value = label_columns(xp, xp.take(label, keys, axis=0), rows, dtype, "label")
    if not is_eager(prob, mask):
        mean, _ = regress(prob, key_prob, value, bandwidth, dtype=dtype)
        return xp.where(mask, mean, same)
    host = to_host(xp, mask, "label")
    chosen = np.flatnonzero(host)
    if chosen.size == 0:
        return same
    place, index = device(prob), default_index(xp, prob)
    pixels = xp.take(prob, xp.asarray(chosen, dtype=index, device=place), axis=1)
    mean, _ = regress(pixels, key_prob, value, bandwidth, dtype=dtype)
    position = np.maximum(np.cumsum(host) - 1, 0)
    spread = xp.take(mean, xp.asarray(position, dtype=index, device=place), axis=1)
    return xp.where(mask, spread, same)


def _replaced(
    xp: Namespace, prob: Array, label: Array, where: Where, width: int, ignore_index: int | None
) -> Array:
    """Return which pixels are to be replaced, (B, *spatial)."""
    if where == "all":
        mask = xp.ones_like(label, dtype=xp.bool)
    else:
        mask = label_boundary(label, width=width, ignore_index=ignore_index)
        mask = mask | (predicted_class(xp, prob) != xp.astype(label, default_index(xp, label)))
    if ignore_index is not None:
        mask = mask & (widen(xp, label, ignore_index) != ignore_index)
    return mask
