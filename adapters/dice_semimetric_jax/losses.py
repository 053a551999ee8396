"""Losses in optax's style: classes last, one loss an example, the arguments of its Dice loss."""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from dice_semimetric import Overlap, calibration_loss, overlap_loss
from dice_semimetric._lib.aggregate import Reduction
from dice_semimetric._lib.namespace import namespace, normalize_axis, sum_dtype
from dice_semimetric._lib.options import require_choice
from dice_semimetric._lib.pairs import pixels_of_batch
from dice_semimetric._lib.typing import Activation, Axis, Smooth
from dice_semimetric.bins import Norm
from dice_semimetric.overlap import overlap_sums

from ._classes import activation_of, classes_second, over_classes, with_classes
from ._sums import xp


def dice_semimetric_loss(
    predictions: Array,
    targets: Array,
    *,
    class_weights: Array | None = None,
    smooth: Smooth = 0.0,
    alpha: float = 0.5,
    beta: float = 0.5,
    apply_softmax: bool = True,
    reduction: Reduction = "mean",
    ignore_background: bool = False,
    axis: Axis = None,
    where: Array | None = None,
) -> Array:
    """Return the Dice semimetric loss of each example, called like ``optax.losses.dice_loss``.

    On one-hot targets the two are equal at the same ``smooth``; on soft ones only this one is
    smallest where the prediction equals the target. The default ``smooth`` is 0 here and 1 there.

    Parameters
    ----------
    predictions : Array
        Logits [batch, ..., C]; with C = 1, or without the class axis beside targets that have it
        as an axis of one, the foreground alone.
    targets : Array
        Soft or one-hot targets of the same shape, or integer labels [batch, ...] from 0 to C - 1.
    class_weights : Array, optional
        A factor for each of the C classes.
    smooth : float or tuple of float, optional
        Added to the intersection in the numerator and to the denominator; two values are for the
        numerator and the denominator.
    alpha, beta : float, optional
        Weights of false positives and false negatives: the compatible Tversky loss. Both 1/2 are
        Dice, both 1 are Jaccard.
    apply_softmax : bool, optional
        Whether predictions are logits; they are taken through a sigmoid where C = 1. Otherwise
        they are probabilities.
    reduction : {"mean", "sum", "none"}, optional
        How the classes of an example are joined; "none" returns [batch, C].
    ignore_background : bool, optional
        Leave out class 0 where there is more than one class.
    axis : int or tuple of int, optional
        The axes that are summed over; None means all but the first and the last.
    where : Array, optional
        Boolean, [batch, ...] or broadcast to the shape of ``predictions``: the pixels that count.

    Returns
    -------
    Array
        [batch], or the axes that ``axis`` leaves; in the widest floating dtype given but at least
        float32. Empty against empty is 0.

    Raises
    ------
    TypeError
        If an argument is no JAX array or of a wrong dtype.
    ValueError
        If shapes do not fit, an option is out of its range, or a checked value is; see
        `dice_semimetric.value_checks`.

    See Also
    --------
    jaccard_metric_loss : With both weights 1.
    calibration_error_loss : A term to add to it.
    region_loss : Classes on axis 1, one number a batch, sums over devices.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (4), (26)-(27).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from dice_semimetric_jax import dice_semimetric_loss
    >>> soft = jnp.full((2, 8, 8, 2), 0.5)
    >>> dice_semimetric_loss(jnp.zeros((2, 8, 8, 2)), soft)
    Array([0., 0.], dtype=float32)
    """
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    namespace(predictions=predictions, targets=targets, where=where)
    predictions, targets = with_classes(predictions, targets)
    activation = activation_of(predictions, apply_softmax)
    axes = tuple(range(1, predictions.ndim - 1))
    if axis is not None:
        axes = normalize_axis(axis, predictions.ndim)
    o = _overlap(predictions, targets, where, axes, activation)
    dtype = sum_dtype(xp, predictions, targets)
    loss = overlap_loss(o, form="ctl", alpha=alpha, beta=beta, smooth=smooth, dtype=dtype)
    return over_classes(loss, class_weights, ignore_background, reduction)


