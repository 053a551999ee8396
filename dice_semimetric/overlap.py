"""The Overlap statistic: the four sums that every regional loss and score is a formula on."""

from dataclasses import dataclass, fields
from typing import Any, Self

from ._checks import checks_apply, require_labels, require_unit_interval
from ._kernels import accelerated
from ._namespace import (
    constant,
    is_boolean,
    is_floating,
    is_integer,
    namespace,
    normalize_axis,
    require_choice,
    require_floating,
    require_mask,
    sum_dtype,
)
from ._special import absolute, activate
from ._typing import Activation, Array, Axis, DType

Sums = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Overlap:
    """The sums over pixels of a prediction x and a target y: all that the regional losses need.

    Overlaps add up: ``a + b`` is the overlap of both sets of pixels, so blocks, images, cases and
    machines can be joined, and ``sum(overlaps)`` works.

    Attributes
    ----------
    pred : Array
        Sum of x.
    target : Array
        Sum of y.
    difference : Array
        Sum of ``|x - y|``.
    product : Array
        Sum of x * y.

    See Also
    --------
    overlap : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import overlap
    >>> one = overlap(np.array([0.5, 1.0]), np.array([0.5, 0.0]))
    >>> float((one + one).difference)
    2.0
    """

    pred: Array
    target: Array
    difference: Array
    product: Array

    def __add__(self, other: Any) -> Self:
        """Return the overlap of both sets of pixels."""
        if isinstance(other, int) and other == 0:  # where sum() starts
            return self
        if not isinstance(other, Overlap):
            return NotImplemented
        if self.pred.shape != other.pred.shape:
            raise ValueError(
                "overlaps to be added must have one shape, "
                f"got {tuple(self.pred.shape)} and {tuple(other.pred.shape)}"
            )
        namespace(overlap=self.pred, other=other.pred)
        return self._map(lambda field: getattr(self, field) + getattr(other, field))

    __radd__ = __add__

    def sum(self, axis: Axis = None) -> Self:
        """Return the overlap pooled over axes of the fields, such as the batch.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes to pool over; None means all.

        Returns
        -------
        Overlap
            With fields that lack these axes.
        """
        xp = namespace(overlap=self.pred)
        axes = normalize_axis(axis, self.pred.ndim)
        return self._map(lambda field: xp.sum(getattr(self, field), axis=axes))

    def take(self, indices: tuple[int, ...], axis: int = -1) -> Self:
        """Return the overlap of some classes.

        Parameters
        ----------
        indices : tuple of int
            The positions to keep, in this order.
        axis : int, optional
            The axis of the fields that they count along.

        Returns
        -------
        Overlap
            With ``len(indices)`` entries along that axis.
        """
        xp = namespace(overlap=self.pred)
        index = constant(xp, indices, xp.int64, self.pred)
        return self._map(lambda field: xp.take(getattr(self, field), index, axis=axis))

    def _map(self, function: Any) -> Self:
        return type(self)(*(function(field.name) for field in fields(self)))


def overlap(pred: Array, target: Array, *, axis: Axis = None, mask: Array | None = None) -> Overlap:
    """Return the sums of x, y, ``|x - y|`` and x * y over pixels.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count. What the others hold,
        even NaN, has no influence.

    Returns
    -------
    Overlap
        Fields of the shape of ``pred`` without ``axis``, in the library and on the device of
        ``pred``, in the widest floating dtype given but at least float32: half precision is
        never summed in.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, or a checked value is NaN or outside [0, 1]; see
        `value_checks`.

    See Also
    --------
    region_overlap : The same for (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (1)-(4).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import overlap
    >>> o = overlap(np.array([[0.5, 1.0], [0.0, 0.0]]), np.array([[0.5, 0.5], [0.0, 1.0]]), axis=1)
    >>> o.difference
    array([0.5, 1. ])
    """
    xp = namespace(pred=pred, target=target, mask=mask)
    if tuple(pred.shape) != tuple(target.shape):
        raise ValueError(
            "pred and target must have one shape, "
            f"got {tuple(pred.shape)} and {tuple(target.shape)}"
        )
    for name, array in (("pred", pred), ("target", target)):
        if not (is_floating(xp, array) or is_integer(xp, array) or is_boolean(xp, array)):
            raise TypeError(f"{name} must be of a real dtype, got {array.dtype}")
    require_mask(xp, mask, pred.shape)
    sums = overlap_sums(
        pred,
        target,
        mask,
        axis=normalize_axis(axis, pred.ndim),
        dtype=sum_dtype(xp, pred, target),
        checked=checks_apply(pred, target, mask),
    )
    return Overlap(*sums)


