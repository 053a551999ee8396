"""Many raters to one hard label: the majority's, or that of a rater drawn at random."""

import numpy as np

from ._lib.dtypes import native
from ._lib.namespace import constant, default_index, namespace
from ._lib.options import Rng, generator
from ._lib.raters import Per, case_axes, rater_counts, require_hard, require_raters
from ._lib.seam import accelerated, whole
from ._lib.typing import Array, Namespace


@whole
def majority_vote(raters: Array, *, num_classes: int | None = None, rater_axis: int = 0) -> Array:
    """Return the label that most raters gave: foreground where more than half of them marked it.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1, or
        integer label maps if ``num_classes`` is given.
    num_classes : int, optional
        The number of classes C of label maps from 0 to C - 1.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).

    Returns
    -------
    Array
        Of the shape of one rater and the dtype of ``raters``. The majority of masks is strict: a
        tie is background. Among several classes the most frequent one wins, without need of half
        of the raters, and of tied classes the lowest; with two classes that is the same rule.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype.
    ValueError
        If there is no rater, or a checked value is out of range; see `value_checks`.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import majority_vote
    >>> majority_vote(np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1]]))
    array([0, 0, 1, 1])
    """
    _, raters = require_raters(raters, num_classes, rater_axis)
    return strict_majority(raters) if num_classes is None else most_frequent(raters, num_classes)


@accelerated
def strict_majority(raters: Array) -> Array:
    """Return where more than half of the raters marked: the reduction that an adapter replaces."""
    xp = namespace(raters=raters)
    return xp.astype(rater_counts(raters) > raters.shape[0] // 2, native(raters.dtype))


@accelerated
def most_frequent(raters: Array, num_classes: int) -> Array:
    """Return the label that most raters gave: the reduction that an adapter replaces."""
    xp = namespace(raters=raters)
    best = rater_counts(raters, 0)
    label = xp.zeros_like(best, dtype=xp.int32)
    for c in range(1, num_classes if num_classes > 1 else 2):
        votes = rater_counts(raters, c)
        label = xp.where(votes > best, xp.full_like(label, c), label)
        best = xp.maximum(best, votes)
    return xp.astype(label, native(raters.dtype))


@whole
def random_rater(
    raters: Array, *, rng: Rng = None, per: Per = "batch", rater_axis: int = 0
) -> Array:
    """Return the mask of one rater, drawn with equal chances.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: masks or label maps of a boolean or
        integer dtype.
    rng : None, int or numpy.random.Generator, optional
        What `numpy.random.default_rng` takes; None draws anew at each call. It draws the rater on
        the host, so that a seed gives the same rater in every library. A jitted function draws
        once, when it is traced.
    per : {"batch", "image"}, optional
        "batch" draws one rater for all; "image" draws anew for each entry of the first axis that
        is not the raters'.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).

    Returns
    -------
    Array
        Of the shape of one rater and the dtype of ``raters``.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype, or ``rng`` of a wrong type.
    ValueError
        If there is no rater, or no axis of images to draw along.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.4.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import random_rater
    >>> random_rater(np.array([[0, 0], [1, 1]]), rng=np.random.default_rng(0))
    array([1, 1])
    """
    xp, raters = require_hard(raters, rater_axis)
    rng = generator(rng)
    case_axes(per, raters)
    number = raters.shape[0]
    if per == "batch":
        return _in_native_order(xp, raters[int(rng.integers(number)), ...])
    images = raters.shape[1]
    if images == 0:
        return _in_native_order(xp, raters[0, ...])
    rows, every = rng.integers(number, size=images), np.arange(images)
    if rater_axis % raters.ndim == 0:
        rows = rows * images + every
    else:  # images first, as they mostly lie in memory then: to reshape takes no copy
        rows, raters = (
            every * number + rows,
            xp.permute_dims(raters, (1, 0, *range(2, raters.ndim))),
        )
    flat = xp.reshape(raters, (number * images, *raters.shape[2:]))
    drawn = xp.take(flat, constant(xp, rows.tolist(), default_index(xp, raters), raters), axis=0)
    return _in_native_order(xp, drawn)


def _in_native_order(xp: Namespace, array: Array) -> Array:
    """Return the array in this machine's order of bytes."""
    dtype = native(array.dtype)
    return array if dtype is array.dtype else xp.astype(array, dtype)
