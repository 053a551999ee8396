"""What the calibrators share: labels in both forms, classes along the rows, and being fitted."""

from .checks import checks_apply, no_class_axis, require_labels, require_probabilities
from .namespace import default_index, require_floating, sum_dtype
from .pairs import expand_labels, is_label_map, labels_or_soft
from .special import widen
from .typing import Array, Namespace


def class_rows(xp: Namespace, array: Array) -> Array:
    """Return (B, C, *spatial) as (C, all pixels)."""
    order = (1, 0, *range(2, array.ndim))
    return xp.reshape(xp.permute_dims(array, order), (array.shape[1], -1))


def from_class_rows(xp: Namespace, rows: Array, shape: tuple[int, ...]) -> Array:
    """Return (C, all pixels) as (B, C, *spatial)."""
    apart = xp.reshape(rows, (shape[1], shape[0], *shape[2:]))
    return xp.permute_dims(apart, (1, 0, *range(2, len(shape))))


def label_pair(
    xp: Namespace, prob: Array, label: Array, ignore_index: int | None
) -> tuple[Array, Array]:
    """Return integer labels (B, *spatial) and soft ones (B, C, *spatial)."""
    hard, label = checked_labels(xp, prob, label, ignore_index)
    if hard is not label:
        return hard, label
    one_hot, _ = expand_labels(xp, label, prob.shape[1], None)
    return label, xp.astype(one_hot, sum_dtype(xp, prob))


def checked_labels(
    xp: Namespace, prob: Array, label: Array, ignore_index: int | None
) -> tuple[Array, Array]:
    """Return integer labels (B, *spatial), of soft ones the most probable class, and the labels.

    Masks of each class are soft labels.
    """
    hard, label = known_labels(xp, prob, label, ignore_index)
    return label if hard else predicted_class(xp, label), label


def known_labels(
    xp: Namespace, prob: Array, label: Array, ignore_index: int | None, name: str = "label"
) -> tuple[bool, Array]:
    """Return whether labels are integers (B, *spatial), and the labels, else soft ones; or raise.

    Integers come in a dtype that holds the classes and ``ignore_index``.
    """
    label = labels_or_soft(xp, prob, label)
    if not is_label_map(xp, prob, label, None, ("prob", name)):
        if ignore_index is not None:
            raise ValueError("ignore_index is for integer labels, got soft ones; leave it out")
        return False, require_probabilities(xp, label, name)
    num_classes = max(prob.shape[1], 2)
    label = widen(xp, label, num_classes - 1, ignore_index)
    if checks_apply(label):
        require_labels(xp, label, num_classes, ignore_index, name)
    return True, label


def predicted_class(xp: Namespace, prob: Array) -> Array:
    """Return the most probable class along axis 1, the lowest of ties: foreground above 1/2."""
    if prob.shape[1] == 1:
        return xp.astype(prob[:, 0, ...] > 0.5, default_index(xp, prob))
    return xp.argmax(prob, axis=1)


def require_logits(xp: Namespace, logits: Array) -> None:
    require_floating(xp, logits=logits)
    if logits.ndim < 2:
        raise ValueError(no_class_axis("logits", logits))


def require_finite(xp: Namespace, logits: Array) -> None:
    if checks_apply(logits) and not bool(xp.all(xp.isfinite(logits))):
        raise ValueError("logits must be finite, got NaN or infinity")


def require_fitted(calibrator: object, attribute: str) -> None:
    if not hasattr(calibrator, attribute):
        raise RuntimeError(f"{type(calibrator).__name__} must be fitted first: call fit")
