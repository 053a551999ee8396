"""Brier score and log loss: how good probabilities are, calibration and sharpness together."""

import math
from typing import Any

from ._lib.aggregate import Reduction, aggregate
from ._lib.namespace import namespace
from ._lib.native import quietly
from ._lib.options import require_choice
from ._lib.raters import Per, by_rater
from ._lib.score_sums import scored_pixels
from ._lib.seam import whole
from ._lib.typing import Activation, Array
from .decomposition import Score
from .proper_score import Kind, pooled, scores_of_images


@whole
@quietly
def brier_score(
    prob: Array,
    label: Array,
    *,
    kind: Kind = "multiclass",
    activation: Activation = None,
    divergence: bool = False,
    per: Per = "batch",
    ignore_index: int | None = None,
    mask: Array | None = None,
    rater_axis: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Return the Brier score: the mean squared distance of probabilities and labels, 0 at best.

    Of several classes it is the sum over the classes [1]_, from 0 to 2; for "binary" that of the
    foreground alone, from 0 to 1, which is half of it. A soft label stands for hard ones drawn
    from it: (p - y)^2 + y (1 - y) of each class, so that the score against the mean of several
    raters is the mean of the scores against each. ``divergence`` leaves the second term out.

    Parameters
    ----------
    prob : Array
        Probabilities in a floating dtype, or logits if ``activation`` is given: (B, C, *spatial),
        where one class alone stands for the foreground and implies a background of 1 - p; for
        "binary", of the foreground, in any shape.
    label : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``prob``, soft labels in a
        floating dtype or one-hot ones in an integer dtype or bool. For "binary", of the shape of
        ``prob``: boolean or integer 0 and 1, or soft in a floating dtype.
    kind : {"multiclass", "binary"}, optional
        "binary" takes each entry of ``prob`` by itself, such as those of regions that overlap.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``prob``: softmax of several classes, sigmoid otherwise.
    divergence : bool, optional
        Leave out what a soft label itself scores: (p - y)^2 alone, 0 just where p = y.
    per : {"batch", "image"}, optional
        "batch" pools the pixels of the batch; "image" takes the score of each entry of the first
        axis, then their mean.
    ignore_index : int, optional
        The integer label of pixels that do not count.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    rater_axis : int, optional
        The axis of ``label`` along which several raters lie, as 0 for (R, B, *spatial); None for
        one label. `uniform_average` makes the soft label of their mean.
    reduction : {"mean", "sum", "none"}, optional
        How the scores of images are joined; "none" returns (B,), NaN for one without pixels.

    Returns
    -------
    Array
        The score, in the library and on the device of ``prob``, in the widest floating dtype given
        but at least float32; with ``rater_axis`` an axis of the raters in front. NaN without
        pixels.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, or a checked
        value is, such as classes that do not sum to 1 by more than the rounding of 8 bits; see
        `value_checks`.

    See Also
    --------
    proper_score : The statistic behind it, which adds up over cases.
    CalibrationBins.decompose : How much of it is for want of calibration.

    Notes
    -----
    scikit-learn's ``brier_score_loss`` is "binary" for two classes and "multiclass" for more.

    References
    ----------
    .. [1] Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather
       Review 78, 1950, Eq. (2).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import brier_score
    >>> prob = np.array([[[0.75, 0.5], [0.25, 0.5]]])
    >>> float(brier_score(prob, np.array([[0, 1]])))
    0.3125
    >>> raters = np.array([[1, 1, 0], [1, 0, 0]])
    >>> brier_score(np.array([0.5, 0.5, 0.0]), raters, kind="binary", rater_axis=0).round(3)
    array([0.167, 0.167])
    """
    return _score(
        "brier",
        prob,
        label,
        rater_axis,
        kind=kind,
        divergence=divergence,
        per=per,
        reduction=reduction,
        activation=activation,
        ignore_index=ignore_index,
        mask=mask,
    )


@whole
@quietly
def log_loss(
    prob: Array,
    label: Array,
    *,
    kind: Kind = "multiclass",
    activation: Activation = None,
    divergence: bool = False,
    per: Per = "batch",
    ignore_index: int | None = None,
    mask: Array | None = None,
    rater_axis: int | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Return the log loss: the mean of -ln p of the label's class, the cross-entropy, 0 at best.

    Of a soft label it is the sum of -y ln p over the classes, for "binary" over foreground and
    background, so that the loss against the mean of several raters is the mean of the losses
    against each. ``divergence`` leaves out the entropy of the label, the sum of -y ln y.

    Parameters
    ----------
    prob : Array
        Probabilities, or logits if ``activation`` is given, as in `brier_score`.
    label : Array
        Hard or soft labels, as in `brier_score`.
    kind : {"multiclass", "binary"}, optional
        "binary" takes each entry of ``prob`` by itself, such as those of regions that overlap.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``prob``: softmax of several classes, sigmoid otherwise. Of
        logits no logarithm is cut off.
    divergence : bool, optional
        Leave out the entropy of the label: the Kullback-Leibler divergence of p from y.
    per : {"batch", "image"}, optional
        "batch" pools the pixels of the batch; "image" takes the loss of each entry of the first
        axis, then their mean.
    ignore_index : int, optional
        The integer label of pixels that do not count.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    rater_axis : int, optional
        The axis of ``label`` along which several raters lie, as 0 for (R, B, *spatial); None for
        one label. `uniform_average` makes the soft label of their mean.
    reduction : {"mean", "sum", "none"}, optional
        How the losses of images are joined; "none" returns (B,), NaN for one without pixels.

    Returns
    -------
    Array
        The loss; shape and dtype as for `brier_score`.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, or a checked
        value is; see `brier_score`.

    See Also
    --------
    proper_score : The statistic behind it, which adds up over cases.

    Notes
    -----
    Probabilities below the machine epsilon of the result count as that, as in scikit-learn: a
    single pixel that is wrong for certain would make the mean infinite. The cut is at 15.9 in
    float32 and at 36.0 in float64.

    References
    ----------
    .. [1] Good, "Rational Decisions", Journal of the Royal Statistical Society B 14, 1952.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import log_loss
    >>> prob, soft = np.array([0.75, 0.5]), np.array([0.75, 1.0])
    >>> round(float(log_loss(prob, soft, kind="binary")), 4)
    0.6277
    >>> round(float(log_loss(prob, soft, kind="binary", divergence=True)), 4)
    0.3466
    """
    return _score(
        "log",
        prob,
        label,
        rater_axis,
        kind=kind,
        divergence=divergence,
        per=per,
        reduction=reduction,
        activation=activation,
        ignore_index=ignore_index,
        mask=mask,
    )


def _score(
    score: Score,
    prob: Array,
    label: Array,
    rater_axis: int | None,
    *,
    kind: Kind,
    divergence: bool,
    per: Per,
    reduction: Reduction,
    **given: Any,
) -> Array:
    require_choice("per", per, ("batch", "image"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))

    def of_label(one: Array) -> Array:
        pixels = scored_pixels(prob, one, kind=kind, **given)
        images = scores_of_images(pixels, score, kind)
        if per == "batch":
            return pooled(images).mean(divergence=divergence, dtype=pixels.dtype)
        values = images.mean(divergence=divergence, dtype=pixels.dtype)
        xp, some = namespace(prob=values), images.count > 0
        return aggregate(xp, values, some, per="batch", reduction=reduction, empty=math.nan)

    return by_rater(of_label, prob, label, rater_axis)