def region_overlap(
    pred: Array,
    target: Array,
    *,
    activation: Activation = None,
    ignore_index: int | None = None,
    mask: Array | None = None,
) -> Overlap:
    """Return the overlap of every image and class of a batch.

    Parameters
    ----------
    pred : Array
        (B, C, *spatial), floating: probabilities, or logits if ``activation`` is given.
    target : Array
        Integer labels (B, *spatial) from 0 to C - 1, or soft labels of the shape of ``pred`` in a
        floating dtype. With C = 1 the integer labels are the foreground mask: 0 or 1.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``pred``; softmax runs over the class axis.
    ignore_index : int, optional
        The integer label of pixels that do not count. With soft labels, use ``mask``.
    mask : Array, optional
        Boolean, (B, *spatial) or broadcast to the shape of ``pred``: the pixels that count.

    Returns
    -------
    Overlap
        Fields of shape (B, C); dtype as for `overlap`.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype.
    ValueError
        If shapes do not fit, or a checked value is out of range; see `value_checks`.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import region_overlap
    >>> pred = np.array([[[0.75, 0.5], [0.25, 0.5]]])
    >>> region_overlap(pred, np.array([[0, 1]])).product
    array([[0.75, 0.5 ]])
    """
    xp = namespace(pred=pred, target=target, mask=mask)
    require_choice("activation", activation, (None, "softmax", "sigmoid"))
    require_floating(xp, pred=pred)
    hard = _is_label_map(xp, pred, target, ignore_index)
    spatial = tuple(range(2, pred.ndim))
    if mask is not None and tuple(mask.shape) == (pred.shape[0], *pred.shape[2:]):
        mask = xp.expand_dims(mask, axis=1)
    require_mask(xp, mask, pred.shape)
    checked = checks_apply(pred, target, mask)
    if hard and checked:
        require_labels(xp, target, max(pred.shape[1], 2), ignore_index, "target")
    sums = overlap_sums(
        pred,
        target,
        mask,
        axis=spatial,
        dtype=sum_dtype(xp, pred, target),
        checked=checked,
        activation=activation,
        ignore_index=ignore_index,
    )
    return Overlap(*sums)


def _is_label_map(xp: Any, pred: Array, target: Array, ignore_index: int | None) -> bool:
    """Tell integer labels (True) from soft ones (False) by dtype and shape; raise on any other."""
    shape, labels_shape = tuple(pred.shape), (pred.shape[0], *pred.shape[2:])
    if pred.ndim < 2:
        raise ValueError(f"pred must have shape (B, C, *spatial), got {shape}")
    if is_floating(xp, target) and tuple(target.shape) == shape:
        if ignore_index is not None:
            raise ValueError("ignore_index is for integer targets; use mask with soft ones")
        return False
    if is_integer(xp, target) and tuple(target.shape) == labels_shape:
        return True
    raise ValueError(
        f"target must be integer labels of shape {labels_shape} or soft labels of shape {shape} "
        f"in a floating dtype, got shape {tuple(target.shape)} and dtype {target.dtype}"
    )


@accelerated
def overlap_sums(
    pred: Array,
    target: Array,
    mask: Array | None,
    *,
    axis: tuple[int, ...],
    dtype: DType,
    checked: bool,
    activation: Activation = None,
    ignore_index: int | None = None,
) -> Sums:
    """Return the four sums: the one reduction that an adapter replaces.

    A target with one axis fewer than ``pred`` holds integer labels along the class axis 1.
    """
    xp = namespace(pred=pred)
    pred = activate(xp, xp.astype(pred, dtype, copy=False), activation)
    if target.ndim < pred.ndim:
        target, kept = expand_labels(xp, target, pred.shape[1], ignore_index)
        mask = both(kept, mask)
    target = xp.astype(target, dtype, copy=False)
    if mask is not None:
        zero = xp.zeros_like(pred)
        pred, target = xp.where(mask, pred, zero), xp.where(mask, target, zero)
    if checked:
        require_unit_interval(xp, pred, "pred")
        require_unit_interval(xp, target, "target")
    difference = absolute(xp, pred - target)
    terms = (pred, target, difference, pred * target)
    return tuple(xp.sum(term, axis=axis) for term in terms)


def both(one: Array | None, other: Array | None) -> Array | None:
    """Return the pixels that two masks keep; None keeps all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def expand_labels(
    xp: Any, label: Array, num_classes: int, ignore_index: int | None
) -> tuple[Array, Array | None]:
    """Return boolean one-hot labels (B, C, *spatial) and which pixels are not ignored, or None.

    One class alone is the foreground: label 1.
    """
    label = xp.expand_dims(label, axis=1)
    numbers = (1,) if num_classes == 1 else range(num_classes)
    classes = constant(xp, numbers, label.dtype, label)
    classes = xp.reshape(classes, (1, -1) + (1,) * (label.ndim - 2))
    return label == classes, None if ignore_index is None else label != ignore_index