def jaccard_metric_loss(
    predictions: Array,
    targets: Array,
    *,
    class_weights: Array | None = None,
    smooth: Smooth = 0.0,
    apply_softmax: bool = True,
    reduction: Reduction = "mean",
    ignore_background: bool = False,
    axis: Axis = None,
    where: Array | None = None,
) -> Array:
    """Return the Jaccard metric loss of each example, in optax's calling style.

    Parameters
    ----------
    predictions, targets, class_weights, smooth, apply_softmax, reduction, ignore_background, axis
        As in `dice_semimetric_loss`.
    where : Array, optional
        As in `dice_semimetric_loss`.

    Returns
    -------
    Array
        As from `dice_semimetric_loss`.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eq. (3).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from dice_semimetric_jax import jaccard_metric_loss
    >>> prob = jnp.array([[[1.0], [0.0], [1.0]]])
    >>> jaccard_metric_loss(prob, jnp.array([[[1.0], [1.0], [0.0]]]), apply_softmax=False)
    Array([0.6666667], dtype=float32)
    """
    return dice_semimetric_loss(
        predictions,
        targets,
        class_weights=class_weights,
        smooth=smooth,
        alpha=1.0,
        beta=1.0,
        apply_softmax=apply_softmax,
        reduction=reduction,
        ignore_background=ignore_background,
        axis=axis,
        where=where,
    )


def calibration_error_loss(
    predictions: Array,
    targets: Array,
    *,
    class_weights: Array | None = None,
    n_bins: int = 10,
    norm: Norm = "average",
    apply_softmax: bool = True,
    reduction: Reduction = "mean",
    ignore_background: bool = False,
    where: Array | None = None,
) -> Array:
    """Return the calibration error of each example, in optax's calling style.

    It is `dice_semimetric.calibration_loss`, to be added to a loss that segments.

    Parameters
    ----------
    predictions, targets, class_weights, apply_softmax, reduction, ignore_background, where
        As in `dice_semimetric_loss`.
    n_bins, norm
        As in `dice_semimetric.calibration_loss`.

    Returns
    -------
    Array
        [batch], or [batch, C] with ``reduction="none"``.

    See Also
    --------
    calibration_loss : Classes on axis 1, one number a batch, sums over devices.

    References
    ----------
    .. [1] Barfoot et al., "Average Calibration Error: A Differentiable Loss for Improved
       Reliability in Image Segmentation", MICCAI 2024.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from dice_semimetric_jax import calibration_error_loss
    >>> calibration_error_loss(jnp.zeros((1, 4, 2)), jnp.array([[0, 0, 0, 1]]))
    Array([0.25], dtype=float32)
    """
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    namespace(predictions=predictions, targets=targets, where=where)
    predictions, targets = with_classes(predictions, targets)
    pred, target, mask = classes_second(predictions, targets, where)
    activation = activation_of(predictions, apply_softmax)
    loss: Array = calibration_loss(
        pred,
        target,
        activation=activation,
        n_bins=n_bins,
        norm=norm,
        per="class",
        mask=mask,
        reduction="none",
    )
    return over_classes(loss, class_weights, ignore_background, reduction)


def _overlap(
    predictions: Array,
    targets: Array,
    where: Array | None,
    axis: tuple[int, ...],
    activation: Activation,
) -> Overlap:
    """Return the sums over some axes of arrays with the classes last, which they stay."""
    last = predictions.ndim - 1
    if last in axis:
        raise ValueError(f"axis must not name the class axis, {last}, got {axis}")
    pred, target, mask = classes_second(predictions, targets, where)
    pixels = pixels_of_batch(pred, target, activation=activation, ignore_index=None, mask=mask)
    sums = overlap_sums(replace(pixels, axis=tuple(a + 1 if a else 0 for a in axis)))
    return Overlap(*(jnp.moveaxis(s, 0 if 0 in axis else 1, -1) for s in sums))
