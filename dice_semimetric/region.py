"""Regional losses over a batch, (B, C, *spatial): activation, classes, aggregation."""

from collections.abc import Sequence
from typing import Any

from ._lib.aggregate import Classes, Per, Reduction, aggregate, class_indices, weighted
from ._lib.namespace import namespace
from ._lib.options import require_choice
from ._lib.pairs import pixels_of_batch
from ._lib.seam import whole
from ._lib.typing import Activation, Array, Smooth
from .formulas import overlap_loss
from .overlap import Overlap, overlap_of


@whole
def region_loss(
    pred: Array,
    target: Array,
    *,
    form: str = "dml1",
    activation: Activation = None,
    per: Per = "batch",
    classes: Classes = "all",
    ignore_index: int | None = None,
    mask: Array | None = None,
    weight: Sequence[float] | Array | None = None,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    focal_exponent: str = "paper",
    log: bool = False,
    smooth: Smooth = 0.0,
    reduction: Reduction = "mean",
) -> Array:
    """Return a regional loss of a batch of predictions, for hard or soft labels.

    Parameters
    ----------
    pred : Array
        (B, C, *spatial), floating: probabilities, or logits if ``activation`` is given.
    target : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``pred``, soft labels in a
        floating dtype, or a mask of each class in an integer dtype or bool: 0 and 1, one-hot or
        overlapping. With C = 1 the mask of the foreground may lack the class axis.
    form : {"dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "ctl", "stl", "cftl"}, optional
        The loss; see the functions of these names.
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
    weight : sequence of float or Array, optional
        A factor for each of the C classes, applied before the reduction and not normalised.
    alpha, beta : float, optional
        Weights of false positives and false negatives, for ``ctl``, ``stl`` and ``cftl`` only.
    gamma : float, optional
        The focal term, for any form; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33); "code" to ``gamma``, as the authors'
        published code does. With ``log``, "paper" does so before the logarithm and "code" after.
    log : bool, optional
        Take ``-ln(1 - loss)`` of each class, with 1 - loss cut off at the machine epsilon.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, which is written as 2 I
        over 2 (I + alpha FP + beta FN) for Dice and Jaccard, with weights of 1/2 and 1, and
        without the factors of 2 for ``ctl``, ``stl`` and ``cftl``. Two values are for the numerator
        and the denominator.
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
    overlap_loss : From an overlap summed beforehand.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (1)-(4), (25)-(27), (33).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import region_loss
    >>> logits = np.zeros((1, 2, 4))
    >>> soft = np.full((1, 2, 4), 0.5)
    >>> float(region_loss(logits, soft, activation="softmax"))
    0.0
    >>> float(region_loss(logits, soft, activation="softmax", form="sdl"))
    0.5
    """
    require_choice("per", per, ("batch", "image", "class"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    pixels = pixels_of_batch(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    return table_loss(
        overlap_of(pixels),
        dtype=pixels.dtype,
        per=per,
        classes=classes,
        weight=weight,
        reduction=reduction,
        form=form,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        focal_exponent=focal_exponent,
        log=log,
        smooth=smooth,
    )


def table_loss(
    table: Overlap,
    *,
    per: Per,
    classes: Classes,
    weight: Sequence[float] | Array | None,
    reduction: Reduction,
    **formula: Any,
) -> Array:
    """Return `region_loss` from the (B, C) overlap of a batch, perhaps joined over devices.

    What is not named here goes to `overlap_loss`.
    """
    num_classes = table.pred.shape[1]
    indices = class_indices(classes, num_classes)
    if indices is not None:
        table = table.take(indices)
    if per == "batch":
        table = table.sum(axis=0)
    values = overlap_loss(table, **formula)
    xp = namespace(overlap=values)
    values = weighted(xp, values, weight, indices, num_classes)
    kept = None
    if classes == "present":
        kept = table.target > 0
        values = xp.where(kept, values, xp.zeros_like(values))
    return aggregate(xp, values, kept, per=per, reduction=reduction, empty=0.0)
