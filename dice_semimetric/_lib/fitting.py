"""What the calibrators share: labels in both forms, classes along the rows, and being fitted."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from .checks import checks_apply, no_class_axis, require_labels, require_probabilities
from .devices import is_eager
from .hints import warn_of_probabilities
from .namespace import default_index, namespace, require_floating, sum_dtype
from .native import double_precision, widest_float, without_gradient
from .options import require_label
from .pairs import expand_labels, is_label_map, labels_or_soft
from .raters import fold, label_raters, require_one_label
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


R = TypeVar("R")


class Targets(NamedTuple):
    """What a calibrator is fitted to.

    Attributes
    ----------
    hard : Array
        (B, *spatial): integer labels; of soft labels and of raters the most probable class.
    soft : Array
        (B, C, *spatial): the same as probabilities, floating.
    share : Array or None
        (B, *spatial): the share of the labels of a pixel that count, floating; None for all.
    ignored : int or None
        What ``hard`` holds where none counts.
    """

    hard: Array
    soft: Array
    share: Array | None
    ignored: int | None


def targets_of(
    xp: Namespace, prob: Array, label: Array, ignore_index: int | None, rater_axis: int | None
) -> Targets:
    """Return what one label, or the labels of several raters, say of each pixel.

    What is fitted is linear in the labels: their mean stands for all raters.
    """
    ignore_index = require_label("ignore_index", ignore_index)
    if rater_axis is None:
        require_one_label(prob, label)
        hard, soft, kept = _target(xp, prob, label, ignore_index)
        share = None if kept is None else xp.astype(kept, soft.dtype)
        return Targets(hard, soft, share, ignore_index)
    raters = label_raters(xp, label, rater_axis)
    parts = [_target(xp, prob, raters[r, ...], ignore_index) for r in range(raters.shape[0])]
    soft = fold(part[1] for part in parts) / len(parts)
    if ignore_index is None:
        return Targets(predicted_class(xp, soft), soft, None, None)
    share = fold(xp.astype(part[2], soft.dtype) for part in parts) / len(parts)
    some = share > 0
    soft = soft / xp.where(some, share, xp.ones_like(share))[:, None, ...]
    hard = predicted_class(xp, soft)
    return Targets(xp.where(some, hard, xp.full_like(hard, -1)), soft, share, -1)


def _target(
    xp: Namespace, prob: Array, label: Array, ignore_index: int | None
) -> tuple[Array, Array, Array | None]:
    """Return a label as integers, as probabilities, and where it counts."""
    hard, label = checked_labels(xp, prob, label, ignore_index)
    dtype = sum_dtype(xp, prob)
    if hard is not label:
        return hard, xp.astype(label, dtype, copy=False), None
    soft, kept = expand_labels(xp, label, prob.shape[1], ignore_index)
    soft = xp.astype(soft, dtype)
    if kept is None:
        return label, soft, None
    # one of the classes may be the label to ignore
    return label, xp.where(kept, soft, xp.zeros_like(soft)), kept[:, 0, ...]


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


def likeliest(
    best: Callable[[Namespace, Array, Array, Array], R],
    logits: Array,
    label: Array,
    ignore_index: int | None,
    rater_axis: int | None,
) -> R:
    """Return what ``best`` finds for the rows of `likelihood_rows`, in double precision."""
    xp = namespace(logits=logits, label=label)
    logits, label = without_gradient(xp, logits), without_gradient(xp, label)
    require_logits(xp, logits)
    targets = targets_of(xp, logits, label, ignore_index, rater_axis)
    if not is_eager(logits, label):
        raise TypeError("logits must be an eager array, since the fit depends on its values")
    _hint(logits)
    with double_precision(xp):
        return best(xp, *likelihood_rows(xp, logits, targets))


def _hint(logits: Array) -> None:
    """Warn of probabilities in place of logits."""
    alone = logits.shape[1] == 1
    warn_of_probabilities(
        logits,
        "sigmoid" if alone else "softmax",
        "logits hold probabilities: give what the network returns before its "
        f"{'sigmoid, or log(p / (1 - p))' if alone else 'softmax, or log(p)'} of probabilities p",
    )


def likelihood_rows(xp: Namespace, logits: Array, targets: Targets) -> tuple[Array, Array, Array]:
    """Return logits and soft labels (C, n), 0 where no label counts, and the share that does (n,).

    In the widest dtype; raises ValueError if no pixel counts or a logit of one is not finite.
    """
    wide = widest_float(xp, logits)
    z, y = (xp.astype(class_rows(xp, a), wide, copy=False) for a in (logits, targets.soft))
    if targets.share is None:
        share = xp.ones_like(z[0, :])
    else:
        share = xp.astype(xp.reshape(targets.share, (-1,)), wide, copy=False)
        z = xp.where(share > 0, z, xp.zeros_like(z))
    if not bool(xp.any(share > 0)):
        raise ValueError("label must hold at least one pixel that counts, got none")
    if checks_apply(z) and not bool(xp.all(xp.isfinite(z))):
        raise ValueError("logits must be finite, got NaN or infinity")
    return z, y, share


def require_fitted(calibrator: object, attribute: str) -> None:
    if not hasattr(calibrator, attribute):
        raise RuntimeError(f"{type(calibrator).__name__} must be fitted first: call fit")
