"""A calibration error that a network can be trained with."""

from collections.abc import Sequence
from dataclasses import replace

from ._lib.additive import in_double
from ._lib.aggregate import Classes, Per, Reduction, aggregate, class_indices, weighted
from ._lib.bin_sums import image_bin_sums
from ._lib.namespace import constant, default_index, is_floating, namespace
from ._lib.native import quietly
from ._lib.options import require_choice, require_integer
from ._lib.pairs import both, pixels_of_batch, probabilities
from ._lib.quantiles import uniform_edges
from ._lib.seam import Pixels, whole
from ._lib.special import activate
from ._lib.typing import Activation, Array, DType
from .bins import NORMS, Norm, joined_gaps

#: Count, confidence and correctness: (B, C, n_bins).
Bins = tuple[Array, ...]


@whole
@quietly
def calibration_loss(
    pred: Array,
    target: Array,
    *,
    activation: Activation = None,
    n_bins: int = 10,
    norm: Norm = "average",
    per: Per = "batch",
    classes: Classes = "all",
    ignore_index: int | None = None,
    mask: Array | None = None,
    weight: Sequence[float] | Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Return the calibration error of each class against the rest, to be added to a loss.

    The probabilities of a class are cut into bins of equal width. In each bin that holds something
    the gap is ``|mean probability - mean label|``, of soft labels too; the error of the class is
    the mean gap. On hard labels, image by image, it is the mL1-ACE of [1]_. Its derivative takes
    the bins as they are: each pixel in a bin of n moves the mean by 1 / n.

    Parameters
    ----------
    pred : Array
        (B, C, *spatial), floating: probabilities, or logits if ``activation`` is given. One class
        alone is the foreground.
    target : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``pred``, soft labels in a
        floating dtype, or a mask of each class in an integer dtype or bool: 0 and 1, one-hot or
        overlapping. With C = 1 the mask of the foreground may lack the class axis.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``pred``; softmax runs over the class axis.
    n_bins : int, optional
        The number of bins.
    norm : {"average", "l1", "l2", "max"}, optional
        How the gaps are joined, as in `expected_calibration_error`. All but "average" weigh bins by
        their pixels, so that the background decides.
    per : {"batch", "image", "class"}, optional
        "batch" pools the pixels of the batch and averages the classes; "image" averages the
        classes within each image, then the images; "class" averages the images within each class,
        then the classes.
    classes : {"all", "present"} or sequence of int, optional
        The classes that count. "present": those with some target above 0 inside the mask, judged
        over the batch for ``per="batch"`` and image by image otherwise.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, use ``mask``.
    mask : Array, optional
        Boolean, (B, *spatial) or broadcast to the shape of ``pred``: the pixels that count.
    weight : sequence of float or Array, optional
        A factor for each of the C classes, applied before the reduction and not normalised.
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (C,) for ``per="batch"`` and (B, C) otherwise, where classes that are not
        present are 0.

    Returns
    -------
    Array
        The loss, in the library and on the device of ``pred``, in its floating dtype but at least
        float32. It is 0 where nothing counts.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, or a checked
        value is; see `value_checks`.

    See Also
    --------
    region_loss : What it is added to, with a small weight: alone it does not segment.
    expected_calibration_error : The error as a score.

    References
    ----------
    .. [1] Barfoot et al., "Average Calibration Error: A Differentiable Loss for Improved
       Reliability in Image Segmentation", MICCAI 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import calibration_loss
    >>> prob = np.array([[[0.75, 0.75, 0.75, 0.25]]])
    >>> round(float(calibration_loss(prob, np.array([[1, 1, 0, 0]]))), 3)
    0.167
    """
    require_choice("per", per, ("batch", "image", "class"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    require_choice("norm", norm, NORMS)
    n_bins = require_integer("n_bins", n_bins, least=1)
    pixels = pixels_of_batch(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    return loss_of_bins(
        class_bins(pixels, n_bins),
        dtype=pixels.dtype,
        norm=norm,
        per=per,
        classes=classes,
        weight=weight,
        reduction=reduction,
    )


def class_bins(pixels: Pixels, n_bins: int) -> Bins:
    """Return the sums of the bins of each image and class, differentiable."""
    xp = namespace(pred=pixels.pred)
    found = _with_probabilities(pixels)
    edges = uniform_edges(xp, n_bins, found.pred, pixels.dtype)
    try:
        count, confidence, correct = image_bin_sums(found, edges)
    except ValueError:
        probabilities(pixels)  # says the same of pred and target, which are logits or labels
        raise
    wide, confidence, correct = in_double(xp, (xp.astype(count, pixels.dtype), confidence, correct))
    return wide, confidence, correct


def _with_probabilities(pixels: Pixels) -> Pixels:
    """Return pixels with probabilities, soft labels in place of masks of each class, one mask."""
    pred, target, mask, dtype = pixels.pred, pixels.target, pixels.mask, pixels.dtype
    xp = namespace(pred=pred)
    if mask is not None:
        shape = (1,) * (pred.ndim - mask.ndim) + tuple(mask.shape)
        mask = xp.reshape(mask, shape)
        mask = xp.broadcast_to(mask, (pred.shape[0], shape[1], *pred.shape[2:]))
    if not (pixels.labels or is_floating(xp, target)):
        target = xp.astype(target, dtype)
    if pixels.activation is not None:
        pred = xp.astype(pred, dtype, copy=False)
        kept = mask
        if pixels.labels and pixels.ignore_index is not None:
            kept = both(mask, xp.expand_dims(target != pixels.ignore_index, axis=1))
        if kept is not None:  # of a NaN that does not count the activation would make a gradient
            used = xp.any(kept, axis=1, keepdims=True) if pixels.activation == "softmax" else kept
            pred = xp.where(used, pred, xp.zeros_like(pred))
        pred = activate(xp, pred, pixels.activation)
    return replace(pixels, pred=pred, target=target, mask=mask, activation=None)


def loss_of_bins(
    bins: Bins,
    *,
    dtype: DType,
    norm: Norm,
    per: Per,
    classes: Classes,
    weight: Sequence[float] | Array | None,
    reduction: Reduction,
) -> Array:
    """Return `calibration_loss` from the bins (B, C, n_bins) of a batch, perhaps joined."""
    num_classes = bins[0].shape[1]
    xp = namespace(bins=bins[1])
    indices = class_indices(classes, num_classes)
    if indices is not None:
        index = constant(xp, indices, default_index(xp, bins[1]), bins[1])
        bins = tuple(xp.take(b, index, axis=1) for b in bins)
    if per == "batch":
        bins = tuple(xp.sum(b, axis=0) for b in bins)
    count, confidence, correct = bins
    values = xp.astype(joined_gaps(xp, count, confidence, correct, norm), dtype, copy=False)
    values = weighted(xp, values, weight, indices, num_classes)
    kept = None
    if classes == "present":
        kept = xp.sum(correct, axis=-1) > 0
        values = xp.where(kept, values, xp.zeros_like(values))
    return aggregate(xp, values, kept, per=per, reduction=reduction, empty=0.0)
