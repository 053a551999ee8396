"""Hard labels made soft: one-hot and uniform label smoothing."""

from ._lib.checks import checks_apply, require_label_map, require_unit_interval
from ._lib.dtypes import REAL, require_dtype
from ._lib.namespace import constant, is_floating, is_integer, namespace, position, result_dtype
from ._lib.options import require_label, require_number
from ._lib.seam import accelerated, whole
from ._lib.special import widen
from ._lib.typing import Array, DType, Namespace


@whole
def one_hot(
    label: Array,
    num_classes: int,
    *,
    axis: int = 1,
    dtype: DType | None = None,
    ignore_index: int | None = None,
) -> Array:
    """Return integer labels as one indicator a class: 1 where the label is that class, else 0.

    Parameters
    ----------
    label : Array
        Integer labels (B, *spatial) from 0 to C - 1.
    num_classes : int
        The number of classes C. With C = 1 the labels are the foreground mask, 0 or 1.
    axis : int, optional
        The position of the class axis in the result; 0 suits a label map without a batch axis.
    dtype : dtype, optional
        The dtype of the result, bool included; None is the library's default floating
        one, at least float32.
    ignore_index : int, optional
        The label of pixels that do not count: they are 0 in every class.

    Returns
    -------
    Array
        (B, C, *spatial), in the library and on the device of ``label``.

    Raises
    ------
    TypeError
        If ``label`` is no array or not of an integer dtype.
    ValueError
        If ``num_classes`` is below 1, ``axis`` does not fit, or a checked label is out of range;
        see `value_checks`.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import one_hot
    >>> one_hot(np.array([[0, 2, 255]]), 3, dtype=np.uint8, ignore_index=255)
    array([[[1, 0, 0],
            [0, 0, 0],
            [0, 1, 0]]], dtype=uint8)
    """
    xp = namespace(label=label)
    ignore_index = require_label("ignore_index", ignore_index)
    num_classes = require_label_map(xp, label, num_classes, ignore_index)
    axis = position(axis, label.ndim + 1)
    values = constant(xp, (0, 1), result_dtype(xp, label, dtype, REAL), label)
    return spread(label, values, num_classes=num_classes, axis=axis, ignore_index=ignore_index)


@whole
def smooth_labels(
    label: Array,
    num_classes: int | None = None,
    *,
    epsilon: float,
    axis: int = 1,
    dtype: DType | None = None,
    ignore_index: int | None = None,
) -> Array:
    """Return uniform label smoothing: (1 - epsilon) y + epsilon / C.

    Parameters
    ----------
    label : Array
        Integer labels (B, *spatial), with ``num_classes``; or soft labels (B, C, *spatial) in a
        floating dtype. A single foreground channel stands for two classes: C = 2 in the formula.
    num_classes : int, optional
        The number of classes of integer labels, as for `one_hot`; None for soft ones.
    epsilon : float
        The share of the uniform distribution, from 0 to 1.
    axis : int, optional
        The class axis: of the result for integer labels, of ``label`` for soft ones.
    dtype : dtype, optional
        The floating dtype of the result; None is that of soft labels, else the library's
        default, at least float32.
    ignore_index : int, optional
        The integer label of pixels that do not count. They stay 0 in every class; so does a pixel
        of several soft channels that are all 0.

    Returns
    -------
    Array
        (B, C, *spatial), in the library and on the device of ``label``.

    Raises
    ------
    TypeError
        If ``label`` is no array, of a wrong dtype, or of integers without ``num_classes``.
    ValueError
        If an option is out of its range, or a checked value is; see `value_checks`.

    References
    ----------
    .. [1] Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, Sect. 7.
    .. [2] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Sect. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import smooth_labels
    >>> smooth_labels(np.array([[1, 0]]), 2, epsilon=0.5)
    array([[[0.25, 0.75],
            [0.75, 0.25]]])
    """
    xp = namespace(label=label)
    epsilon = require_fraction("epsilon", epsilon)
    ignore_index = require_label("ignore_index", ignore_index)
    out = None if dtype is None else require_dtype(xp, dtype)
    if is_integer(xp, label):
        if num_classes is None:
            raise TypeError("num_classes must be given with integer labels, got None")
        num_classes = require_label_map(xp, label, num_classes, ignore_index)
        axis = position(axis, label.ndim + 1)
        hard = constant(xp, (0, 1), result_dtype(xp, label, out), label)
        values = mix_uniform(hard, epsilon, num_classes)
        return spread(label, values, num_classes=num_classes, axis=axis, ignore_index=ignore_index)
    label = _soft(xp, label, num_classes, ignore_index)
    axis = position(axis, label.ndim)
    num_classes = label.shape[axis]
    soft = xp.astype(label, label.dtype if out is None else out, copy=False)
    smooth = mix_uniform(soft, epsilon, num_classes)
    if num_classes == 1:
        return smooth
    return xp.where(some_class(label, axis=axis), smooth, xp.zeros_like(smooth))


@accelerated
def some_class(label: Array, *, axis: int) -> Array:
    """Return where some class of soft labels is not 0, the class axis kept."""
    return namespace(label=label).any(label != 0, axis=axis, keepdims=True)


def _soft(xp: Namespace, label: Array, num_classes: int | None, ignore_index: int | None) -> Array:
    """Return soft labels, or raise unless they are, and no option is for integer ones."""
    if not is_floating(xp, label):
        raise TypeError(f"label must be of an integer or floating dtype, got {label.dtype}")
    if num_classes is not None or ignore_index is not None:
        raise ValueError(
            f"num_classes and ignore_index are for integer labels, got label of dtype {label.dtype}"
        )
    return require_unit_interval(xp, label, "label") if checks_apply(label) else label


def require_fraction(name: str, value: float) -> float:
    number = require_number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {number}")
    return number


@accelerated
def spread(
    label: Array, values: Array, *, num_classes: int, axis: int, ignore_index: int | None
) -> Array:
    """Return values[1] for the class of each label, values[0] for others, and 0 where ignored.

    It is a reduction that an adapter replaces. One class alone is label 1.
    """
    xp = namespace(label=label)
    label = xp.expand_dims(widen(xp, label, num_classes - 1, ignore_index), axis=axis)
    numbers = (1,) if num_classes == 1 else range(num_classes)
    shape = tuple(-1 if a == axis else 1 for a in range(label.ndim))
    hot = label == xp.reshape(constant(xp, numbers, label.dtype, label), shape)
    found = xp.where(hot, values[1], values[0])
    if ignore_index is None:
        return found
    return xp.where(label != ignore_index, found, xp.zeros_like(found))


def mix_uniform(soft: Array, epsilon: float, num_classes: int) -> Array:
    """Return (1 - epsilon) y + epsilon / C, where one class alone means two."""
    return (1 - epsilon) * soft + epsilon / max(num_classes, 2)
