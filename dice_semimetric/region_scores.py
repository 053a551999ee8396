"""Scores over a batch, (B, C, *spatial): activation, classes, aggregation."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from ._lib.aggregate import Classes, Per, Reduction, aggregate, class_indices
from ._lib.empty import Empty
from ._lib.namespace import namespace, sum_dtype
from ._lib.options import require_choice
from ._lib.seam import whole
from ._lib.typing import Activation, Array, Namespace
from .overlap import region_overlap
from .scores import overlap_score
from .thresholds import ThresholdCounts, region_threshold_counts

Score = Literal["dice", "jaccard", "bdice"]


@whole
def region_score(
    pred: Array,
    target: Array,
    *,
    score: Score = "dice",
    activation: Activation = None,
    per: Per = "image",
    classes: Classes = "all",
    ignore_index: int | None = None,
    mask: Array | None = None,
    empty: Empty = 1.0,
    thresholds: Sequence[float] | float | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Return a score of a batch of predictions, against hard or soft labels.

    Parameters
    ----------
    pred : Array
        (B, C, *spatial), floating: probabilities, or logits if ``activation`` is given.
    target : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``pred``, soft labels in a
        floating dtype, or a mask of each class in an integer dtype or bool: 0 and 1, one-hot or
        overlapping. With C = 1 the mask of the foreground may lack the class axis.
    score : {"dice", "jaccard", "bdice"}, optional
        See `dice_score`, `jaccard_score` and `binarized_dice`.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``pred``; softmax runs over the class axis.
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
    empty : {1.0, 0.0, nan, "skip"}, optional
        The score where prediction and target are both empty; "skip" leaves it out of all means.
    thresholds : float or sequence of float, optional
        For "bdice" only, as in `binarized_dice`.
    reduction : {"mean", "sum", "none"}, optional
        "none" returns (C,) for ``per="batch"`` and (B, C) otherwise, where what does not count is
        NaN.

    Returns
    -------
    Array
        The score, in the library and on the device of ``pred``, in its floating dtype but at
        least float32. The mean of nothing is NaN.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, or a checked
        value is; see `value_checks`.

    See Also
    --------
    region_loss : The losses with the same conventions.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import region_score
    >>> pred = np.array([[[0.75, 0.5], [0.25, 0.5]]])
    >>> label = np.array([[0, 1]])
    >>> region_score(pred, label, reduction="none").round(3)
    array([[0.667, 0.571]])
    >>> round(float(region_score(pred, label)), 3)
    0.619
    """
    require_choice("score", score, ("dice", "jaccard", "bdice"))
    require_choice("per", per, ("batch", "image", "class"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    if thresholds is not None and score != "bdice":
        raise ValueError(f"thresholds are for score='bdice', got score={score!r}")
    xp = namespace(pred=pred, target=target, mask=mask)
    dtype = sum_dtype(xp, pred, target)
    inputs: dict[str, Any] = {"activation": activation, "ignore_index": ignore_index, "mask": mask}

    def chosen(table: Any) -> Any:
        indices = class_indices(classes, pred.shape[1])
        table = table if indices is None else table.take(indices)
        return table.sum(axis=0) if per == "batch" else table

    if score == "bdice":
        counts = chosen(region_threshold_counts(pred, target, thresholds=thresholds, **inputs))
        values, kept = _binarized(xp, counts, empty, dtype)
    else:
        table = chosen(region_overlap(pred, target, **inputs))
        values, kept = overlap_score(table, score, empty, dtype)
    if empty != "skip":
        kept = xp.ones_like(kept)
    if classes == "present":
        if score == "bdice":  # a class whose labels all lie below the thresholds is present too
            table = chosen(region_overlap(pred, target, **inputs))
        kept = kept & (table.target > 0)
        values = xp.where(kept, values, math.nan)
    return aggregate(xp, values, kept, per=per, reduction=reduction, empty=math.nan)


def _binarized(
    xp: Namespace, counts: ThresholdCounts, empty: Empty, dtype: Any
) -> tuple[Array, Array]:
    """Return BDice of each entry, and where some threshold is reached on either side."""
    some = xp.any(counts.pred + counts.target > 0, axis=0)
    return counts.binarized_dice(empty=empty, dtype=dtype), some
