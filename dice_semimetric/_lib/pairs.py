"""What a prediction and a target may be, and how they become two arrays of probabilities."""

from .checks import checks_apply, no_class_axis, require_known_labels, require_unit_interval
from .namespace import (
    constant,
    is_boolean,
    is_floating,
    is_integer,
    namespace,
    normalize_axis,
    require_floating,
    require_mask,
    sum_dtype,
)
from .options import require_choice, require_label
from .remedies import differing_axes, target_remedy
from .seam import Pixels
from .special import activate, widen
from .typing import Activation, Array, Axis, Namespace


def pixels_of(pred: Array, target: Array, *, axis: Axis, mask: Array | None) -> Pixels:
    """Return two arrays of one shape as pixels, or raise TypeError or ValueError."""
    xp = namespace(pred=pred, target=target, mask=mask)
    if tuple(pred.shape) != tuple(target.shape):
        raise ValueError(
            "pred and target must have one shape, "
            f"got {tuple(pred.shape)} and {tuple(target.shape)}"
            + differing_axes(pred.shape, target.shape)
        )
    require_mask(xp, mask, pred.shape)
    return Pixels(
        pred,
        target,
        mask,
        axis=normalize_axis(axis, pred.ndim),
        dtype=sum_dtype(xp, pred, target),
        checked=checks_apply(pred, target, mask),
    )


def pixels_of_batch(
    pred: Array,
    target: Array,
    *,
    activation: Activation,
    ignore_index: int | None,
    mask: Array | None,
) -> Pixels:
    """Return the pixels of every image and class of a batch, summed over the axes from 2 on.

    Labels come in a dtype that holds the classes and ``ignore_index``, the mask with a class axis.

    Raises TypeError or ValueError for what `dice_semimetric.region_overlap` does not take.
    """
    xp = namespace(pred=pred, target=target, mask=mask)
    require_choice("activation", activation, (None, "softmax", "sigmoid"))
    ignore_index = require_label("ignore_index", ignore_index)
    require_floating(xp, pred=pred)
    target = foreground_labels(xp, pred, target)
    hard = is_label_map(xp, pred, target, ignore_index)
    if mask is not None and tuple(mask.shape) == (pred.shape[0], *pred.shape[2:]):
        mask = xp.expand_dims(mask, axis=1)
    require_mask(xp, mask, pred.shape)
    if hard:
        target = widen(xp, target, max(pred.shape[1], 2) - 1, ignore_index)
    return Pixels(
        pred,
        target,
        mask,
        axis=tuple(range(2, pred.ndim)),
        dtype=sum_dtype(xp, pred, target),
        checked=checks_apply(pred, target, mask),
        activation=activation,
        ignore_index=ignore_index,
    )


def foreground_labels(xp: Namespace, pred: Array, target: Array) -> Array:
    """Return integer or boolean masks of a single channel as integer labels (B, *spatial).

    They may have the class axis or not. Any other target is returned as it is.
    """
    if pred.ndim < 2 or pred.shape[1] != 1 or is_floating(xp, target):
        return target
    if tuple(target.shape) == tuple(pred.shape):
        target = target[:, 0, ...]
    return xp.astype(target, xp.uint8) if is_boolean(xp, target) else target


def labels_or_soft(xp: Namespace, pred: Array, target: Array) -> Array:
    """Return masks of each class as soft labels, and those of a single channel as labels."""
    target = foreground_labels(xp, pred, target)
    if is_floating(xp, target) or tuple(target.shape) != tuple(pred.shape):
        return target
    if not (is_integer(xp, target) or is_boolean(xp, target)):
        return target
    return xp.astype(target, pred.dtype)


def is_label_map(
    xp: Namespace,
    pred: Array,
    target: Array,
    ignore_index: int | None,
    names: tuple[str, str] = ("pred", "target"),
) -> bool:
    """Return True for integer labels, False for soft ones and masks of each class; else raise.

    Dtype and shape decide: see `dice_semimetric.region_loss`.
    """
    if pred.ndim < 2:
        raise ValueError(no_class_axis(names[0], pred))
    shape, labels_shape = tuple(pred.shape), (pred.shape[0], *pred.shape[2:])
    integer = is_integer(xp, target)
    if tuple(target.shape) == shape and (
        integer or is_floating(xp, target) or is_boolean(xp, target)
    ):
        if ignore_index is not None:
            raise ValueError(
                f"ignore_index is for integer {names[1]}s; use mask with soft ones and with masks "
                "of each class"
            )
        return False
    if integer and tuple(target.shape) == labels_shape:
        return True
    raise ValueError(
        f"{names[1]} must be integer labels of shape {labels_shape} or soft labels of shape {shape}"
        f", or masks of each class, got shape {tuple(target.shape)} and dtype {target.dtype}"
        + target_remedy(xp, shape, target, names)
    )


def probabilities(pixels: Pixels) -> tuple[Array, Array]:
    """Return prediction and target in one dtype, both 0 where a pixel does not count."""
    pred, target, mask = pixels.pred, pixels.target, pixels.mask
    xp = namespace(pred=pred)
    if pixels.labels:
        if pixels.checked:
            require_known_labels(pixels)
        target, kept = expand_labels(xp, target, pred.shape[1], pixels.ignore_index)
        mask = both(kept, mask)
    pred = activate(xp, xp.astype(pred, pixels.dtype, copy=False), pixels.activation)
    target = xp.astype(target, pixels.dtype, copy=False)
    if mask is not None:
        zero = xp.zeros_like(pred)
        pred, target = xp.where(mask, pred, zero), xp.where(mask, target, zero)
    if pixels.checked:
        activation = pixels.activation
        given = None if activation else pixels.pred.dtype
        pred = require_unit_interval(xp, pred, "pred", dtype=given, activation=activation)
        target = require_unit_interval(xp, target, "target", dtype=pixels.target.dtype)
    return pred, target


def both(one: Array | None, other: Array | None) -> Array | None:
    """Return the pixels that two masks keep; None keeps all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def expand_labels(
    xp: Namespace, label: Array, num_classes: int, ignore_index: int | None
) -> tuple[Array, Array | None]:
    """Return boolean one-hot labels (B, C, *spatial) and which pixels are not ignored, or None.

    One class alone is the foreground: label 1.
    """
    label = xp.expand_dims(label, axis=1)
    numbers = (1,) if num_classes == 1 else range(num_classes)
    classes = constant(xp, numbers, label.dtype, label)
    classes = xp.reshape(classes, (1, -1) + (1,) * (label.ndim - 2))
    return label == classes, None if ignore_index is None else label != ignore_index
